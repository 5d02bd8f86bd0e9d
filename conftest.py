"""Every test has the kit's fixtures: real servers, fresh databases, a harness for services, a Docker engine."""

import os

import pytest

pytest_plugins = ["cloudly_kit.testing", "tests.dockerd"]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where nothing may be skipped (CI), a skipped test fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", ())) if reporter else 0
    if os.environ.get("CLOUDLY_NO_SKIPS") and skipped and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line(f"{skipped} tests were skipped, and here none may be", red=True)
