"""Coreflow: the agent that keeps a Docker Swarm as Cloudly wishes it."""
