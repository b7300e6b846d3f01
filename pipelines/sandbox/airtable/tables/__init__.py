"""What requests do to records and schemas, and which records a query finds."""
