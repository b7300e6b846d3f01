"""What the vendors' HTTP has in common: keys, frames, references, optional fields, files."""
