"""From what was answered so far to what all that is still to be sent will use.

With answers: the regression estimator of a stratified sample (Cochran, Sampling Techniques, 1977,
sections 7.1 to 7.10, by way of Särndal's model-assisted form), for the prediction of the rows that
are not in the sample. Without: what the prompts' text tells, and the range that the output has.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import mul

from batcher.core.estimate.evidence import Answered, Bucket, Counted, Evidence, Weights
from batcher.core.estimate.shared_part import unlikeness
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

_LEAST_DEGREES = 4.0  # below, the quantile is no longer right

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
    """Extrapolate a sample; the output to no more than ``max_tokens`` of each."""
    found = _extrapolated(buckets, answered, weights)
    most = weights.output * sum(bucket.most_output for bucket in buckets)
    if found.high <= most or not weights.output:
        return found
    most += _extrapolated(buckets, answered, replace(weights, output=0.0)).high
    # Attempts that were billed twice may have used more than that already.
    return replace(found, high=min(found.high, max(found.expected, most)))


def _extrapolated(
    buckets: Sequence[Bucket], answered: Sequence[Answered], weights: Weights
) -> Spread:
    pairs = sorted(
        (one.predicted, weights.prompt * one.prompt_tokens + weights.output * one.output_tokens)
        for one in answered
    )
    strata = _strata(buckets, pairs)
    slope, squares = _slope(strata)
    expected = variance = unsure = third = lever = scatter = 0.0
    for stratum in strata:
        mean_x, mean_y = stratum.means
        errors = [y - mean_y - slope * (x - mean_x) for x, y in stratum.sample]
        n, requests = len(errors), stratum.requests
        beyond = stratum.predicted - requests * mean_x
        expected += requests * mean_y + slope * beyond
        squares_of = [error * error for error in errors]
        square = sum(squares_of)
        weight = requests**2 / n + requests
        variance += weight * square / max(1, n - 1)
        fourth = sum(one * one for one in squares_of) / n
        unsure += weight**2 * max(0.0, fourth - (square / n) ** 2) / n
        cubes = sum(map(mul, errors, squares_of))
        third += cubes / n * requests**3 / n**2
        lever += beyond
        scatter += square
    degrees = max(1.0, len(pairs) - len(strata) - 1)
    if unsure:
        # A long tail makes the variance itself unsure, as if there were fewer answers
        # (Satterthwaite, 1946, with the kurtosis that was seen).
        degrees = min(degrees, 2 * variance**2 / unsure)
    degrees = max(_LEAST_DEGREES, degrees)
    # Rows longer or shorter than those answered lie where the slope leads, which is a guess.
    variance += lever**2 * scatter / len(pairs) / squares if squares else 0.0
    # Long tails look shorter in small samples; what no sample shows is added.
    variance *= (len(pairs) + 1) / (len(pairs) - 3)
    saved, doubt = _cached(buckets, answered, weights)
    variance += (_UNSEEN * expected) ** 2 + doubt**2
    return _interval(max(0.0, expected - saved), math.sqrt(variance), third, degrees)


def _cached(
    buckets: Sequence[Bucket], answered: Sequence[Answered], weights: Weights
) -> tuple[float, float]:
    """What the cached part saves beyond the mean weight of prompts, and the doubt about it."""
    estimated = sum(one.predicted for one in answered)
    if not estimated or not (weights.stake or weights.doubt):
        return 0.0, 0.0
    used = sum(one.prompt_tokens for one in answered)
    prompts = sum(bucket.predicted for bucket in buckets) * used / estimated
    pairs = [(one.predicted, one.prompt_tokens) for one in answered]
    more, unsure = unlikeness(pairs, weights.cached)
    doubt = math.hypot(weights.doubt, weights.stake * unsure)
    return weights.stake * more * prompts, doubt * prompts


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


def _slope(strata: Sequence[_Stratum]) -> tuple[float, float]:
    """The least squares slope of values by length within the strata, 0 where all are alike.

    Beside it, the sum of squares of the lengths that it rests on.
    """
    products = squares = 0.0
    for stratum in strata:
        mean_x, mean_y = stratum.means
        products += sum((x - mean_x) * (y - mean_y) for x, y in stratum.sample)
        squares += sum((x - mean_x) ** 2 for x, _ in stratum.sample)
    return (products / squares if squares > 0 else 0.0), squares


def _from_text(
    buckets: Sequence[Bucket], counted: Sequence[Counted], evidence: Evidence, weights: Weights
) -> Spread:
    """Take the text's word for the prompts, corrected by what was counted, and guess the output.

    Both are independent of each other.
    """
    requests = sum(bucket.requests for bucket in buckets)
    predicted = sum(bucket.predicted for bucket in buckets)
    factor, sigma = _correction(counted, evidence.sigma)
    pairs = [(one.predicted, one.prompt_tokens) for one in counted]
    more, unsure = unlikeness(pairs, weights.cached)
    weight = weights.prompt - weights.stake * more
    if weight > 0:
        sigma = math.hypot(sigma, math.hypot(weights.doubt, weights.stake * unsure) / weight)
    prompts = lognormal_values(predicted * factor * weight, sigma, _NODES_PROMPT)
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
