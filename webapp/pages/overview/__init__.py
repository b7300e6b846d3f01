"""Pages that look at everything: the films, what they cost, and how the service is."""
