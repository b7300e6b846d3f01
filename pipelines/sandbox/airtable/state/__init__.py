"""What the emulated Airtable knows and remembers: bases, limits, the journal, one base transaction."""
