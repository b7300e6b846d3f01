"""`flask doctor`: what works on this deployment, and with `--live` that a clip can be bought."""
