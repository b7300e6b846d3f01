"""Following a run: looking, waiting for a change or for the end, and events as they come."""
