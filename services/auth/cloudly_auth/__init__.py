"""Cloudly's people, machines, sessions and keys."""
