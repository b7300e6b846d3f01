"""Google's HTTP API: Gemini's interactions and Veo."""
