"""Customers of a deployment."""
