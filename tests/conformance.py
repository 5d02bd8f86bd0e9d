"""`make conformance`: the official OCI Distribution conformance program against a registry of its own; prints what it found.

The program is a Go module of the specification's own repository. It runs twice: as version 1.1 of the specification asks,
and with what the next version adds. Everything it can switch on is switched on.
"""

import asyncio
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

from cloudly_registry.testing import Registry

from tests.go_programs import against_registry

PROGRAM = "github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111"
VERSIONS = ("1.1", "dev")
SWITCHED_ON = {
    "OCI_API_BLOBS_DIGEST_HEADER": "true",
    "OCI_API_BLOBS_UPLOAD_CANCEL": "true",
    "OCI_API_MANIFESTS_DIGEST_HEADER": "true",
    "OCI_API_MANIFESTS_TAG_PARAM": "true",
}


def main() -> int:
    """Build, run, print; the number of failed checks, 2 where there is no Go."""
    return against_registry(PROGRAM, _run)


async def _run(program: Path, registry: Registry) -> int:
    failed = 0
    for version in VERSIONS:
        results = program.parent / f"results-{version}"
        output = await asyncio.to_thread(_conformance, program, registry, version, results)
        failed += _told(version, results / "junit.xml", output)
    return failed


def _conformance(program: Path, registry: Registry, version: str, results: Path) -> str:
    name = f"conformance/v{version.replace('.', '-')}"
    environment = {
        **os.environ,
        **SWITCHED_ON,
        "OCI_VERSION": version,
        "OCI_REGISTRY": registry.settings.http_listen,
        "OCI_TLS": "disabled",
        "OCI_USERNAME": "admin",
        "OCI_PASSWORD": "admin-password",
        "OCI_REPO1": f"{name}/one",
        "OCI_REPO2": f"{name}/two",
        "OCI_RESULTS_DIR": str(results),
    }
    ended = subprocess.run(
        [program], env=environment, cwd=program.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return ended.stdout.decode()


def _told(version: str, report: Path, output: str) -> int:
    """Print a report; how many checks failed, at least 1 where there is no report."""
    if not report.is_file():
        print(output)
        return 1
    counts: Counter[str] = Counter()
    for case in ET.parse(report).iter("testcase"):
        outcome = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
        counts["passed" if outcome is None else outcome.tag] += 1
        if outcome is not None:
            print(f"{outcome.tag}: {case.get('classname', '')} {case.get('name')}: {(outcome.text or '').strip()}")
    print(f"OCI Distribution {version}: {', '.join(f'{count} {what}' for what, count in sorted(counts.items()))}")
    return counts["failure"] + counts["error"]


if __name__ == "__main__":
    sys.exit(main())
