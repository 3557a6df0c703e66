"""What every contender does alike: reads rows and makes the body of a request."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MODEL = "claude-haiku-5-5"
MAX_TOKENS = 100


@dataclass(frozen=True)
class Task:
    """The command line: ``URL ROWS.jsonl OUT.jsonl CONCURRENCY``."""

    url: str
    rows: str
    out: str
    concurrency: int

    @classmethod
    def of_command_line(cls) -> "Task":
        """Read the command line."""
        url, rows, out, concurrency = sys.argv[1:]
        return cls(url, rows, out, int(concurrency))

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield the rows."""
        with open(self.rows, encoding="utf-8") as file:  # noqa: PTH123 - as a script would
            yield from map(json.loads, file)


def messages_of(row: dict[str, Any]) -> list[dict[str, str]]:
    """Return the messages that a row asks."""
    text = f"What is this package for? Answer with one word.\n\n{row['text']}"
    return [{"role": "user", "content": text}]


def body_of(row: dict[str, Any]) -> bytes:
    """Return the body of a row's request."""
    body = {"model": MODEL, "max_tokens": MAX_TOKENS, "messages": messages_of(row)}
    return json.dumps(body).encode()


def line_of(row: dict[str, Any], answer: dict[str, Any]) -> str:
    """Return the line of the output for a row and its answer."""
    text = answer["content"][0]["text"]
    usage = answer["usage"]
    tokens = {name: usage[name] for name in ("input_tokens", "output_tokens")}
    return json.dumps({"id": row["id"], "answer": text, **tokens}) + "\n"
