"""The one exception type of expected failures; its text is one line for the user."""


class PrunemarkError(Exception):
    """Bad input, said in one line: the contract, the value found, what is allowed."""
