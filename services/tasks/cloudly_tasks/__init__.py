"""Cloudly's operational tasks and the view over all executions."""
