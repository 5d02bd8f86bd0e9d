"""Cloudly's clusters, workloads and the agents' streams."""
