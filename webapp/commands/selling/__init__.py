"""What is sold: credits of accounts, and single calls."""
