"""batcher's own estimate of a simulated job: the decision code of the product, without its I/O."""

import math
from collections import defaultdict
from random import Random

from batcher.core.estimate.evidence import Answered, Bucket, Evidence, Weights
from batcher.core.estimate.outputs import output_range
from batcher.core.estimate.predict import predict
from batcher.core.estimate.pricing import MISSED
from batcher.core.estimate.spread import Spread
from batcher.core.estimate.tokens import SIGMA_ASCII, SIGMA_OTHER
from jobs import Row, SimulatedJob

GROUP = "model"


def pilot_of(job: SimulatedJob) -> list[int]:
    """The rows that a pilot sends: as many from each class of length, drawn by lot."""
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
    """The dollars that the whole job is estimated to cost, and those that are known already."""
    pilot = pilot_of(job) if with_pilot else []
    drawn = set(pilot)
    rest = [row for index, row in enumerate(job.rows) if index not in drawn]
    seen = [job.rows[index] for index in pilot]
    spent = sum(row.usd for row in seen)
    sigma = SIGMA_OTHER if job.shape.is_other_script else SIGMA_ASCII
    evidence = Evidence(
        buckets=_buckets(rest, job.max_tokens),
        answered=tuple(Answered(GROUP, r.predicted, r.prompt, r.output) for r in seen),
        counted=(),
        outputs={GROUP: output_range(job.settings, None)},
        sigma=sigma,
    )
    return predict(evidence, {GROUP: _weights(job, rest)}).plus(spent), spent


def _weights(job: SimulatedJob, rest: list[Row]) -> Weights:
    """The mean price of a token of prompt, with what the cache is expected to be read for."""
    price_in, price_out, price_read, price_write = job.prices
    predicted = sum(row.predicted for row in rest)
    usd = predicted * price_in
    if job.shape.is_cached:
        missed = MISSED * (len(rest) - 1)
        read = job.shape.system * (len(rest) - 1 - missed)
        written = job.shape.system * (1 + missed)
        usd += read * (price_read - price_in) + written * (price_write - price_in)
    mean = usd / predicted if predicted else price_in
    return Weights(mean / 1e6, price_out / 1e6)


def _buckets(rows: list[Row], max_tokens: int) -> tuple[Bucket, ...]:
    classes: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        classes[math.floor(20 * math.log1p(row.predicted))].append(row.predicted)
    return tuple(
        Bucket(GROUP, len(xs), sum(xs), max_tokens * len(xs), min(xs), max(xs))
        for _, xs in sorted(classes.items())
    )
