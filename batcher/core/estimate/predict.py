"""From what was answered so far to what all that is still to be sent will use.

With answers: the regression estimator of a stratified sample (Cochran, Sampling Techniques, 1977,
sections 7.1 to 7.10, by way of Särndal's model-assisted form), for the prediction of the rows that
are not in the sample. Without: what the prompts' text tells, and the range that the output has.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batcher.core.estimate.evidence import Answered, Bucket, Counted, Evidence, Weights
from batcher.core.estimate.spread import (
    Spread,
    log_uniform_values,
    lognormal_values,
    of_values,
    student_quantile,
    sum_of,
)

LEAST_ANSWERS = 10
"""Fewer answers than this are no evidence."""

_ANSWERS_A_STRATUM = 10
_MOST_STRATA = 8
_UNSEEN = 0.01
# One standard deviation, as a share of the whole, of what a sample cannot show: how often the
# prompt cache is missed in a long run, how many attempts are billed twice.

_NODES_PROMPT = 25
_NODES_OUTPUT = 61


def predict(evidence: Evidence, weights: Mapping[str, Weights]) -> Spread:
    """Predict ``prompt x prompt tokens + output x output tokens`` of all that is to be sent.

    ``weights`` are those of each group. What makes one group's text longer in tokens than estimated
    does so in the others, too: without answers their errors are taken to go together.
    """
    groups = {bucket.group for bucket in evidence.buckets}
    known, guessed = [], []
    for group in sorted(groups):
        buckets = [bucket for bucket in evidence.buckets if bucket.group == group]
        answered = [one for one in evidence.answered if one.group == group]
        if len(answered) >= LEAST_ANSWERS:
            known.append(_from_answers(buckets, answered, weights[group]))
        else:
            counted = [one for one in evidence.counted if one.group == group]
            guessed.append(_from_text(buckets, counted, evidence, weights[group]))
    together = Spread(
        sum(one.expected for one in guessed),
        sum(one.low for one in guessed),
        sum(one.high for one in guessed),
    )
    return sum_of([*known, together])


@dataclass(frozen=True, slots=True)
class _Stratum:
    """Requests of like length: those to send, and (estimated prompt, value) of those answered."""

    requests: int
    predicted: float
    sample: Sequence[tuple[float, float]]

    @property
    def means(self) -> tuple[float, float]:
        n = len(self.sample)
        return sum(x for x, _ in self.sample) / n, sum(y for _, y in self.sample) / n


def _from_answers(
    buckets: Sequence[Bucket], answered: Sequence[Answered], weights: Weights
) -> Spread:
    """Extrapolate a sample."""
    pairs = sorted(
        (one.predicted, weights.prompt * one.prompt_tokens + weights.output * one.output_tokens)
        for one in answered
    )
    strata = _strata(buckets, pairs)
    slope = _slope(strata)
    residuals = [
        [y - mean_y - slope * (x - mean_x) for x, y in stratum.sample]
        for stratum in strata
        for mean_x, mean_y in [stratum.means]
    ]
    expected = variance = third = 0.0
    for stratum, errors in zip(strata, residuals, strict=True):
        mean_x, mean_y = stratum.means
        n, requests = len(errors), stratum.requests
        expected += requests * mean_y + slope * (stratum.predicted - requests * mean_x)
        square = sum(error**2 for error in errors) / max(1, n - 1)
        variance += square * (requests**2 / n + requests)
        third += sum(error**3 for error in errors) / n * requests**3 / n**2
    degrees = max(4.0, len(pairs) - len(strata) - 1)
    # Long tails look shorter in small samples; what no sample shows is added.
    variance *= (len(pairs) + 1) / (len(pairs) - 3)
    variance += (_UNSEEN * expected) ** 2
    return _interval(max(0.0, expected), math.sqrt(variance), third, degrees)


def _interval(expected: float, deviation: float, third: float, degrees: float) -> Spread:
    """An interval that leans to where the sample is skewed.

    Made on the logarithm of the total, since costs are skewed and not negative, and shifted by the
    skewness as Johnson (1978) shifts Student's t.
    """
    if not expected or not deviation:
        return Spread(expected, expected, expected)
    quantile = student_quantile(degrees)
    shift = third / deviation**3 / 6 * (1 + 2 * quantile**2) if deviation else 0.0
    shift = min(max(shift, 0.0), quantile)
    relative = math.sqrt(math.log1p((deviation / expected) ** 2))
    return Spread(
        expected,
        expected * math.exp(-quantile * relative + min(shift, quantile / 2) * relative / 2),
        expected * math.exp((quantile + shift) * relative),
    )


def _strata(buckets: Sequence[Bucket], pairs: Sequence[tuple[float, float]]) -> list[_Stratum]:
    """Cut what is to be sent by length into parts that have about as many answers each."""
    wanted = max(1, min(_MOST_STRATA, len(pairs) // _ANSWERS_A_STRATUM))
    ordered = sorted(buckets, key=lambda bucket: bucket.lower)
    strata: list[_Stratum] = []
    start = place = 0
    requests, predicted = 0, 0.0
    for number, bucket in enumerate(ordered):
        requests += bucket.requests
        predicted += bucket.predicted
        is_last = number == len(ordered) - 1
        while place < len(pairs) and (is_last or pairs[place][0] <= bucket.upper):
            place += 1
        enough = place - start >= len(pairs) / wanted
        rest_is_enough = len(pairs) - place >= _ANSWERS_A_STRATUM / 2
        if is_last or (enough and rest_is_enough):
            strata.append(_Stratum(requests, predicted, pairs[start:place]))
            start, requests, predicted = place, 0, 0.0
    return strata


def _slope(strata: Sequence[_Stratum]) -> float:
    """The least squares slope of values by length within the strata; 0 where all are alike."""
    products = squares = 0.0
    for stratum in strata:
        mean_x, mean_y = stratum.means
        products += sum((x - mean_x) * (y - mean_y) for x, y in stratum.sample)
        squares += sum((x - mean_x) ** 2 for x, _ in stratum.sample)
    return products / squares if squares > 0 else 0.0


def _from_text(
    buckets: Sequence[Bucket], counted: Sequence[Counted], evidence: Evidence, weights: Weights
) -> Spread:
    """Take the text's word for the prompts, corrected by what was counted, and guess the output.

    Both are independent of each other.
    """
    requests = sum(bucket.requests for bucket in buckets)
    predicted = sum(bucket.predicted for bucket in buckets)
    factor, sigma = _correction(counted, evidence.sigma)
    prompts = lognormal_values(predicted * factor * weights.prompt, sigma, _NODES_PROMPT)
    outputs = [0.0]
    if weights.output:
        span = evidence.outputs[buckets[0].group]
        most = sum(bucket.most_output for bucket in buckets) / requests
        low, high = min(span.low, most), min(span.high, most)
        outputs = [
            weights.output * requests * mean
            for mean in log_uniform_values(low, max(low, high), _NODES_OUTPUT)
        ]
    return of_values([prompt + output for prompt in prompts for output in outputs])


def _correction(counted: Sequence[Counted], sigma: float) -> tuple[float, float]:
    """By what the estimated prompts are to be multiplied, and how far that may be off."""
    predicted = sum(one.predicted for one in counted)
    if not predicted or len(counted) < 2:
        return 1.0, sigma
    ratio = sum(one.prompt_tokens for one in counted) / predicted
    errors = [one.prompt_tokens - ratio * one.predicted for one in counted]
    n = len(counted)
    spread = math.sqrt(sum(error**2 for error in errors) / (n - 1) / n)
    return ratio, min(sigma, max(0.01, spread / (ratio * predicted / n)))
