"""What happens to every request, as pure ASGI layers, one duty each."""
