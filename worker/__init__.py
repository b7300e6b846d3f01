"""The door for work: a supervisor, the pump that knows what is due, and RQ workers that do it."""
