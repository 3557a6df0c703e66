"""A fixture that runs a webhook."""

from collections.abc import Iterator

import pytest
from webhook_server import Webhook


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A webhook that accepts every notice."""
    running = Webhook()
    yield running
    running.close()
