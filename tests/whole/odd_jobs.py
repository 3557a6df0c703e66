"""Job files with unusual values, each in its own folder, and a network that responds at once."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import h11
import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from odd_values import LARGE, PARAMS, ROW, ROWS

from batcher.api.slot import HttpxSlot

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def job_text(values: Mapping[str, Any]) -> str:
    """Return the text of a job file; the keys of ``values`` are ``section.key``."""
    sections: dict[str, list[str]] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        if value is not None and section not in ("env", "disk", "flag"):
            sections.setdefault(section, []).append(f"{name} = {_toml(value)}\n")
    return "".join(f"[{name}]\n{''.join(lines)}" for name, lines in sections.items())


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal | int | date):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return f"{{{', '.join(f'{json.dumps(name)} = {_toml(item)}' for name, item in value.items())}}}"


def fill(folder: Path) -> None:
    """Write the files that the jobs name into a folder."""
    lines = [json.dumps(row) for row in ROWS]
    (folder / "folder").mkdir()
    (folder / "pages").mkdir()
    (folder / "pages" / "a.png").write_bytes(PIXEL)
    for name, content in {
        "rows.jsonl": lines,
        "folder/rows.jsonl": lines,
        "empty.jsonl": [],
        "bad.jsonl": [lines[0], "{"],
        "broken.jsonl": ["{", "["],
        "twice.jsonl": [lines[0], lines[0]],
        "calls.jsonl": [json.dumps({"custom_id": row["id"], "params": PARAMS}) for row in ROWS],
        "large.jsonl": [json.dumps({**ROW, "id": "a", "n": 10**30, "params": LARGE})],
        "rows.csv": ["text", "one"],
        "system.txt": ["Answer {{ text }}."],
        "schema.json": ['{"type": "object", "properties": {"label": {"enum": ["x", "y"]}}}'],
        "wrong.json": ['{"type": "array"}'],
        "deep.json": ['{"type": "object", "properties": {"a": {"$ref": "#"}}}'],
    }.items():
        (folder / name).write_text("".join(f"{line}\n" for line in content))
    (folder / "latin.txt").write_bytes(b"\xff{{ text }}")
    table = pa.Table.from_pylist(
        [{**row, "image": PIXEL, "params": json.dumps(PARAMS)} for row in ROWS]
    )
    pq.write_table(table, folder / "rows.parquet")


def put(folder: Path, name: str, kind: str) -> None:
    """Create a file, link or folder at a path that a run needs, unless the path exists."""
    path = folder / name
    if path.exists() or path.is_symlink():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "file":
        path.write_text("mine\n")
    elif kind in ("link", "dangling"):
        path.symlink_to(folder / ("rows.csv" if kind == "link" else "nowhere"))
    else:
        path.mkdir()
    if kind == "foreign":
        (path / "mine.txt").write_text("mine\n")
    elif kind == "output":
        (path / "part-00000.parquet").write_text("old\n")
    elif kind == "locked":
        (path / "lock").mkdir()
    elif kind == "damaged":
        (path / "lock").touch()
        (path / "checkpoint.duckdb").write_text("no database\n")


@dataclass
class Network:
    """Responds to requests to any server; a request that HTTP cannot carry fails as usual."""

    sent: list[str] = field(default_factory=list)

    async def respond(self, request: httpx.Request) -> httpx.Response:
        """Respond at once with a message that suits any request."""
        h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
        self.sent.append(str(request.url))
        body = json.loads(b"".join([piece async for piece in request.stream]))
        message = {
            "id": "msg",
            "type": "message",
            "role": "assistant",
            "model": body.get("model"),
            "content": [{"type": "text", "text": '{"label": "x"}'}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 10, "output_tokens": 5},
        }
        return httpx.Response(200, json=message)


@contextmanager
def network() -> Iterator[Network]:
    """Replace the network below batcher's own code, and send everything over httpx."""
    replacement = Network()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("batcher.api.client.open_slot", HttpxSlot)
        patch.setattr(
            httpx.AsyncHTTPTransport,
            "handle_async_request",
            replacement.respond,
        )
        yield replacement
