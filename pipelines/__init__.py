"""The core of Reelgrid."""

__version__ = "0.1.0"
