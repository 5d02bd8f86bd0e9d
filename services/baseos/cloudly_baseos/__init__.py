"""Cloudly's BaseOS nodes and image builds."""
