"""An account and its keys over HTTP."""
