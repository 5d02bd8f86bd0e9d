"""Fixtures: a directory with a short path, and a suite of example processes in it."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cloudly_local.testing import SmallSuite


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short path."""
    directory = Path(tempfile.mkdtemp(prefix="cl-", dir="/tmp"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def small_suite(place: Path) -> Iterator[SmallSuite]:
    """Not started yet."""
    suite = SmallSuite(place / "data", Path(__file__).with_name("small_suite.py"))
    yield suite
    suite.clean_up()
