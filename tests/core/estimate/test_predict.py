"""Predictions from answers, from API counts, and from text alone."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.estimate.evidence import (
    AnsweredRequest,
    Bucket,
    CountedRequest,
    Evidence,
    OutputRange,
    Weights,
)
from batcher.core.estimate.outputs import output_range
from batcher.core.estimate.predict import predict
from batcher.core.estimate.spread import Spread, of_values, student_quantile, sum_of

TOKENS = {"m": Weights(1.0, 0.0)}
OUTPUT = {"m": Weights(0.0, 1.0)}


def bucket(
    requests: int = 1_000, tokens: float = 100.0, max_tokens: int = 50, group: str = "m"
) -> Bucket:
    """Return requests of similar length."""
    return Bucket(
        group, requests, requests * tokens, requests * max_tokens, tokens * 0.99, tokens * 1.01
    )


def evidence(
    *buckets: Bucket,
    answered: tuple[AnsweredRequest, ...] = (),
    counted: tuple[CountedRequest, ...] = (),
) -> Evidence:
    """Return the data of an estimate for these requests."""
    groups = {bucket.group for bucket in buckets}
    return Evidence(buckets, answered, counted, dict.fromkeys(groups, OutputRange(4, 40)), 0.2)


def answers(number: int, prompt: int = 120, output: int = 10) -> tuple[AnsweredRequest, ...]:
    """Return equal answers."""
    return tuple(AnsweredRequest("m", 100.0, prompt, output) for _ in range(number))


def test_equal_answers_give_a_narrow_interval() -> None:
    """They correct the prompts, give the output, and the interval is a few percent wide."""
    found = predict(evidence(bucket(), answered=answers(20)), TOKENS)
    assert found.expected == pytest.approx(120_000)
    assert (found.high - found.low) / found.expected < 0.05
    assert predict(evidence(bucket(), answered=answers(20)), OUTPUT).expected == 10_000


def test_nine_answers_are_not_used() -> None:
    """Nine answers change nothing; ten do."""
    without = predict(evidence(bucket()), TOKENS)
    assert predict(evidence(bucket(), answered=answers(9)), TOKENS) == without
    assert predict(evidence(bucket(), answered=answers(10)), TOKENS) != without


def test_long_rows_are_predicted_from_long_answers() -> None:
    """A sample of short and long rows is weighted by the rows of each length to send."""
    short = tuple(AnsweredRequest("m", 100.0, 100, 10) for _ in range(20))
    long = tuple(AnsweredRequest("m", 1_000.0, 1_000, 200) for _ in range(20))
    few_long = evidence(bucket(990, 100.0), bucket(10, 1_000.0), answered=short + long)
    assert predict(few_long, OUTPUT).expected == pytest.approx(990 * 10 + 10 * 200, rel=0.02)


def test_the_output_is_limited_by_max_tokens() -> None:
    """Widely scattered answers below max_tokens are not predicted above it."""
    wild = tuple(AnsweredRequest("m", 100.0, 100, 50 if n % 2 else 2) for n in range(10))
    tight = evidence(bucket(max_tokens=28), answered=wild)
    assert predict(evidence(bucket(max_tokens=500), answered=wild), OUTPUT).high > 28_000
    assert predict(tight, OUTPUT).high == 28_000
    both = predict(tight, {"m": Weights(1.0, 1.0)})
    assert both.high <= predict(tight, TOKENS).high + 28_000


def test_rows_unlike_the_answered_ones_are_uncertain() -> None:
    """With answers of short rows only, long rows are extrapolated with a wide interval."""
    rows = [(50.0 + n, 10 + (7 * n) % 5) for n in range(100)]
    short = tuple(AnsweredRequest("m", x, round(x), y) for x, y in rows)
    near = predict(evidence(bucket(1_000, 100.0), answered=short), OUTPUT)
    far = predict(evidence(bucket(1_000, 1_000.0), answered=short), OUTPUT)
    assert far.high - far.low > 5 * (near.high - near.low)


def test_a_long_tail_widens_the_interval() -> None:
    """Of two samples with equal variance, the one with a rare large answer has a wider interval."""
    steady = tuple(
        AnsweredRequest("m", 100.0, 100, 100 + (30 if n % 2 else -30)) for n in range(40)
    )
    rare = tuple(AnsweredRequest("m", 100.0, 100, 282 if n == 20 else 95) for n in range(40))
    even, tailed = (
        predict(evidence(bucket(max_tokens=999), answered=a), OUTPUT) for a in (steady, rare)
    )
    assert even.expected == pytest.approx(tailed.expected, rel=0.01)
    assert tailed.high - tailed.expected > 1.5 * (even.high - even.expected)


def test_answers_show_the_error_of_the_cached_part() -> None:
    """The cached part is longer than estimated, the rest is not: the slope shows it."""
    rows = [10.0 * n for n in range(10, 60)]
    answered = tuple(AnsweredRequest("m", 1_000 + x, round(1_300 + x), 10) for x in rows)
    to_send = Bucket("m", 1_000, 1_345_000.0, 50_000, 1_100.0, 1_590.0)
    cached = 1_000 / 1_345
    mean = Weights(1 - 0.9 * cached, 0.0, 0.001, cached, 0.9)
    found = predict(evidence(to_send, answered=answered), {"m": mean})
    assert found.expected == pytest.approx(1_300_000 * 0.1 + 345_000, rel=0.01)
    counted = tuple(CountedRequest("m", pair.predicted, pair.prompt_tokens) for pair in answered)
    assert predict(evidence(to_send, counted=counted), {"m": mean}).expected == pytest.approx(
        1_300_000 * 0.1 + 345_000, rel=0.01
    )


def test_uncertain_weights_widen_the_interval() -> None:
    """With and without answers."""
    for known in (evidence(bucket(), answered=answers(50)), evidence(bucket())):
        narrow, wide = (predict(known, {"m": Weights(1.0, 0.0, sigma)}) for sigma in (0.0, 0.2))
        assert wide.low < narrow.low < narrow.high < wide.high


def test_api_counts_correct_the_prompts_and_not_the_output() -> None:
    """The text was estimated a fifth too short; there are no answers."""
    counted = tuple(CountedRequest("m", 100.0, 125) for _ in range(50))
    found = predict(evidence(bucket(), counted=counted), TOKENS)
    assert found.expected == pytest.approx(125_000, rel=0.01)
    assert predict(evidence(bucket(), counted=counted), OUTPUT) == predict(
        evidence(bucket()), OUTPUT
    )


def test_text_alone_has_the_uncertainty_of_its_rule() -> None:
    """The interval is a lognormal with the rule's sigma, and the range of the output."""
    prompts = predict(evidence(bucket()), TOKENS)
    assert math.log(prompts.high / prompts.low) == pytest.approx(2 * 1.645 * 0.2, rel=0.1)
    output = predict(evidence(bucket()), OUTPUT)
    assert 4_000 <= output.low < output.expected < output.high <= 40_000


def test_errors_from_text_are_correlated_and_those_from_answers_are_not() -> None:
    """Two groups by text alone are as wide as one; two groups with answers are narrower."""
    both = predict(evidence(bucket(), bucket(group="n")), {**TOKENS, "n": Weights(1.0, 0.0)})
    single = predict(evidence(bucket()), TOKENS)
    assert both.high - both.low == pytest.approx(2 * (single.high - single.low))
    independent = sum_of([Spread(10, 8, 13), Spread(10, 8, 13)])
    assert independent.high - independent.expected == pytest.approx(3 * math.sqrt(2))


@given(st.lists(st.floats(1, 1e6), min_size=1), st.floats(0.1, 10))
def test_spreads_scale(values: list[float], factor: float) -> None:
    """Low, expected and high stay in order and scale with the unit."""
    found = of_values(values)
    assert found.low <= found.high
    assert min(values) <= found.expected * (1 + 1e-9)
    assert of_values([value * factor for value in values]).high == pytest.approx(
        found.times(factor).high
    )


@pytest.mark.parametrize(
    ("degrees", "wanted"), [(4, 2.132), (10, 1.812), (30, 1.697), (200, 1.653)]
)
def test_students_quantiles(degrees: int, wanted: float) -> None:
    """As in published tables, to half a percent."""
    assert student_quantile(degrees) == pytest.approx(wanted, rel=0.005)


LABEL = {
    "type": "object",
    "required": ["label"],
    "properties": {"label": {"enum": ["a", "b"]}, "note": {"type": "string"}},
}
OFF = {"thinking": {"type": "disabled"}}


@pytest.mark.parametrize(
    ("schema", "shortest", "longest"),
    [
        ({"const": "yes"}, 3, 5),
        ({"enum": ["a", "long label"]}, 3, 9),
        ({"type": "boolean"}, 3, 5),
        (LABEL, 3, 240),
        ({"type": "array", "items": {"const": 1}, "maxItems": 3}, 3, 8),
        ({"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 20}]}, 3, 15),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"const": "x"}}}, 3, 5),
        ({"type": ["string", "null"], "maxLength": 20}, 3, 15),
    ],
)
def test_the_schema_bounds_an_answer(schema: object, shortest: float, longest: float) -> None:
    """The range lies between the shortest and the longest value of the schema."""
    config = {"format": {"type": "json_schema", "schema": schema}}
    found = output_range({"max_tokens": 1_000, "output_config": config, **OFF}, None)
    assert shortest <= found.low <= found.high <= longest


def test_thinking_extends_the_range_to_max_tokens() -> None:
    """A model that thinks may use all of max_tokens; none uses more."""
    config = {"format": {"type": "json_schema", "schema": {"const": "yes"}}}
    settings = {"max_tokens": 300, "output_config": config}
    assert output_range({**settings, "thinking": {"type": "adaptive"}}, None).high == 300
    assert output_range({"max_tokens": 300, **OFF}, None).high == 300
    assert output_range({**settings, **OFF, "max_tokens": 4}, None).high == 4
