"""What people ask of a number: where it comes from, what would change it, what did, and whether it can be right."""
