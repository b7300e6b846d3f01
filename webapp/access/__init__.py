"""Who is asking (auth), what a signed link opens (links), who may pass (doors), how often one may guess."""
