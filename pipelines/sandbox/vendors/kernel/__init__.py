"""Jobs, bill, faults and clips: what all vendors share below HTTP."""
