"""The least that a server of files can do: no HTTP but one head, no checks, one sendfile. What a client gets from it is what
that client can take at most.

`python -m bench.bare_sendfile FILE` prints its port and answers every request with the file.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def served(file: Path) -> Iterator[int]:
    """The port of a process that does it, until the end of the block."""
    command = [sys.executable, "-m", "bench.bare_sendfile", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def main() -> None:
    """Serve one client after another, for ever."""
    with open(sys.argv[1], "rb") as file, socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        size = os.fstat(file.fileno()).st_size
        while True:
            client, _ = listener.accept()
            with client:
                _answer(client, file.fileno(), size)


def _answer(client: socket.socket, file: int, size: int) -> None:
    with client.makefile("rb") as requests:
        for line in requests:
            if line == b"\r\n":
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
                sent = 0
                while sent < size:
                    sent += os.sendfile(client.fileno(), file, sent, size - sent)


if __name__ == "__main__":
    main()
