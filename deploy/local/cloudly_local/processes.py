"""The table of the suite's Python processes: what is run, what it needs to be healthy first, how its health is asked.

The servers that are not ours (database, Redis, Envoy, Traefik) stand in `servers.py`.
"""

from dataclasses import dataclass

from cloudly_kit.config import SERVICES

STORES = ("mongo", "redis")


@dataclass(frozen=True)
class PythonProcess:
    """A process that the zygote forks."""

    name: str
    call: str
    """`module:function`"""
    needs: tuple[str, ...]
    grpc: bool = False
    """It serves gRPC on `<name>.sock`, health included."""
    http: str = ""
    """It serves HTTP on the port by its name; this path tells its health."""

    @property
    def module(self) -> str:
        """The module that the zygote imports for it."""
        return self.call.partition(":")[0]


PROCESSES = (
    PythonProcess("auth", "cloudly_auth.main:main", STORES, grpc=True),
    *(
        PythonProcess(name, f"cloudly_{name}.main:main", (*STORES, "auth"), grpc=True)
        for name in SERVICES
        if name != "auth"
    ),
    *(PythonProcess(f"{name}-worker", f"cloudly_{name}.main:worker", (*STORES, "auth")) for name in SERVICES),
    PythonProcess("gateway", "cloudly_gateway.main:main", SERVICES, http="/healthz"),
)

IDENTITIES = (*SERVICES, "gateway")
"""Who calls others, and so has a key pair."""

PRELOADED = (
    "grpc.aio",
    "grpc_health.v1.health",
    "grpc_reflection.v1alpha.reflection",
    "motor.motor_asyncio",
    "redis.asyncio",
    "arq",
    "arq.worker",
    "pydantic_settings",
    "structlog",
    "prometheus_client",
    "uvloop",
    "jwt",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "fastapi",
    "uvicorn",
    "aiohttp.web",
)
"""What every process or a heavy one needs; the services' own modules come on top."""
S3_MODULES = ("aioboto3",)
"""Heavy (45 MiB), so only where S3 is configured."""
