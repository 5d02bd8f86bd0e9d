"""Cloudly's OCI registry and images."""
