"""A suite of example processes under the real supervisor, as a program: `small_suite.py DATA NAME=FUNCTION…`."""

import asyncio
import os
import sys
from pathlib import Path

from cloudly_local.config import LocalSettings
from cloudly_local.journal import Journal
from cloudly_local.layout import Layout
from cloudly_local.processes import PythonProcess
from cloudly_local.single import Lock, reclaim
from cloudly_local.suite import Suite
from cloudly_local.supervisor import Supervisor


def main() -> None:
    """Run until told to stop."""
    layout = Layout.at(Path(sys.argv[1]))
    layout.make()
    if not Lock(layout).acquire():
        sys.exit(3)
    journal = Journal(layout.log("supervisor"))
    reclaim(layout, journal.tell)
    processes = []
    for argument in sys.argv[2:]:
        name, _, function = argument.partition("=")
        needs = tuple(process.name for process in processes if process.name == "first")
        processes.append(PythonProcess(name, f"example:{function}", needs, grpc=function == "serving"))
    suite = Suite(
        settings=LocalSettings(),
        layout=layout,
        port=0,
        ports={},
        sockets=layout.sockets(),
        environment={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "SOCKETS": str(layout.sockets())},
        servers=(),
        processes=processes,
        modules=["example"],
    )
    asyncio.run(Supervisor(suite, journal).run())


main()
