"""Customers' webhooks: endpoints, and notices sent to them."""
