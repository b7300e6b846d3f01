"""The pack of a film: a page, and a ZIP that is streamed."""
