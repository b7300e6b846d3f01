"""What the JSON columns of the records hold."""
