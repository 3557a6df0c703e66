"""What all tests need."""

import os
import signal
import sys

import pytest
from hypothesis import settings

# How long an example takes depends on what else the machine does; timing goes to benchmarks.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A shell that starts the tests in the background may ignore these signals. The commands that the
# tests start would inherit that and ignore them too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The commands that tests start would compile batcher again and again: an environment that forbids
# to write byte code (as containers often do) makes the slowest tests a third slower.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

LONG = {"whole", "crash"}  # folders of tests that start commands


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long tests first, so that in the end no core waits for the last test of the other."""

    def order(item: pytest.Item) -> tuple[bool, bool]:
        return item.get_closest_marker("slow") is None, not LONG & set(item.path.parts)

    items.sort(key=order)
