"""Voices: one file for each way of speaking. Importing this loads none of them."""

from __future__ import annotations

from pipelines.speech.voices import Voices, build_speech

__all__ = ["Voices", "build_speech"]
