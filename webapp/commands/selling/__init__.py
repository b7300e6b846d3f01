"""What is sold to accounts."""
