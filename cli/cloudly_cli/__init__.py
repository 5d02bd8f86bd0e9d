"""cloudly: the command line."""
