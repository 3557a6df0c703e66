"""A webhook for each test that wants one."""

from collections.abc import Iterator

import pytest
from webhook_server import Webhook


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A webhook that takes everything."""
    running = Webhook()
    yield running
    running.close()
