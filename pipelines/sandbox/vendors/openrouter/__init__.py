"""The HTTP API of OpenRouter."""
