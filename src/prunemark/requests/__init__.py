"""What each stage is asked to do: one type per sub-command, from which its options, the parameters of its receipt and
the call derive. May import nothing of this package."""
