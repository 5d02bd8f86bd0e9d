"""The gateway's fixtures; `harness` and the servers behind it come from the kit."""

from cloudly_gateway.testing import contract_server, gateway

__all__ = ["contract_server", "gateway"]
