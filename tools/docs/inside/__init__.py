"""Pages about the inside of the product: its rooms, words, states, errors, crash points and costs."""
