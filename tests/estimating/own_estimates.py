"""batcher's estimate of a simulated job: the product's code without its I/O."""

import math
from collections import defaultdict
from decimal import Decimal
from random import Random

from batcher.core.estimate.evidence import AnsweredRequest, Bucket, Evidence, Weights
from batcher.core.estimate.outputs import output_range
from batcher.core.estimate.predict import predict
from batcher.core.estimate.pricing import CachedTokens, weights
from batcher.core.estimate.spread import Spread
from batcher.core.estimate.tokens import SIGMA_ASCII, SIGMA_OTHER
from batcher.core.money.rates import ModelPrices, Rates
from jobs import Row, SimulatedJob

GROUP = "model"


def pilot_of(job: SimulatedJob) -> list[int]:
    """Return the rows of a pilot: equally many random rows from each class of length."""
    random = Random(f"pilot {job.number}")
    order = sorted(range(len(job.rows)), key=lambda index: job.rows[index].predicted)
    classes = max(1, min(job.pilot // 5, 40))
    parts = [
        order[len(order) * n // classes : len(order) * (n + 1) // classes] for n in range(classes)
    ]
    for part in parts:
        random.shuffle(part)
    drawn = [part[nth] for nth in range(job.pilot) for part in parts if nth < len(part)]
    return drawn[: job.pilot]


def estimate(job: SimulatedJob, *, with_pilot: bool) -> tuple[Spread, float]:
    """Return the estimated USD of the whole job, and the USD already spent by the pilot."""
    pilot = pilot_of(job) if with_pilot else []
    drawn = set(pilot)
    rest = [row for index, row in enumerate(job.rows) if index not in drawn]
    pilot_rows = [job.rows[index] for index in pilot]
    spent = sum(row.usd for row in pilot_rows)
    sigma = SIGMA_OTHER if job.shape.is_other_script else SIGMA_ASCII
    evidence = Evidence(
        buckets=_buckets(rest, job.max_tokens),
        answered=tuple(
            AnsweredRequest(GROUP, row.predicted, row.prompt, row.output) for row in pilot_rows
        ),
        counted=(),
        outputs={GROUP: output_range(job.settings, None)},
        sigma=sigma,
    )
    return predict(evidence, {GROUP: _weights(job, rest)}).plus(spent), spent


def _weights(job: SimulatedJob, rest: list[Row]) -> Weights:
    """Return the weights of the remaining rows, with the cache reads that a plan expects."""
    price_in, price_out, price_read, price_write = (Decimal(str(price)) for price in job.prices)
    rates = Rates(price_in, price_out, price_write, 2 * price_in, price_read)
    predicted = sum(row.predicted for row in rest)
    system = float(job.shape.system) if job.shape.is_cached else 0.0
    tokens = CachedTokens(predicted, system * max(0, len(rest) - 1), system)
    return weights(ModelPrices(GROUP, rates, rates), {}, tokens, "live", is_long=False)


def _buckets(rows: list[Row], max_tokens: int) -> tuple[Bucket, ...]:
    classes: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        classes[math.floor(20 * math.log1p(row.predicted))].append(row.predicted)
    return tuple(
        Bucket(GROUP, len(xs), sum(xs), max_tokens * len(xs), min(xs), max(xs))
        for _, xs in sorted(classes.items())
    )
