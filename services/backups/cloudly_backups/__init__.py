"""Cloudly's backups: policies, records, replication."""
