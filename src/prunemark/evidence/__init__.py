"""A finished run as others can read and check it: an RO-Crate, its verifier, and answers to checklists."""
