"""Values by field type: from the wire to the cell and back, attachments and links."""
