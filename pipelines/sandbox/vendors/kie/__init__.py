"""The HTTP API of kie.ai."""
