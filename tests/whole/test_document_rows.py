"""Documents, long texts and conversations as rows."""

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from whole_runs import Job, Server

ASK = 'prompt = "{{ question }}"\n'
LABELS = '[labels]\nfields = "answer: yes|no|unclear, quote? text"\n'
CONTRACT = "The tenant shall keep the garden in good order and pay the rent in advance. " * 300


def pdf(pages: int) -> bytes:
    """Return a minimal PDF of empty pages."""
    kids = " ".join(f"{n + 3} 0 R" for n in range(pages))
    objects = [
        "<</Type /Catalog /Pages 2 0 R>>",
        f"<</Type /Pages /Kids [{kids}] /Count {pages}>>",
        *["<</Type /Page /Parent 2 0 R /MediaBox [0 0 595 842]>>"] * pages,
    ]
    body = "".join(f"{n} 0 obj{one}endobj\n" for n, one in enumerate(objects, 1))
    return f"%PDF-1.4\n{body}trailer<</Root 1 0 R>>\n%%EOF".encode()


def answers(job: Job) -> list[Any]:
    """Return all rows of the output."""
    return job.table().to_pylist()


def test_pdfs_are_sent_as_documents(job: Job, server: Server) -> None:
    """PDFs come from files or bytes; the estimate and the budget count their pages."""
    (job.folder / "one.pdf").write_bytes(pdf(1))
    (job.folder / "notes.txt").write_text("Only words.")
    rows = [
        {"question": "Is it long?", "doc": name} for name in ("one.pdf", "notes.txt", "gone.pdf")
    ]
    ask = ASK + 'documents = ["doc"]\n'
    job.write(rows, request=ask, more=LABELS).run("--max-cost", "5", code=3)
    first, second, third = answers(job)
    assert first["_input_tokens"] > 3_000, "a page is an image and its text"
    assert second["_input_tokens"] < 1_000
    assert (third["_status"], third["_error_type"]) == ("errored", "client.bad_document")
    assert first["doc"] == "one.pdf", "a path is kept"
    shown = json.loads(job.command("show", "1", "--json"))["request"]
    blocks = shown["messages"][0]["content"]
    assert [block["type"] for block in blocks] == ["document", "text"]
    assert blocks[0]["source"]["media_type"] == "application/pdf"


def test_a_folder_of_pdfs_is_an_input(job: Job, server: Server) -> None:
    """Each PDF is a row, and the estimate is higher for longer PDFs."""
    (job.folder / "papers").mkdir()
    for pages in (1, 5, 20):
        (job.folder / f"papers/{pages:02}.pdf").write_bytes(pdf(pages))
    ask = 'prompt = "Is it a contract?"\ndocuments = ["file"]\n'
    job.write(input='path = "papers"\n', request=ask, more=LABELS)
    expected = json.loads(job.command("estimate", "--offline", "--json"))["tokens"]["prompt"]
    job.run()
    counted = [row["_input_tokens"] for row in answers(job)]
    assert [row["file"] for row in answers(job)] == ["01.pdf", "05.pdf", "20.pdf"]
    assert counted == sorted(counted)
    assert expected["low"] <= sum(counted) <= expected["high"]


def test_bytes_of_documents_are_not_copied_to_the_output(job: Job, server: Server) -> None:
    """Bytes of documents would be the largest part of the output."""
    columns = {"doc": pa.array([pdf(1), pdf(2)], pa.binary()), "question": ["a", "b"]}
    pq.write_table(pa.table(columns), job.folder / "rows.parquet")
    ask = ASK + 'documents = ["doc"]\n'
    job.write(input='path = "rows.parquet"\n', request=ask, more=LABELS).run()
    assert "doc" not in job.table().column_names
    assert set(job.table().column("_status").to_pylist()) == {"succeeded"}


def test_questions_about_one_text_share_its_prefix(tmp_path: Path) -> None:
    """Rows from all over the input share a prefix in the prompt cache, and cost less."""
    texts = [f"Contract {n}. {CONTRACT}" for n in range(4)]
    rows = [
        {"id": f"{n}-{q}", "contract": text, "question": f"Question {q}: is it fair?"}
        for n, text in enumerate(texts)
        for q in range(12)
    ]
    random.Random(3).shuffle(rows)
    spent = {}
    for mode in ("off", "auto"):
        folder = tmp_path / mode
        folder.mkdir()
        server = Server("--latency", "0.02")
        ask = ASK + 'text_documents = ["contract"]\n'
        job = Job(folder, server)
        job.write(rows, request=ask, more=f'[cache]\nmode = "{mode}"\n{LABELS}').run()
        output_rows, ledger = answers(job), server.ledger()
        assert [row["id"] for row in output_rows] == [row["id"] for row in rows]
        assert {row["_status"] for row in output_rows} == {"succeeded"}
        spent[mode] = Decimal(ledger["cost_usd"])
        if mode == "auto":
            assert sum(row["_cache_read_input_tokens"] > 0 for row in output_rows) >= 40
            assert sum(row["_cache_creation_5m_input_tokens"] > 0 for row in output_rows) <= 8
        server.close()
    assert spent["auto"] < spent["off"] / 2


def test_conversations_are_labelled(job: Job, server: Server) -> None:
    """The prompt comes after a column of turns, and the answers are checked as usual."""
    chat = [
        {"role": "user", "content": "Where is my parcel?"},
        {"role": "assistant", "content": "It comes tomorrow."},
    ]
    rows = [
        {"chat": chat, "about": "tone"},
        {"chat": json.dumps(chat), "about": "topic"},
        {"chat": [*chat, {"role": "user", "content": "Thank you!"}], "about": "tone"},
        {"chat": "no turns", "about": "tone"},
    ]
    ask = 'messages = "chat"\nprompt = "What is the {{ about }} of it?"\n'
    job.write(rows, request=ask, more=LABELS).run(code=3)
    *good, bad = answers(job)
    assert all(row["answer"] in ("yes", "no", "unclear") for row in good)
    assert (bad["_error_type"], bad["answer"]) == ("client.bad_row", None)
    body = json.loads(job.command("show", "1", "--json"))["request"]
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["output_config"]["format"]["type"] == "json_schema"


def test_a_conversation_that_ends_with_the_model_is_refused_with_labels(
    job: Job, server: Server
) -> None:
    """The API accepts no prefilled answer with labels; the row is refused before it is sent."""
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    rows = [{"chat": chat}, {"chat": chat[:1]}]
    job.write(rows, request='messages = "chat"\n', more=LABELS).run(code=3)
    assert [row["_status"] for row in answers(job)] == ["errored", "succeeded"]
    assert server.ledger()["requests"] == 1


@pytest.mark.parametrize("on_too_long", ["fail", "truncate"])
def test_a_text_over_the_context(on_too_long: str, job: Job, server: Server) -> None:
    """``check`` reports it; the row fails unbilled, or is cut and says how much is left."""
    long = "word " * 1_000_000
    rows = [{"text": "short"}, {"text": long}, {"text": "short too"}]
    ask = 'prompt = "Text: {{ text }}\\nIs it good?"\n'
    job.write(
        rows,
        request=ask,
        more=LABELS,
        input=f'path = "rows.jsonl"\non_too_long = "{on_too_long}"\n',
    )
    checked = json.loads(job.command("check", "--json", "--simulate"))
    problems = [*checked["bad_rows"], *checked["warnings"]]
    assert any(one["file"] == "rows.jsonl" and one["line"] == 2 for one in problems)
    job.run(code=3 if on_too_long == "fail" else 0)
    row = answers(job)[1]
    if on_too_long == "fail":
        assert (row["_status"], row["_error_type"]) == ("errored", "client.too_long")
        assert server.ledger()["requests"] == 2
    else:
        assert (row["_status"], row["_error_type"]) == ("succeeded", "client.cut")
        assert "the column 'text' was cut to" in row["_error_message"]
        assert row["_input_tokens"] > 300_000
        assert row["text"] == long, "the output keeps the row as it is"
        body = json.loads(job.command("show", "2", "--json"))["request"]
        assert body["messages"][0]["content"].endswith("Is it good?")
        answered = server.ledger()["answered"]
        job.run()
        assert server.ledger()["answered"] == answered, "it is cut alike each time"
