"""Cloudly's HTTP and WebSocket door."""
