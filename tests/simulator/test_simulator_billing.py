"""Token counts, prices and the ledger, exact to the token and the last digit."""

import hashlib
import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from simulator_bodies import Client, body_of

from batcher.simulator.billing.images import dimensions, image_tokens
from batcher.simulator.billing.ledger import Ledger, exact
from batcher.simulator.billing.model_table import models
from batcher.simulator.billing.prompt_tokens import text_tokens
from batcher.simulator.billing.usage import Usage, price
from batcher.simulator.endpoints import control

Start = Callable[..., Client]

PRICES = [
    ("claude-haiku-5-5", Usage(412, 57, read=2_048), "0.00009018"),
    ("claude-haiku-5-5", Usage(100_000, 1_000), "0.0105"),
    ("claude-haiku-5-5", Usage(100_001, 1_000), "0.0525005"),
    ("claude-haiku-5-5", Usage(1, 0, write_5m=50_000, write_1h=25_000, read=25_000), "0.0575005"),
    ("claude-opus-5-5", Usage(1_000, 100, read=1_000), "0.0062"),
    ("claude-opus-5-5", Usage(1_000, 100, speed="fast"), "0.012"),
    ("claude-fable-5-2", Usage(0, 0, write_5m=10, write_1h=10, read=1_000), "0.00046"),
    ("claude-sonnet-5", Usage(1_000, 100, inference_geo="us"), "0.0033"),
    ("claude-haiku-4-5-20251001", Usage(3, 7), "0.000038"),
]


@pytest.mark.parametrize(("model", "usage", "expected"), PRICES)
def test_price(model: str, usage: Usage, expected: str) -> None:
    """Each kind of token has its price; long-prompt prices hold above the threshold."""
    assert price(models()[model], usage) == Decimal(expected)


def test_cache_prices_are_multiples() -> None:
    """Cache writes cost 1.25 and 2 times the input price, for all rates of all live models."""
    cards = [
        card
        for model in models().values()
        if model.is_live
        for card in (model.rates, model.fast_rates, model.long_rates)
        if card is not None
    ]
    assert len(cards) > 20
    for card in cards:
        assert card.write_5m == card.input * Decimal("1.25")
        assert card.write_1h == card.input * 2
        assert card.read / card.input in (Decimal("0.1"), Decimal("0.05"), Decimal("0.025"))


def test_exact() -> None:
    """Amounts are written with every digit and no exponent."""
    assert [exact(Decimal(t)) for t in ("1E-7", "0.10", "0", "120", "3.0")] == [
        "0.0000001", "0.1", "0", "120", "3",
    ]  # fmt: skip


TEXTS = [("", 0, 0), ("a", 1, 1), ("a" * 34, 10, 14), ("é" * 17, 10, 14), ("a" * 35, 11, 14)]


@pytest.mark.parametrize(("text", "old", "new"), TEXTS)
def test_text_tokens(text: str, old: int, new: int) -> None:
    """A token is 3.4 or 2.5 UTF-8 bytes; the count is rounded up."""
    assert (text_tokens(text, "old"), text_tokens(text, "new")) == (old, new)


IMAGES = [
    (200, 200, 64, 64),
    (1000, 1000, 1296, 1296),
    (1092, 1092, 1521, 1521),
    (1920, 1080, 1560, 2691),
    (2000, 1500, 1564, 3888),
    (3840, 2160, 1560, 4784),
    (1, 1, 1, 1),
]


@pytest.mark.parametrize(("width", "height", "standard", "high"), IMAGES)
def test_image_tokens(width: int, height: int, standard: int, high: int) -> None:
    """The examples of the API's documentation have the documented counts."""
    assert image_tokens(width, height, "standard") == standard
    assert image_tokens(width, height, "high") == high


@pytest.mark.parametrize("options", [
    {"format": "PNG"}, {"format": "JPEG"}, {"format": "JPEG", "progressive": True},
    {"format": "GIF"}, {"format": "WEBP"}, {"format": "WEBP", "lossless": True},
], ids=str)  # fmt: skip
def test_dimensions(options: dict[str, object]) -> None:
    """Width and height are read from the header of each image format."""
    file = io.BytesIO()
    Image.new("RGB", (123, 45), "red").save(file, **options)
    assert dimensions(file.getvalue()) == (123, 45)
    assert dimensions(file.getvalue()[:8]) is None


def test_ledger_adds_up(simulate: Start) -> None:
    """Totals are the sums of the entries, and the entries agree with the responses."""
    client = simulate(seed=4, refusal_rate=0.2)
    answers = [client.message(f"row {n}", model=m) for n in range(15)
               for m in ("claude-haiku-5-5", "claude-opus-5-5", "claude-haiku-4-5")]  # fmt: skip
    client.send(body_of(max_tokens="x"))
    client.send(body_of(model="claude-nobody"))
    totals, entries = client.totals, client.simulator.entries()
    assert (totals["requests"], totals["answered"], totals["written"]) == (47, 45, 45)
    assert totals["by_status"] == {"200": 45, "400": 1, "404": 1}
    assert totals["by_outcome"] == {
        "answered": 45, "invalid_request_error": 1, "not_found_error": 1,
    }  # fmt: skip
    usages = [answer["usage"] for answer in answers]
    assert totals["tokens"]["input_tokens"] == sum(u["input_tokens"] for u in usages)
    assert totals["tokens"]["output_tokens"] == sum(u["output_tokens"] for u in usages)
    assert Decimal(totals["cost_usd"]) == sum(entry.cost for entry in entries) > 0
    lines = client.http.get("/_simulator/ledger/requests").text.splitlines()
    assert [json.loads(line) for line in lines] == [
        entry.as_json() for entry in entries if entry.endpoint == "messages"
    ]


def test_free_refusals(simulate: Start) -> None:
    """A refusal before any output is free in some categories, but its tokens are shown."""
    client = simulate()
    free = ("cyber", "general_harms")
    for category in (*free, "bio", "frontier_llm", "reasoning_extraction"):
        for number in range(12):
            message = client.message(f"[[refuse:{category}]] {number}")
            entry = client.simulator.entries()[-1]
            assert message["usage"]["input_tokens"] > 0
            assert (entry.cost == 0) == (category in free and not message["content"])


def test_the_key_of_an_entry_is_a_hash_of_the_body(simulate: Start) -> None:
    """It is the documented hash of the canonical body without ``stream``."""
    client = simulate()
    client.send(body_of("é"))
    client.send(body_of("é", stream=True))
    client.send(body_of("e"))
    keys = [entry.key for entry in client.simulator.entries()]
    text = (
        '{"max_tokens":2000,"messages":[{"content":"é","role":"user"}],"model":"claude-haiku-5-5"}'
    )
    assert keys[0] == keys[1] == hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    assert keys[2] != keys[0]


def test_ledger_file(simulate: Start, tmp_path: Path) -> None:
    """The file can be read while the server runs, and the next server appends to it."""
    path = tmp_path / "ledger.jsonl"
    for expected in (1, 2):
        client = simulate(ledger=path, keep_requests=False)
        client.message()
        assert client.totals["requests"] == 1
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert len(lines) == expected
    assert lines[0]["key"] == lines[1]["key"]
    assert lines[0]["cost_usd"] == lines[1]["cost_usd"] != "0"
    assert client.simulator.entries() == ()


def test_a_closed_entry_counts_once() -> None:
    """Closing an entry a second time does nothing."""
    ledger = Ledger()
    entry = ledger.open("messages", 0.0)
    assert ledger.totals()["in_flight"] == 1
    entry.usage = Usage(1, 1)
    ledger.close(entry)
    ledger.close(entry)
    assert (ledger.totals()["answered"], ledger.totals()["in_flight"]) == (1, 0)


def test_a_client_can_wait_for_the_ledger(simulate: Start) -> None:
    """The totals are sent when they reach the number in the query; other queries are ignored."""
    client = simulate(latency=1, ttft_s=0.3)

    def wait(query: str) -> dict[str, Any]:
        return client.http.get(f"/_simulator/ledger?{query}").json()

    assert wait("answered=0&cost_usd=9&written=x&nonsense")["requests"] == 0
    with ThreadPoolExecutor() as threads:
        response = threads.submit(client.send, body_of())
        assert wait("in_flight=1")["answered"] == 0
        assert wait("answered=1")["answered"] == 1
        assert response.result().status_code == 200


def test_a_client_does_not_wait_forever(simulate: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the longest wait, the totals are sent as they are."""
    monkeypatch.setattr(control, "LONGEST_WAIT_S", 0.01)
    assert simulate().http.get("/_simulator/ledger?answered=1").json()["answered"] == 0
