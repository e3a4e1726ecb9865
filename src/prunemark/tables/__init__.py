"""Tables of papers: those that a user checks, and those that a run gives. May import questions and what lies below."""
