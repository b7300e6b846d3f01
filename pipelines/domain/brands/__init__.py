"""What a brand demands of words and colours, as arithmetic."""
