"""OpenAI's HTTP API: videos, text and webhooks."""
