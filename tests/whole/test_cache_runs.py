"""Runs with the prompt cache: a shared prefix is written once and read afterwards."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from whole_runs import Job, Server, batcher

SYSTEM = "You label things, one at a time. " * 250  # some 3,000 tokens


@pytest.fixture
def server() -> Iterator[Server]:
    """A simulator with latency, so that requests overlap."""
    running = Server("--keep-requests", "--latency", "0.1")
    yield running
    running.close()


def tokens(server: Server) -> tuple[int, int]:
    """Return the tokens read from the cache and written to it."""
    counted = server.ledger()["tokens"]
    written = sum(counted[f"cache_creation_{ttl}_input_tokens"] for ttl in ("5m", "1h"))
    return counted["cache_read_input_tokens"], written


def share(server: Server) -> float:
    """Return the share of cached tokens that was read, not written."""
    read, written = tokens(server)
    return read / (read + written)


def entries(server: Server) -> list[dict[str, Any]]:
    """Return the usage of each response, in the order of sending."""
    return [entry["usage"] for entry in server.entries() if entry["usage"] is not None]


def rows(count: int) -> list[dict[str, str]]:
    """Return rows with different texts."""
    return [{"text": f"thing {number}"} for number in range(count)]


def conversations(
    documents: int, questions: int, *, is_ordered: bool = False
) -> list[dict[str, Any]]:
    """Return questions about documents, in random order or document by document."""
    questions = [
        {"messages": [{"role": "user", "content": [text(f"document {d} " * 500), text(f"{q}?")]}]}
        for d in range(documents)
        for q in range(questions)
    ]
    if not is_ordered:
        random.Random(3).shuffle(questions)
    return questions


def text(words: str) -> dict[str, str]:
    """Return a text block."""
    return {"type": "text", "text": words}


@pytest.mark.parametrize(
    "stream",
    [pytest.param("true", id="stream", marks=pytest.mark.slow), pytest.param("false", id="whole")],
)
def test_a_shared_prompt_is_written_once(job: Job, server: Server, stream: str) -> None:
    """The first request is sent alone; all others read the prefix."""
    request = f'system = {json.dumps(SYSTEM)}\nprompt = "{{{{ text }}}}"\n'
    job.write(rows(120), request=request, api=f"stream = {stream}\n").run()
    first, *others = entries(server)
    assert first["cache_creation_5m_input_tokens"] > 2_500
    assert all(usage["cache_creation_5m_input_tokens"] == 0 for usage in others)
    assert share(server) > 0.99


@pytest.mark.slow
def test_without_waiting_a_prefix_is_written_many_times(job: Job, server: Server) -> None:
    """The comparison: with the same marks but without waiting, many requests write the prefix."""
    questions = conversations(20, 15, is_ordered=True)
    for row in questions:
        row["messages"][0]["content"][0]["cache_control"] = {"type": "ephemeral"}
    request, more = 'messages = "messages"\n', '[cache]\nmode = "off"\n'
    job.write(questions, request=request, more=more).run()
    assert sum(usage["cache_creation_5m_input_tokens"] > 0 for usage in entries(server)) > 60
    assert share(server) < 0.8


@pytest.mark.parametrize(
    "is_ordered",
    [
        pytest.param(True, id="in order", marks=pytest.mark.slow),
        pytest.param(False, id="random"),
    ],
)
def test_a_document_is_written_once(job: Job, server: Server, is_ordered: bool) -> None:
    """Each document is written once, and 14 of its 15 questions read it."""
    job.write(conversations(8, 15, is_ordered=is_ordered), request='messages = "messages"\n').run()
    written = sum(usage["cache_creation_5m_input_tokens"] > 0 for usage in entries(server))
    assert written == 8
    assert share(server) > 0.93


def test_two_levels_are_written_once_each(job: Job, server: Server) -> None:
    """The first request writes the system prompt, each document's first question the document."""
    request = f'system = {json.dumps(SYSTEM)}\nmessages = "messages"\n'
    job.write(conversations(10, 5), request=request).run()
    usages = entries(server)
    assert sum(usage["cache_creation_5m_input_tokens"] > 0 for usage in usages) == 10
    assert sum(usage["cache_read_input_tokens"] == 0 for usage in usages) == 1


@pytest.mark.slow
def test_marks_do_not_change_the_fingerprint(job: Job, server: Server, tmp_path: Path) -> None:
    """Answers, fingerprints and output are the same without marks, so nothing is sent again."""
    block = f'{{ type = "text", text = {json.dumps(SYSTEM)} }}'
    request = f'system = [{block}]\nprompt = "{{{{ text }}}}"\n'
    job.write(rows(30), request=request).run()
    requests = server.ledger()["requests"]
    again = job.write(rows(30), request=request, more='[cache]\nmode = "off"\n').run()
    assert "0 to send" in again
    assert server.ledger()["requests"] == requests
    (tmp_path / "other").mkdir()
    other = Job(tmp_path / "other", server)
    other.write(rows(30), request=request, more='[cache]\nmode = "off"\n').run()
    unlike = ["_input_tokens", "_cost_usd"]
    columns = [
        name
        for name in job.stable_table().column_names
        if name not in unlike and not name.startswith("_cache")
    ]
    assert other.stable_table().select(columns).equals(job.stable_table().select(columns))


def test_retried_rows_share_their_prompt_too(tmp_path: Path) -> None:
    """Failed rows are sent again, and their shared prompt is written once."""
    server = Server(
        "--keep-requests", "--latency", "0.05", "--fault", "status:status=400,after_n=5,first_n=15"
    )
    job = Job(tmp_path, server)
    request = f'system = {json.dumps(SYSTEM)}\nprompt = "{{{{ text }}}}"\n'
    job.write(rows(30), request=request).run(code=3)
    before = tokens(server)
    assert batcher("retry", job.path, "--yes", key="test-key").code == 0
    read, written = (after - earlier for after, earlier in zip(tokens(server), before, strict=True))
    assert read > 10 * 2_500
    assert written == 0  # the first run's entry still lives
    server.close()
