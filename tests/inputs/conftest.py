"""A fixture that writes an input and opens it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batcher.core.job import InputSection
from batcher.inputs.source import Source

Opener = Callable[..., Source]


@pytest.fixture
def open_source(tmp_path: Path) -> Opener:
    """Open a source in the test's folder; bytes given as ``data`` are written to ``path`` first."""

    def opened(path: str = "rows.jsonl", data: bytes | None = None, **spec: Any) -> Source:
        if data is not None:
            (tmp_path / path).write_bytes(data)
        return Source.open(InputSection(path=path, **spec), tmp_path)

    return opened
