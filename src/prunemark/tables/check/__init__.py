"""Whether a table can be right: read it, recognise its columns, hold its numbers against each other."""
