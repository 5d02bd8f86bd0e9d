"""The whole suite on one machine, under one supervisor."""
