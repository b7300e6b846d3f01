"""The HTTP routes: token and limits first, then one module per part of the API."""
