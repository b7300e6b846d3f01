"""Image models: one file for each way of asking. Importing this loads none of them."""

from __future__ import annotations

from pipelines.imaging.pictures import ImageModels, build_pictures

__all__ = ["ImageModels", "build_pictures"]
