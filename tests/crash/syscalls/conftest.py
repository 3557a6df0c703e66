"""A fixture that skips tests where system calls cannot be traced."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from traced import missing_strace


@pytest.fixture(scope="session")
def strace() -> None:
    """Skip the test if system calls cannot be traced."""
    if (reason := missing_strace()) is not None:
        pytest.skip(reason)
