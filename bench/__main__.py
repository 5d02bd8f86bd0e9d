"""`make bench`: all measurements, one after the other, or those named on the command line."""

import importlib
import sys

PROGRAMS = ("suite", "push", "auth", "registry")


def main() -> int:
    """Run them; the number of those that failed."""
    failed = 0
    for name in sys.argv[1:] or PROGRAMS:
        print(f"== {name}", flush=True)
        try:
            failed += int(bool(importlib.import_module(f"bench.{name}").main()))
        except ModuleNotFoundError as error:
            print(f"there is no bench/{name}.py ({error})", file=sys.stderr)
            failed += 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
