"""The verbs: files in, files out, a receipt last. One module per sub-command."""
