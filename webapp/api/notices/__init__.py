"""Customers' webhooks over HTTP."""
