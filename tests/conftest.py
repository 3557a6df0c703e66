"""What all tests need."""

import os
import signal
import sys

import pytest
from hypothesis import settings
from samples import IN_FULL

# How long an example takes depends on what else the machine does; timing goes to benchmarks.
settings.register_profile("untimed", deadline=None)
settings.register_profile(IN_FULL, deadline=None)
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


@pytest.hookimpl(tryfirst=True)  # before -m chooses by the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the variations of long tests slow but for the first one, and put long tests first.

    So make test tries each promise once, and make test-all in all variations. Long tests come
    first, so that in the end no core waits for the last test of the other.
    """
    tried = set()
    for item in items:
        if not LONG & set(item.path.parts) or "older_versions" in item.path.parts:
            continue
        test = (item.path, getattr(item, "originalname", item.name))
        if test in tried:
            item.add_marker(pytest.mark.slow)
        elif not (item.get_closest_marker("slow") or item.get_closest_marker("crash")):
            tried.add(test)

    def order(item: pytest.Item) -> tuple[bool, bool]:
        return item.get_closest_marker("slow") is None, not LONG & set(item.path.parts)

    items.sort(key=order)
