"""What is predicted from answers, counts and text alone, and what follows from it."""

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


def bucket(requests: int = 1_000, each: float = 100.0, most: int = 50, group: str = "m") -> Bucket:
    """Requests of about one length."""
    return Bucket(group, requests, requests * each, requests * most, each * 0.99, each * 1.01)


def evidence(
    *buckets: Bucket,
    answered: tuple[AnsweredRequest, ...] = (),
    counted: tuple[CountedRequest, ...] = (),
) -> Evidence:
    """What is known of them."""
    groups = {one.group for one in buckets}
    return Evidence(buckets, answered, counted, dict.fromkeys(groups, OutputRange(4, 40)), 0.2)


def answers(number: int, prompt: int = 120, output: int = 10) -> tuple[AnsweredRequest, ...]:
    """Answers that are all alike."""
    return tuple(AnsweredRequest("m", 100.0, prompt, output) for _ in range(number))


def test_answers_that_are_alike_leave_hardly_a_doubt() -> None:
    """The prompts are corrected, the output is theirs, and the interval is a few percent."""
    found = predict(evidence(bucket(), answered=answers(20)), TOKENS)
    assert found.expected == pytest.approx(120_000)
    assert (found.high - found.low) / found.expected < 0.05
    assert predict(evidence(bucket(), answered=answers(20)), OUTPUT).expected == 10_000


def test_nine_answers_are_no_evidence() -> None:
    """They change nothing; ten do."""
    without = predict(evidence(bucket()), TOKENS)
    assert predict(evidence(bucket(), answered=answers(9)), TOKENS) == without
    assert predict(evidence(bucket(), answered=answers(10)), TOKENS) != without


def test_long_rows_are_predicted_from_long_answers() -> None:
    """A sample of short and long rows is weighed by how many of each are to be sent."""
    short = tuple(AnsweredRequest("m", 100.0, 100, 10) for _ in range(20))
    long = tuple(AnsweredRequest("m", 1_000.0, 1_000, 200) for _ in range(20))
    few_long = evidence(bucket(990, 100.0), bucket(10, 1_000.0), answered=short + long)
    assert predict(few_long, OUTPUT).expected == pytest.approx(990 * 10 + 10 * 200, rel=0.02)


def test_no_more_output_than_max_tokens_allows() -> None:
    """Answers that scatter widely below their limit are not predicted above it."""
    wild = tuple(AnsweredRequest("m", 100.0, 100, 50 if n % 2 else 2) for n in range(10))
    tight = evidence(bucket(most=28), answered=wild)
    assert predict(evidence(bucket(most=500), answered=wild), OUTPUT).high > 28_000
    assert predict(tight, OUTPUT).high == 28_000
    both = predict(tight, {"m": Weights(1.0, 1.0)})
    assert both.high <= predict(tight, TOKENS).high + 28_000


def test_rows_unlike_those_answered_are_in_doubt() -> None:
    """Where only short rows were answered, long ones lie where the slope leads, and it says so."""
    rows = [(50.0 + n, 10 + (7 * n) % 5) for n in range(100)]
    short = tuple(AnsweredRequest("m", x, round(x), y) for x, y in rows)
    near = predict(evidence(bucket(1_000, 100.0), answered=short), OUTPUT)
    far = predict(evidence(bucket(1_000, 1_000.0), answered=short), OUTPUT)
    assert far.high - far.low > 5 * (near.high - near.low)


def test_a_long_tail_is_not_trusted() -> None:
    """Of two samples with one variance, that with a rare and large answer gives more room."""
    steady = tuple(
        AnsweredRequest("m", 100.0, 100, 100 + (30 if n % 2 else -30)) for n in range(40)
    )
    rare = tuple(AnsweredRequest("m", 100.0, 100, 282 if n == 20 else 95) for n in range(40))
    even, tailed = (predict(evidence(bucket(most=999), answered=a), OUTPUT) for a in (steady, rare))
    assert even.expected == pytest.approx(tailed.expected, rel=0.01)
    assert tailed.high - tailed.expected > 1.5 * (even.high - even.expected)


def test_foreign_instructions_are_seen_in_the_answers() -> None:
    """The cached part is longer than estimated, the rest is not: the answers' slope tells."""
    rows = [10.0 * n for n in range(10, 60)]
    answered = tuple(AnsweredRequest("m", 1_000 + x, round(1_300 + x), 10) for x in rows)
    to_send = Bucket("m", 1_000, 1_345_000.0, 50_000, 1_100.0, 1_590.0)
    cached = 1_000 / 1_345
    mean = Weights(1 - 0.9 * cached, 0.0, 0.001, cached, 0.9)
    found = predict(evidence(to_send, answered=answered), {"m": mean})
    assert found.expected == pytest.approx(1_300_000 * 0.1 + 345_000, rel=0.01)
    counted = tuple(CountedRequest("m", one.predicted, one.prompt_tokens) for one in answered)
    assert predict(evidence(to_send, counted=counted), {"m": mean}).expected == pytest.approx(
        1_300_000 * 0.1 + 345_000, rel=0.01
    )


def test_doubt_about_the_weight_widens_the_interval() -> None:
    """With answers as without."""
    for known in (evidence(bucket(), answered=answers(50)), evidence(bucket())):
        sure, unsure = (predict(known, {"m": Weights(1.0, 0.0, doubt)}) for doubt in (0.0, 0.2))
        assert unsure.low < sure.low < sure.high < unsure.high


def test_counts_correct_the_prompts_and_leave_the_output_open() -> None:
    """The text was a fifth too short; nothing is known of the answers."""
    counted = tuple(CountedRequest("m", 100.0, 125) for _ in range(50))
    found = predict(evidence(bucket(), counted=counted), TOKENS)
    assert found.expected == pytest.approx(125_000, rel=0.01)
    assert predict(evidence(bucket(), counted=counted), OUTPUT) == predict(
        evidence(bucket()), OUTPUT
    )


def test_text_alone_is_as_wide_as_its_rule() -> None:
    """The ends are those of a lognormal with the rule's deviation, and of the output's range."""
    prompts = predict(evidence(bucket()), TOKENS)
    assert math.log(prompts.high / prompts.low) == pytest.approx(2 * 1.645 * 0.2, rel=0.1)
    output = predict(evidence(bucket()), OUTPUT)
    assert 4_000 <= output.low < output.expected < output.high <= 40_000


def test_errors_of_the_text_go_together_those_of_answers_do_not() -> None:
    """Two groups by text alone are as wide as one of both; two with answers are narrower."""
    both = predict(evidence(bucket(), bucket(group="n")), {**TOKENS, "n": Weights(1.0, 0.0)})
    one = predict(evidence(bucket()), TOKENS)
    assert both.high - both.low == pytest.approx(2 * (one.high - one.low))
    apart = sum_of([Spread(10, 8, 13), Spread(10, 8, 13)])
    assert apart.high - apart.expected == pytest.approx(3 * math.sqrt(2))


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
    """As the tables have them, to half a percent."""
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
    """An answer by it has no fewer tokens than its shortest value, and no more than its longest."""
    config = {"format": {"type": "json_schema", "schema": schema}}
    found = output_range({"max_tokens": 1_000, "output_config": config, **OFF}, None)
    assert shortest <= found.low <= found.high <= longest


def test_thinking_and_max_tokens_open_the_range() -> None:
    """Whoever thinks may use all of max_tokens; nobody uses more."""
    config = {"format": {"type": "json_schema", "schema": {"const": "yes"}}}
    asked = {"max_tokens": 300, "output_config": config}
    assert output_range({**asked, "thinking": {"type": "adaptive"}}, None).high == 300
    assert output_range({"max_tokens": 300, **OFF}, None).high == 300
    assert output_range({**asked, **OFF, "max_tokens": 4}, None).high == 4
