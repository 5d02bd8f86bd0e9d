"""Clients of the clouds and stores that Cloudly works with, each as small as what the services need of it."""
