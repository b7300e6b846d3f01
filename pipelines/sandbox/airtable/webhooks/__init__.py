"""Payloads of the changes, and the pings that announce them."""
