"""The life of batches: states, times, expiry, cancel, deletion and the clock."""

import math
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from simulator_batches import DAY, HOUR, PATH, STILL, BatchClient, error_of, items_of, kinds
from simulator_bodies import Client

from batcher.simulator import Settings, run_in_thread
from batcher.simulator.batches.duration import Durations

Batches = Callable[..., BatchClient]
NONE = {"succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
TIMES = ("archived_at", "cancel_initiated_at", "created_at", "ended_at", "expires_at")


def at(text: str | None) -> datetime | None:
    """Return a time of the API."""
    return None if text is None else datetime.fromisoformat(text)


def test_a_new_batch(batches: Batches) -> None:
    """Its fields are those of the API; the times have microseconds."""
    client = batches()
    batch = client.create(items_of(3))
    assert re.fullmatch(r"msgbatch_01[0-9a-f]{20}", batch["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", batch["created_at"])
    assert at(batch["expires_at"]) - at(batch["created_at"]) == timedelta(days=1)
    assert {key: value for key, value in batch.items() if key not in TIMES} == {
        "id": batch["id"], "type": "message_batch", "processing_status": "in_progress",
        "request_counts": {"processing": 3, **NONE}, "results_url": None,
    }  # fmt: skip
    assert batch["archived_at"] is batch["cancel_initiated_at"] is batch["ended_at"] is None


def test_a_path_with_a_slash(batches: Batches) -> None:
    """A slash at the end changes nothing."""
    client = batches()
    response = client.http.post(f"{PATH}/", json={"requests": items_of(2)})
    assert response.json()["request_counts"]["processing"] == 2
    assert len(client.http.get(f"{PATH}/").json()["data"]) == 1


def test_nothing_is_counted_before_the_end(batches: Batches) -> None:
    """All items are processing until the batch has ended, and there are no results."""
    client = batches(batch_results_after_s=0)
    batch = client.create(items_of(100))
    for _ in range(20):
        value = client.get(batch["id"])
        assert value["request_counts"] == {"processing": 100, **NONE}
        assert value["results_url"] is None
        assert error_of(client.fetch(batch["id"]))[:2] == (404, "not_found_error")
        client.advance(10)
    client.advance(10)
    value = client.get(batch["id"])
    assert value["request_counts"] == {"processing": 0, **NONE, "succeeded": 100}
    assert at(value["ended_at"]) - at(value["created_at"]) == timedelta(seconds=210)


def test_results_come_some_seconds_after_creation(batches: Batches) -> None:
    """A batch that ends at once has no results for ten seconds."""
    client = batches(batch_floor_s=0, batch_median_s=0)
    batch = client.create(items_of(2))
    client.advance(9)
    assert client.get(batch["id"])["processing_status"] == "ended"
    assert client.fetch(batch["id"]).status_code == 404
    client.advance(1)
    assert len(client.results(batch["id"])) == 2


def test_results_have_another_order(batches: Batches) -> None:
    """The order of the results is not that of the requests, and depends on the seed."""
    orders = []
    for seed in (1, 1, 2):
        client = batches(seed=seed)
        ids = list(client.run(items_of(30)))
        assert sorted(ids) == sorted(f"r{n}" for n in range(30)) != ids
        orders.append(ids)
    assert orders[0] == orders[1] != orders[2]


def test_expiry(batches: Batches) -> None:
    """After 24 hours the rest expires and the batch ends."""
    slow = batches(batch_median_s=20 * DAY)
    batch = slow.create(items_of(100))
    slow.advance(DAY - 1)
    assert slow.get(batch["id"])["processing_status"] == "in_progress"
    slow.advance(1)
    value = slow.get(batch["id"])
    assert value["ended_at"] == value["expires_at"]
    counts = kinds(slow.results(batch["id"]))
    assert counts == {"succeeded": 49, "expired": 51}


def test_archive(batches: Batches) -> None:
    """29 days after creation only the metadata stays."""
    client = batches()
    batch = client.create(items_of(2))
    client.advance(29 * DAY - 1)
    assert client.get(batch["id"])["archived_at"] is None
    assert len(client.results(batch["id"])) == 2
    client.advance(1)
    value = client.get(batch["id"])
    assert at(value["archived_at"]) - at(value["created_at"]) == timedelta(days=29)
    assert value["results_url"] is None
    assert value["request_counts"]["succeeded"] == 2
    assert error_of(client.fetch(batch["id"]))[:2] == (404, "not_found_error")
    assert client.delete(batch["id"]).status_code == 200


@pytest.mark.parametrize(("rate", "canceled"), [(1, 50), (0, 0), (0.5, None)])
def test_a_cancel_may_cancel_nothing(batches: Batches, rate: float, canceled: int | None) -> None:
    """What cannot be interrupted goes on; what has begun is never canceled."""
    client = batches(batch_cancel_rate=rate)
    batch = client.create(items_of(100))
    client.advance(75)
    assert client.cancel(batch["id"]).json()["processing_status"] == "canceling"
    client.advance(HOUR)
    counts = client.get(batch["id"])["request_counts"]
    assert counts["canceled"] + counts["succeeded"] == 100
    if canceled is None:
        assert 10 < counts["canceled"] < 40
    else:
        assert counts["canceled"] == canceled


def test_cancel_before_anything_has_begun(batches: Batches) -> None:
    """All items are canceled and the batch ends at once."""
    client = batches()
    batch = client.create(items_of(5))
    first = client.cancel(batch["id"]).json()
    client.advance(0)
    value = client.get(batch["id"])
    assert value["request_counts"] == {"processing": 0, **NONE, "canceled": 5}
    assert value["ended_at"] == value["cancel_initiated_at"] == first["cancel_initiated_at"]
    assert client.client.totals["cost_usd"] == "0"


def test_repeated_and_late_calls(batches: Batches) -> None:
    """A second cancel changes nothing; after the end, cancel is a 400; before it, delete is."""
    client = batches()
    batch = client.create(items_of(100))
    client.advance(75)
    first = client.cancel(batch["id"]).json()
    assert error_of(client.delete(batch["id"]))[:2] == (400, "invalid_request_error")
    client.advance(1)
    assert client.cancel(batch["id"]).json() == first
    client.advance(HOUR)
    assert error_of(client.cancel(batch["id"]))[:2] == (400, "invalid_request_error")
    assert client.delete(batch["id"]).json() == {
        "id": batch["id"], "type": "message_batch_deleted",
    }  # fmt: skip
    for response in (client.delete(batch["id"]), client.fetch(batch["id"]),
                     client.cancel(batch["id"])):  # fmt: skip
        assert response.status_code == 404
    assert client.http.get(PATH).json()["data"] == []


def test_the_list_lags(batches: Batches) -> None:
    """With the setting, a new batch can be read by its id before it is in the list."""
    client = batches(batch_listed_after_s=5)
    batch = client.create(items_of(1))
    assert client.get(batch["id"])["id"] == batch["id"]
    assert client.http.get(PATH).json()["data"] == []
    client.advance(5)
    assert [b["id"] for b in client.http.get(PATH).json()["data"]] == [batch["id"]]


def test_a_fast_clock(batches: Batches) -> None:
    """With a speed, a batch ends without help; the control endpoint changes time and speed."""
    client = batches(batch_speed=100_000)
    batch = client.create(items_of(20))
    while client.get(batch["id"])["processing_status"] != "ended":
        pass
    assert len(client.results(batch["id"])) == 20
    clock = client.http.post("/_simulator/clock", json={"speed": 0}).json()
    assert client.http.get("/_simulator/clock").json() == clock | {"speed": 0}
    later = client.http.post("/_simulator/clock", json={"advance_s": 90.5}).json()
    assert math.isclose(later["now_s"] - clock["now_s"], 90.5, abs_tol=1e-3)
    for body in ({"advance_s": -1}, {"advance_s": "x"}, {"later": 1}, []):
        assert client.http.post("/_simulator/clock", json=body).status_code == 400
    assert client.http.post("/_simulator/clock", content=b"{").status_code == 400


def test_durations_have_a_floor_and_a_heavy_tail() -> None:
    """The defaults: single requests take minutes, most batches under an hour, a few many hours."""
    model = Durations(60, 1_500, 1.3, seed=1)

    def draws(requests: int) -> list[float]:
        return sorted(60 + model.draw(number, requests) for number in range(4_000))

    single, large = draws(1), draws(100_000)
    assert single[0] > 60
    assert single[3_600] < 150
    assert 1_400 < large[2_000] < 1_750
    assert large[2_800] < HOUR
    assert 20 < sum(seconds > 8 * HOUR for seconds in large) < 120
    assert draws(100)[2_000] < 300
    assert draws(20_000) == large
    assert Durations(60, 1_500, 0, 1).draw(7, 10_000) == 1_500
    assert [model.draw(n, 9) for n in range(5)] == [model.draw(n, 9) for n in range(5)]


class Life(RuleBasedStateMachine):
    """Random calls and times, compared with the promises of the API."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.running = run_in_thread(
            Settings(**STILL, batch_median_s=300_000, batch_cancel_rate=0.7, keep_requests=True)
        )
        self.simulator = self.running.__enter__()
        self.api = BatchClient(Client(self.simulator))
        self.sizes: dict[str, int] = {}
        self.seen: dict[str, dict[str, Any]] = {}

    def teardown(self) -> None:
        """Stop the simulator."""
        self.api.http.close()
        self.running.__exit__(None, None, None)

    @rule(target=ids, count=st.integers(1, 30))
    def create(self, count: int) -> str:
        """Create a batch; another number makes its ids differ."""
        batch_id: str = self.api.create(items_of(count, f"b{len(self.sizes)}-"))["id"]
        self.sizes[batch_id] = count
        return batch_id

    @rule(seconds=st.sampled_from([0, 1, 59, 61, 900, HOUR, 5 * HOUR, DAY, 29 * DAY]))
    def advance(self, seconds: int) -> None:
        """Let time pass."""
        self.api.advance(seconds)

    @rule(batch_id=ids)
    def cancel(self, batch_id: str) -> None:
        """Cancel works until the end."""
        has_ended = self.api.get(batch_id)["processing_status"] == "ended"
        assert self.api.cancel(batch_id).status_code == (400 if has_ended else 200)

    @rule(batch_id=ids)
    def fetch(self, batch_id: str) -> None:
        """There are results if there is an address of them; they are what was counted."""
        batch = self.api.get(batch_id)
        response = self.api.fetch(batch_id)
        if batch["results_url"] is None:
            assert response.status_code == 404
            return
        counts = {key: n for key, n in batch["request_counts"].items() if n}
        assert kinds(self.api.results(batch_id)) == counts

    @rule(batch_id=consumes(ids))
    def delete(self, batch_id: str) -> None:
        """Delete works after the end; a batch that is deleted is gone."""
        has_ended = self.api.get(batch_id)["processing_status"] == "ended"
        assert self.api.delete(batch_id).status_code == (200 if has_ended else 400)
        if has_ended:
            del self.sizes[batch_id]
            assert self.api.http.get(f"{PATH}/{batch_id}").status_code == 404

    @invariant()
    def the_list_is_true(self) -> None:
        """Counts add up, states only go forward, and what has ended changes no more."""
        listed = self.api.http.get(PATH, params={"limit": 1_000}).json()["data"]
        assert [batch["id"] for batch in listed] == list(self.sizes)[::-1]
        for batch in listed:
            assert batch == self.api.get(batch["id"])
            assert sum(batch["request_counts"].values()) == self.sizes[batch["id"]]
            before = self.seen.get(batch["id"], batch)
            if before["processing_status"] == "ended":
                assert {**before, "archived_at": None, "results_url": None} == {
                    **batch, "archived_at": None, "results_url": None,
                }  # fmt: skip
            elif batch["processing_status"] != "ended":
                assert batch["request_counts"]["processing"] == self.sizes[batch["id"]]
                is_canceling = batch["cancel_initiated_at"] is not None
                assert (batch["processing_status"] == "canceling") == is_canceling
            else:
                assert batch["created_at"] <= batch["ended_at"] <= batch["expires_at"]
            self.seen[batch["id"]] = batch

    @invariant()
    def the_bill_is_that_of_the_results(self) -> None:
        """Only processed items cost, each half of the live price of its tokens."""
        entries = [e for e in self.simulator.entries() if e.endpoint == "batch_item"]
        assert len({(entry.batch_id, entry.custom_id) for entry in entries}) == len(entries)
        for entry in entries:
            assert (entry.cost > 0) == (entry.outcome == "answered")


Life.TestCase.settings = settings(max_examples=5, stateful_step_count=12, deadline=None)
TestLife = Life.TestCase
