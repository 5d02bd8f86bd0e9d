"""`python -m cloudly_local.health_check grpc HOST:PORT` or `… http PORT PATH`: a container's health as an exit status."""

import asyncio
import sys

from cloudly_local import probes


def main() -> None:
    """Exit with 0 when healthy, else with 1."""
    match sys.argv[1:]:
        case ["grpc", address]:
            probe = probes.grpc(address)
        case ["http", port, path]:
            probe = probes.http(int(port), path)
        case _:
            sys.exit(__doc__)
    sys.exit(0 if asyncio.run(probes.healthy(probe)) else 1)


if __name__ == "__main__":
    main()
