"""What the present work is about, for logs and traces."""
