"""Generate the Python of the contract into proto/gen: messages, typed gRPC stubs, and the contract as data."""

import shutil
import sys
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).parent
GENERATED = ROOT / "gen"


def main() -> int:
    """Replace proto/gen by what the .proto files say now."""
    sources = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "cloudly").rglob("*.proto"))
    building = ROOT / "gen.new"
    shutil.rmtree(building, ignore_errors=True)
    (building / "cloudly").mkdir(parents=True)
    descriptor_set = building / "cloudly" / "descriptors.binpb"
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    status = protoc.main(
        [
            "protoc",
            f"-I{ROOT}",
            f"-I{well_known}",
            f"--python_out={building}",
            f"--mypy_out=quiet:{building}",
            f"--grpc_python_out={building}",
            f"--mypy_grpc_out=quiet,async_only:{building}",
            "--include_imports",
            "--include_source_info",
            f"--descriptor_set_out={descriptor_set}",
            *sources,
        ]
    )
    if status != 0:
        return int(status)
    _describe(building, descriptor_set)
    for package in {path.parent for path in building.rglob("*.py")}:
        (package / "py.typed").touch()
    shutil.rmtree(GENERATED, ignore_errors=True)
    building.rename(GENERATED)
    return 0


def _describe(building: Path, descriptor_set: Path) -> None:
    # It reads the options with the code that was generated a moment ago.
    sys.path[:0] = [str(building), str(ROOT)]
    from describe import describe

    describe(descriptor_set, building / "cloudly" / "contract.json")


if __name__ == "__main__":
    sys.exit(main())
