"""Predicts the usage of all requests to send from the answers so far, or from their text.

With answers: the regression estimator of a stratified sample (Cochran, Sampling Techniques, 1977,
sections 7.1 to 7.10, in Särndal's model-assisted form), which predicts the rows outside the sample.
Without answers: token counts estimated from the prompts' text, and the range of the output.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import mul

from batcher.core.estimate.evidence import (
    AnsweredRequest,
    Bucket,
    CountedRequest,
    Evidence,
    Weights,
)
from batcher.core.estimate.shared_part import shared_part_bias
from batcher.core.estimate.spread import (
    Spread,
    log_uniform_values,
    lognormal_values,
    of_values,
    student_quantile,
    sum_of,
)

MIN_ANSWERS = 10
"""An estimate does not use fewer answers than this."""

_ANSWERS_PER_STRATUM = 10
_MAX_STRATA = 8
_UNSAMPLED_SIGMA = 0.01
# The standard deviation, as a share of the total, of effects that a sample does not show: cache
# misses in a long run, and attempts that are billed twice.

_MIN_DEGREES = 4.0  # the quantile is inaccurate below

_NODES_PROMPT = 25
_NODES_OUTPUT = 61


def predict(evidence: Evidence, weights: Mapping[str, Weights]) -> Spread:
    """Predict ``prompt x prompt tokens + output x output tokens`` of all requests to send.

    ``weights`` are by group. Groups without answers are assumed to have the same error: a cause
    that makes the text of one group longer in tokens than estimated does so in all groups.
    """
    groups = {bucket.group for bucket in evidence.buckets}
    from_answers, from_text = [], []
    for group in sorted(groups):
        buckets = [bucket for bucket in evidence.buckets if bucket.group == group]
        answered = [request for request in evidence.answered if request.group == group]
        if len(answered) >= MIN_ANSWERS:
            from_answers.append(_from_answers(buckets, answered, weights[group]))
        else:
            counted = [request for request in evidence.counted if request.group == group]
            from_text.append(_from_text(buckets, counted, evidence, weights[group]))
    correlated = Spread(
        sum(spread.expected for spread in from_text),
        sum(spread.low for spread in from_text),
        sum(spread.high for spread in from_text),
    )
    return sum_of([*from_answers, correlated])


@dataclass(frozen=True, slots=True)
class _Stratum:
    """Requests of similar length: those to send, and (estimated prompt, value) of answered ones."""

    requests: int
    predicted: float
    sample: Sequence[tuple[float, float]]

    @property
    def means(self) -> tuple[float, float]:
        n = len(self.sample)
        return sum(x for x, _ in self.sample) / n, sum(y for _, y in self.sample) / n


def _from_answers(
    buckets: Sequence[Bucket], answered: Sequence[AnsweredRequest], weights: Weights
) -> Spread:
    """Extrapolate a sample; limit the output to ``max_tokens`` of each request."""
    spread = _extrapolated(buckets, answered, weights)
    limit = weights.output * sum(bucket.max_output_tokens for bucket in buckets)
    if spread.high <= limit or not weights.output:
        return spread
    limit += _extrapolated(buckets, answered, replace(weights, output=0.0)).high
    # With attempts that were billed twice, the expected value may already exceed the limit.
    return replace(spread, high=min(spread.high, max(spread.expected, limit)))


def _extrapolated(
    buckets: Sequence[Bucket], answered: Sequence[AnsweredRequest], weights: Weights
) -> Spread:
    """Extrapolate the answered requests to all requests, by regression within strata."""
    pairs = sorted(
        (
            request.predicted,
            weights.prompt * request.prompt_tokens + weights.output * request.output_tokens,
        )
        for request in answered
    )
    strata = _strata(buckets, pairs)
    slope, squares = _slope(strata)
    expected = variance = variance_of_variance = third = leverage = scatter = 0.0
    for stratum in strata:
        mean_x, mean_y = stratum.means
        errors = [y - mean_y - slope * (x - mean_x) for x, y in stratum.sample]
        n, requests = len(errors), stratum.requests
        distance = stratum.predicted - requests * mean_x
        expected += requests * mean_y + slope * distance
        error_squares = [error * error for error in errors]
        square = sum(error_squares)
        weight = requests**2 / n + requests
        variance += weight * square / max(1, n - 1)
        fourth = sum(error_square * error_square for error_square in error_squares) / n
        variance_of_variance += weight**2 * max(0.0, fourth - (square / n) ** 2) / n
        cubes = sum(map(mul, errors, error_squares))
        third += cubes / n * requests**3 / n**2
        leverage += distance
        scatter += square
    degrees = max(1.0, len(pairs) - len(strata) - 1)
    if variance_of_variance:
        # A long tail makes the variance itself uncertain, as with fewer answers
        # (Satterthwaite, 1946, with the kurtosis of the sample).
        degrees = min(degrees, 2 * variance**2 / variance_of_variance)
    degrees = max(_MIN_DEGREES, degrees)
    # Rows longer or shorter than the answered ones are extrapolated with an uncertain slope.
    variance += leverage**2 * scatter / len(pairs) / squares if squares else 0.0
    # Small samples underestimate long tails.
    variance *= (len(pairs) + 1) / (len(pairs) - 3)
    saving, sigma = _cache_correction(buckets, answered, weights)
    variance += (_UNSAMPLED_SIGMA * expected) ** 2 + sigma**2
    return _interval(max(0.0, expected - saving), math.sqrt(variance), third, degrees)


def _cache_correction(
    buckets: Sequence[Bucket], answered: Sequence[AnsweredRequest], weights: Weights
) -> tuple[float, float]:
    """Return what the cached part saves beyond the mean weight of prompts, and its sigma."""
    estimated = sum(request.predicted for request in answered)
    if not estimated or not (weights.bias_weight or weights.sigma):
        return 0.0, 0.0
    used = sum(request.prompt_tokens for request in answered)
    prompts = sum(bucket.predicted for bucket in buckets) * used / estimated
    pairs = [(request.predicted, request.prompt_tokens) for request in answered]
    bias, bias_sigma = shared_part_bias(pairs, weights.cached_share)
    sigma = math.hypot(weights.sigma, weights.bias_weight * bias_sigma)
    return weights.bias_weight * bias * prompts, sigma * prompts


def _interval(expected: float, deviation: float, third: float, degrees: float) -> Spread:
    """Return an interval that is shifted in the direction of the sample's skewness.

    It is computed on the logarithm of the total, because costs are skewed and not negative, and
    shifted by the skewness as Johnson (1978) shifts Student's t.
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
    """Divide the requests to send by length into strata with about equally many answers."""
    wanted = max(1, min(_MAX_STRATA, len(pairs) // _ANSWERS_PER_STRATUM))
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
        rest_is_enough = len(pairs) - place >= _ANSWERS_PER_STRATUM / 2
        if is_last or (enough and rest_is_enough):
            strata.append(_Stratum(requests, predicted, pairs[start:place]))
            start, requests, predicted = place, 0, 0.0
    return strata


def _slope(strata: Sequence[_Stratum]) -> tuple[float, float]:
    """Return the least squares slope of values over length within the strata.

    The second value is the sum of squares of the lengths. The slope is 0 when all lengths are
    equal.
    """
    products = squares = 0.0
    for stratum in strata:
        mean_x, mean_y = stratum.means
        products += sum((x - mean_x) * (y - mean_y) for x, y in stratum.sample)
        squares += sum((x - mean_x) ** 2 for x, _ in stratum.sample)
    return (products / squares if squares > 0 else 0.0), squares


def _from_text(
    buckets: Sequence[Bucket],
    counted: Sequence[CountedRequest],
    evidence: Evidence,
    weights: Weights,
) -> Spread:
    """Use the text's estimate of the prompts, corrected by API counts, and a range of the output.

    The errors of prompts and output are independent of each other.
    """
    requests = sum(bucket.requests for bucket in buckets)
    predicted = sum(bucket.predicted for bucket in buckets)
    factor, sigma = _correction(counted, evidence.sigma)
    pairs = [(request.predicted, request.prompt_tokens) for request in counted]
    bias, bias_sigma = shared_part_bias(pairs, weights.cached_share)
    weight = weights.prompt - weights.bias_weight * bias
    if weight > 0:
        weight_sigma = math.hypot(weights.sigma, weights.bias_weight * bias_sigma)
        sigma = math.hypot(sigma, weight_sigma / weight)
    prompts = lognormal_values(predicted * factor * weight, sigma, _NODES_PROMPT)
    outputs = [0.0]
    if weights.output:
        span = evidence.outputs[buckets[0].group]
        max_tokens = sum(bucket.max_output_tokens for bucket in buckets) / requests
        low, high = min(span.low, max_tokens), min(span.high, max_tokens)
        outputs = [
            weights.output * requests * mean
            for mean in log_uniform_values(low, max(low, high), _NODES_OUTPUT)
        ]
    return of_values([prompt + output for prompt in prompts for output in outputs])


def _correction(counted: Sequence[CountedRequest], sigma: float) -> tuple[float, float]:
    """Return the factor that corrects the estimated prompts, and its sigma."""
    predicted = sum(request.predicted for request in counted)
    if not predicted or len(counted) < 2:
        return 1.0, sigma
    ratio = sum(request.prompt_tokens for request in counted) / predicted
    errors = [request.prompt_tokens - ratio * request.predicted for request in counted]
    n = len(counted)
    spread = math.sqrt(sum(error**2 for error in errors) / (n - 1) / n)
    return ratio, min(sigma, max(0.01, spread / (ratio * predicted / n)))
