"""Jobs of many shapes and what each of their rows really uses: what estimates are held to.

Nothing of batcher decides anything here. A row has a prompt length as an offline rule estimates it,
wrong by the language and the kind of its text, and the tokens that it is then billed for.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

# ln(real / estimated tokens) of the offline rule, by language and kind of text, as measured with a
# published tokenizer (docs/estimating.md); the tokenizers of today's models may differ from it.
PLAIN = (0.11, -0.04, 0.11, 0.09, -0.11, 0.02, -0.09, 0.30, 0.16, 0.29, -0.05, 0.06, 0.00, -0.07,
         -0.01, 0.06, -0.16)  # fmt: skip
OTHER = (-0.01, -0.09, -0.07, -0.16, 0.04, -0.16, -0.04, -0.17, -0.30, 0.09, 0.12, 0.23, -0.06,
         0.02, 0.06, 0.12, 0.28, 0.21, 0.11, 0.05, 0.11, 0.25, 0.24)  # fmt: skip
TOKENIZER_SIGMA = 0.1
ROW_SIGMA = 0.08

# USD per million tokens: input, output, cache read, cache write.
PRICES = ((0.1, 0.5, 0.01, 0.125), (2.0, 10.0, 0.1, 2.5), (4.0, 20.0, 0.2, 5.0),
          (8.0, 40.0, 0.2, 10.0), (1.0, 5.0, 0.1, 1.25))  # fmt: skip

SECTIONS = ["a", "billing", "delivery", "other"]
LABEL = {"type": "object", "additionalProperties": False, "required": ["label"],
         "properties": {"label": {"type": "string", "enum": SECTIONS}}}  # fmt: skip
REASONED = {"type": "object", "additionalProperties": False, "required": ["label", "why"],
            "properties": {"label": {"type": "string", "enum": ["yes", "no", "unclear"]},
                           "why": {"type": "string"}, "score": {"type": "number"}}}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One request: its prompt as estimated, and what it is really billed, in tokens and USD."""

    predicted: float
    prompt: int
    output: int
    usd: float


@dataclass(frozen=True, slots=True)
class Shape:
    """What kind of job it is; ``system`` are tokens that all rows share."""

    kind: str
    length: float
    length_sigma: float
    system: int
    is_cached: bool
    is_other_script: bool
    is_mixed: bool
    thinks: bool
    follows_length: bool


@dataclass(frozen=True, slots=True)
class SimulatedJob:
    """A job with all its rows, and what its user knows of it beforehand."""

    number: int
    shape: Shape
    prices: tuple[float, float, float, float]
    max_tokens: int
    rows: tuple[Row, ...]
    pilot: int

    @property
    def settings(self) -> dict[str, Any]:
        """The parameters of its requests, as far as they tell how long answers are."""
        settings: dict[str, Any] = {"max_tokens": self.max_tokens}
        schema = {"label": LABEL, "reasoned": REASONED}.get(self.shape.kind)
        if schema is not None:
            settings["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        settings["thinking"] = {"type": "adaptive" if self.shape.thinks else "disabled"}
        return settings


def draw_job(
    number: int, seed: int = 0, *, rows: int | None = None, pilot: int | None = None
) -> SimulatedJob:
    """Draw one job; the same number and seed give the same job, whatever was drawn before."""
    random = Random(f"{seed} {number}")
    shape = _shape(random)
    count = rows or round(math.exp(random.uniform(math.log(1_000), math.log(20_000))))
    errors = _language_errors(random, shape)
    outputs = _Outputs(random, shape)
    drafts = [_draft(random, shape, errors, outputs) for _ in range(count)]
    wanted = sorted(output for _, _, output in drafts)[int(0.99 * count)]
    max_tokens = max(16, math.ceil(wanted * math.exp(random.uniform(0.0, 2.3)) / 16) * 16)
    prices = random.choice(PRICES)
    shared = round(shape.system * math.exp(errors[0])) if shape.is_cached else 0
    bill = _Bill(random, shared, prices, max_tokens)
    made = tuple(bill.row(*draft) for draft in drafts)
    return SimulatedJob(
        number, shape, prices, max_tokens, made, pilot or random.choice((20, 50, 100, 200))
    )


def _shape(random: Random) -> Shape:
    system = random.choice((0, 150, 800, 3_000))
    return Shape(
        kind=random.choice(("label", "reasoned", "text", "heavy text")),
        length=math.exp(random.uniform(math.log(60), math.log(5_000))),
        length_sigma=random.choice((0.2, 0.5, 1.0)),
        system=system,
        is_cached=system >= 800 and random.random() < 0.7,
        is_other_script=random.random() < 0.35,
        is_mixed=random.random() < 0.25,
        thinks=random.random() < 0.5,
        follows_length=random.random() < 0.5,
    )


def _language_errors(random: Random, shape: Shape) -> tuple[float, ...]:
    tokenizer = random.gauss(0, TOKENIZER_SIGMA)
    known = OTHER if shape.is_other_script else PLAIN
    languages = random.sample(known, 3 if shape.is_mixed else 1)
    return tuple(error + tokenizer for error in languages)


class _Outputs:
    """How many tokens the answers of one job have."""

    def __init__(self, random: Random, shape: Shape) -> None:
        self._random, self._shape = random, shape
        self._median = {"label": 9.0, "reasoned": random.uniform(30, 90)}.get(
            shape.kind, math.exp(random.uniform(math.log(40), math.log(600)))
        )
        self._sigma = {"label": 0.1, "reasoned": 0.3, "text": random.uniform(0.3, 0.7)}.get(
            shape.kind, random.uniform(0.8, 1.2)
        )
        self._thought = math.exp(random.uniform(math.log(20), math.log(400)))
        self._thought_sigma = random.uniform(0.4, 0.9)

    def draw(self, length: float) -> float:
        """One answer of a row of so many tokens, not yet cut at max_tokens."""
        random, shape = self._random, self._shape
        tokens = self._median * math.exp(random.gauss(0, self._sigma))
        if shape.follows_length and shape.kind != "label":
            tokens *= (length / shape.length) ** 0.6
        if shape.thinks:
            tokens += self._thought * math.exp(random.gauss(0, self._thought_sigma))
        return tokens


def _draft(
    random: Random, shape: Shape, errors: tuple[float, ...], outputs: _Outputs
) -> tuple[float, int, float]:
    own = shape.length * math.exp(random.gauss(0, shape.length_sigma))
    predicted = own + shape.system
    error = random.choice(errors)
    real = own * math.exp(error + random.gauss(0, ROW_SIGMA)) + shape.system * math.exp(errors[0])
    return predicted, max(1, round(real)), outputs.draw(own)


class _Bill:
    """What the API makes of the rows of one job: cut answers, failures, cache misses."""

    def __init__(
        self,
        random: Random,
        shared: int,
        prices: tuple[float, float, float, float],
        max_tokens: int,
    ) -> None:
        self._random, self._shared, self._prices = random, shared, prices
        self._max_tokens = max_tokens
        self._refused = random.choice((0.0, 0.0, 0.01, 0.05))
        self._repeated = random.choice((0.0, 0.002, 0.01))
        self._missed = random.choice((0.0, 0.001, 0.01))

    def row(self, predicted: float, prompt: int, output: float) -> Row:
        """Bill one row."""
        random = self._random
        if random.random() < self._refused:
            return Row(predicted, 0, 0, 0.0)
        times = 2 if random.random() < self._repeated else 1
        tokens = min(self._max_tokens, max(2, round(output)))
        price_in, price_out, price_read, price_write = self._prices
        shared = min(prompt, self._shared)
        rate = price_write if random.random() < self._missed else price_read
        usd = (prompt - shared) * price_in + shared * rate + tokens * price_out
        return Row(predicted, prompt * times, tokens * times, usd * times / 1e6)


def totals(rows: tuple[Row, ...]) -> Mapping[str, float]:
    """What all rows come to."""
    return {
        "prompt": float(sum(row.prompt for row in rows)),
        "output": float(sum(row.output for row in rows)),
        "usd": sum(row.usd for row in rows),
    }
