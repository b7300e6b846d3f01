"""The writer of `OPENAI_MODEL`: its questions, and what is made of the answers."""
