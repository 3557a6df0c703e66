"""The job file's data: defaults, types, and rules between keys."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from batcher.core.job import Job
from batcher.core.job.known_keys import UNAVAILABLE
from batcher.core.job.mistake import dotted
from batcher.core.job.reading import given_keys, read_job
from batcher.core.job.rules import problems


def data(**sections: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a correct job with some keys changed; None removes a key."""
    plain: dict[str, Any] = {
        "input": {"path": "in.jsonl"},
        "request": {"model": "m", "max_tokens": 1, "prompt": "{{ x }}"},
    }
    for name, keys in sections.items():
        plain[name] = {**plain.get(name, {}), **keys}
        plain[name] = {key: value for key, value in plain[name].items() if value is not None}
    return plain


def messages(**sections: dict[str, Any]) -> list[str]:
    """Return the mistakes of a job, each as its key and message."""
    return [
        f"{dotted(mistake.key)}: {mistake.message}"
        for mistake in read_job(data(**sections)).mistakes
    ]


def test_a_plain_job_has_the_documented_defaults() -> None:
    """A key that the job file leaves out has the default that the schema shows."""
    job = Job.model_validate(data())
    assert problems(job) == []
    assert (job.limits.concurrency, job.limits.timeout_s) == (256, Decimal(600))
    assert (job.retry.attempts, job.retry.unknown_attempts) == (20, 3)
    assert (job.api.base_url, job.api.key_env) == ("https://api.anthropic.com", "ANTHROPIC_API_KEY")
    assert (job.output.prefix, job.output.keep_text, job.request.samples) == ("_", True, 1)


def test_a_job_cannot_be_changed() -> None:
    """A validated job is frozen."""
    job = Job.model_validate(data())
    with pytest.raises(ValidationError):
        job.limits.concurrency = 5  # type: ignore[misc]


def test_numbers_are_exact() -> None:
    """A number that may have a fraction is a Decimal, even when it is whole; floats are refused."""
    limits = Job.model_validate(data(limits={"timeout_s": 5, "max_failed": Decimal("0.1")})).limits
    assert (type(limits.timeout_s), limits.timeout_s) == (Decimal, Decimal(5))
    assert limits.max_failed == Decimal("0.1")
    with pytest.raises(ValidationError):
        Job.model_validate(data(limits={"timeout_s": 0.5}))


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({"request": {"prompt": None}}, ["request: [request] has no prompt"]),
        (
            {"request": {"prompt_file": "p"}},
            ["request.prompt_file: request.prompt and request.prompt_file exclude each other"],
        ),
        (
            {"request": {"messages": "m", "params": "p", "model": None, "max_tokens": None}},
            [
                (
                    "request.params: request.prompt and request.messages and request.params "
                    "exclude each other"
                ),
            ],
        ),
        (
            {"input": {"format": "messages-batch"}, "request": {"model": None, "max_tokens": None}},
            [
                (
                    'request.prompt: input.format = "messages-batch" and request.prompt '
                    "exclude each other"
                )
            ],
        ),
        (
            {"request": {"system": "a", "system_file": "b"}},
            ["request.system_file: request.system and request.system_file exclude each other"],
        ),
        ({"request": {"model": None}}, ["request.model: request.model is missing"]),
        ({"request": {"max_tokens": None}}, ["request.max_tokens: request.max_tokens is missing"]),
        (
            {"request": {"prompt": None, "params": "p", "tools": [], "system": "s"}},
            [
                f"request.{name}: request.{name} has no effect with request.params"
                for name in ("max_tokens", "model", "system", "tools")
            ],
        ),
        (
            {"request": {"prompt": None, "messages": "m", "images": ["i"]}},
            ["request.images: request.images has no effect with request.messages alone"],
        ),
        ({"request": {"stream": True}}, ["request.stream: request.stream cannot be set here"]),
        (
            {"input": {"on_too_long": "truncate"}, "request": {"prompt": None, "messages": "m"}},
            [
                (
                    'input.on_too_long: input.on_too_long = "truncate" has no effect '
                    "without a prompt"
                ),
            ],
        ),
        (
            {"request": {"temprature": 1}},
            ["request.temprature: there is no key request.temprature"],
        ),
        (
            {"request": {"system": []}},
            ["request.system: request.system must be text or text blocks"],
        ),
        (
            {"request": {"system": [{"type": "image"}]}},
            ["request.system: request.system must be text or text blocks"],
        ),
        (
            {"request": {"system": 3}},
            ["request.system: request.system must be text or text blocks"],
        ),
        (
            {"output": {"path": "a.csv"}},
            ["output.path: output.path must not end in .csv: the output is Parquet"],
        ),
        (
            {"output": {"path": "s3://b/a.parquet"}},
            ["output.path: output.path must be a file or folder on this machine"],
        ),
        (
            {"output": {"rows_per_file": 5}},
            ["output.rows_per_file: output.rows_per_file needs output.path to be a folder"],
        ),
        ({"output": {"rows_per_file": 5, "path": "runs/out"}}, []),
        ({"job": {"state": "a\0"}}, ["job.state: job.state contains a NUL character"]),
        (
            {"request": {"prompt": None, "prompt_file": "a\0"}},
            ["request.prompt_file: request.prompt_file contains a NUL character"],
        ),
        ({"output": {"path": "a/" + "x" * 220}}, []),
        (
            {"output": {"path": "a/" + "x" * 221}},
            ["output.path: output.path has a name of more than 220 bytes"],
        ),
        (
            {"api": {"headers": {"X-Api-Key": "k"}}},
            [
                (
                    "api.headers.X-Api-Key: api.headers must not contain a key: "
                    "a job file is shared and kept"
                )
            ],
        ),
        (
            {"api": {"headers": {"anthropic-version": "k"}}},
            [
                (
                    "api.headers.anthropic-version: api.headers must not contain "
                    "anthropic-version: batcher sets it"
                )
            ],
        ),
        (
            {"api": {"headers": {"a": "b\r\nc: d"}}},
            ["api.headers.a: api.headers.a must be printable ASCII"],
        ),
        (
            {"api": {"headers": {"a b": "c"}}},
            ["api.headers: api.headers has an invalid header name"],
        ),
        ({"api": {"headers": {"anthropic-beta": "a,b"}}}, []),
        (
            {"job": {"name": "a/b"}},
            [
                (
                    "job.name: job.name may have letters, digits, '.', '_' and '-', must start "
                    "with a letter or digit, and has at most 100 characters"
                )
            ],
        ),
        ({"input": {"path": ""}}, ["input.path: input.path must not be empty"]),
        ({"input": {"limit": 0}}, ["input.limit: input.limit must be at least 1, got 0"]),
        (
            {"limits": {"requests_per_minute": 1 << 20_000}},
            [
                (
                    "limits.requests_per_minute: limits.requests_per_minute must be at most "
                    "1000000000000"
                ),
            ],
        ),
        (
            {"limits": {"max_failed": Decimal("1e9999999")}},
            ["limits.max_failed: limits.max_failed must be at most 1"],
        ),
        (
            {"budget": {"max_cost_usd": 10**13}},
            ["budget.max_cost_usd: budget.max_cost_usd may have at most 12 digits"],
        ),
        (
            {"input": {"sample": Decimal("1.5")}},
            ["input.sample: input.sample must be at most 1, got 1.5"],
        ),
        (
            {"limits": {"concurrency": True}},
            ["limits.concurrency: limits.concurrency must be a whole number"],
        ),
        ({"limits": {"timeout_s": "5"}}, ["limits.timeout_s: limits.timeout_s must be a number"]),
        (
            {"limits": {"timeout_s": Decimal("Infinity")}},
            ["limits.timeout_s: limits.timeout_s must be a finite number"],
        ),
        ({"output": {"keep": "a"}}, ["output.keep: output.keep must be an array"]),
        ({"output": {"keep": [1]}}, ["output.keep: each item of output.keep must be text"]),
        (
            {"input": {"on_bad_row": "stopp"}},
            ["input.on_bad_row: input.on_bad_row must be one of record, stop"],
        ),
        (
            {"prices": {"overrides": {"m.1": {"input": 1, "output": Decimal("0.000000001")}}}},
            [
                (
                    'prices.overrides."m.1".output: prices.overrides."m.1".output may have at most '
                    "8 decimal places"
                )
            ],
        ),
        (
            {"request": {"top_p": Decimal("0.12345678901234567890")}},
            ["request.top_p: request.top_p has more digits than a JSON number can keep"],
        ),
    ],
)
def test_a_mistake_has_its_key_and_plain_words(
    sections: dict[str, dict[str, Any]], expected: list[str]
) -> None:
    """Each mistake alone is reported at its key, and nothing else is reported."""
    assert expected == messages(**sections)


def test_all_mistakes_are_found_at_once() -> None:
    """A wrong type hides no conflict between other keys, and adds no false mistake."""
    found = messages(
        request={"model": 3, "prompt_file": "p", "stream": True},
        limits={"concurrency": 0},
        output={"path": "a.csv", "prefix": "1"},
        prices={"overrides": {"m": {"input": 1}}},
    )
    assert sorted(found) == [
        "limits.concurrency: limits.concurrency must be at least 1, got 0",
        "output.path: output.path must not end in .csv: the output is Parquet",
        (
            "output.prefix: output.prefix may have letters, digits and '_', and must not "
            "start with a digit"
        ),
        "prices.overrides.m.output: prices.overrides.m.output is missing",
        "request.model: request.model must be text",
        "request.prompt_file: request.prompt and request.prompt_file exclude each other",
        "request.stream: request.stream cannot be set here",
    ]


def test_without_an_input_the_rest_is_still_checked() -> None:
    """A missing section is reported together with the other mistakes."""
    found = [mistake.message for mistake in read_job({"request": {"stream": True}}).mistakes]
    assert "the section [input] is missing" in found
    assert "request.stream cannot be set here" in found


@pytest.mark.parametrize("key", sorted(UNAVAILABLE), ids=dotted)
def test_what_is_not_built_is_refused_by_name(key: tuple[str, ...]) -> None:
    """A planned section or key is refused, and not reported as a typing error."""
    fields = data()
    if len(key) == 1:
        fields[key[0]] = {}
    else:
        fields[key[0]][key[1]] = "x"
    (mistake,) = read_job(fields).mistakes
    assert mistake.key == key
    assert "is not available in this version: " in mistake.message


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        (("requst",), "did you mean `request`?"),
        (("request", "max_token"), "did you mean `max_tokens`?"),
        (("request", "temprature"), "did you mean `temperature`?"),
        (("request", "concurrency"), "concurrency belongs in [limits]"),
        (("max_tokens",), "max_tokens belongs in [request]"),
        (("limits", "Timeout"), "did you mean `timeout_s`?"),
        (("retry", "zzz"), "keys: attempts, max_wait_s, patience_s, unknown_attempts"),
    ],
)
def test_an_unknown_key_gets_a_suggestion(key: tuple[str, ...], hint: str) -> None:
    """The suggestion is the nearest name, the right section, or a list of the names."""
    fields = data()
    if len(key) == 1:
        fields[key[0]] = {}
    else:
        fields.setdefault(key[0], {})[key[1]] = 1
    (mistake,) = read_job(fields).mistakes
    assert (mistake.key, mistake.hint) == (key, hint)


def test_given_keys_are_marked() -> None:
    """Keys of every section are listed; those in the job file are marked, parameters too."""
    job = read_job(data(request={"top_k": 3}, limits={"concurrency": 32})).job
    assert job is not None
    keys = given_keys(job)
    assert {key for key, is_given in keys.items() if is_given} == {
        *(("input", "path"), ("request", "model"), ("request", "max_tokens")),
        *(("request", "prompt"), ("request", "top_k"), ("limits", "concurrency")),
    }
    assert ("api", "base_url") in keys


@pytest.mark.parametrize(
    ("delivery", "expected"),
    [
        ({"mode": "batch"}, []),
        ({"mode": "auto", "deadline": "07:00"}, []),
        ({"mode": "auto", "deadline": "5h", "allow_batch": True}, []),
        ({"mode": "auto"}, ['delivery.deadline: delivery.mode = "auto" needs delivery.deadline']),
        (
            {"deadline": "07:00"},
            ['delivery.deadline: delivery.deadline has no effect with delivery.mode = "live"'],
        ),
        (
            {"mode": "batch", "deadline": "5h"},
            ['delivery.deadline: delivery.deadline has no effect with delivery.mode = "batch"'],
        ),
        (
            {"mode": "auto", "deadline": "7 am"},
            ["delivery.deadline: delivery.deadline: not a deadline: '7 am'"],
        ),
    ],
)
def test_a_deadline_belongs_to_auto(delivery: dict[str, Any], expected: list[str]) -> None:
    """Auto needs one that can be read; with another delivery it would have no effect."""
    assert messages(delivery=delivery) == expected
