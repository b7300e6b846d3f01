"""Films in other languages from the same clips: their words, bought once and kept."""
