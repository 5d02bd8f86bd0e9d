"""Every test has the kit's fixtures: real servers, fresh databases, a harness for services, a Docker engine."""

import os

import pytest

pytest_plugins = ["cloudly_kit.testing", "tests.dockerd"]


LONGEST_FIRST = ("e2e", "docker")
"""Marks of tests that mostly wait: started first, they are done when the others are."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order files by how long they take, so that no worker is left alone with the longest one at the end."""
    items.sort(key=lambda item: next((i for i, mark in enumerate(LONGEST_FIRST) if item.get_closest_marker(mark)), 9))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where nothing may be skipped (CI), a skipped test fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", ())) if reporter else 0
    if os.environ.get("CLOUDLY_NO_SKIPS") and skipped and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line(f"{skipped} tests were skipped, and here none may be", red=True)
