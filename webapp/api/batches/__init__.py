"""Many orders in one request."""
