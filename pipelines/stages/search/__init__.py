"""Films found by what their texts mean, besides their words."""
