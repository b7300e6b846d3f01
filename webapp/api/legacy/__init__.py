"""The words of earlier systems: understood in orders, and said in answers to who used them."""
