"""Films shown to people without a key, and what they say of them."""
