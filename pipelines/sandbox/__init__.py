"""The outside world in a box: Airtable, OpenAI and the video providers as HTTP servers in one process.

For the demo, for development and for tests. Nothing that ships imports it; it imports no stage and no adapter.
"""
