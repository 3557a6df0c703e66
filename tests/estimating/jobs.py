"""Simulated jobs of many shapes, with the real usage of each row, to check estimates against.

No code of batcher is used here. A row has a prompt length as an offline rule estimates it, with an
error that depends on the language and kind of its text, and the tokens that it is really billed.
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
# Range of ln(characters per token) of the texts of each kind.
PLAIN_CHARACTERS = (math.log(2.2), math.log(3.6))
OTHER_CHARACTERS = (math.log(0.7), math.log(2.0))
TOKENIZER_SIGMA = 0.1
ROW_SIGMA = 0.08

# USD per million tokens: input, output, cache read, cache write.
PRICES = ((0.1, 0.5, 0.01, 0.125), (2.0, 10.0, 0.1, 2.5), (4.0, 20.0, 0.2, 5.0),
          (8.0, 40.0, 0.2, 10.0), (1.0, 5.0, 0.1, 1.25))  # fmt: skip

LENGTHS = ("alike", "mixed", "skewed", "uniform", "heavy-tailed")
SECTIONS = ["a", "billing", "delivery", "other"]
LABEL = {"type": "object", "additionalProperties": False, "required": ["label"],
         "properties": {"label": {"type": "string", "enum": SECTIONS}}}  # fmt: skip
REASONED = {"type": "object", "additionalProperties": False, "required": ["label", "why"],
            "properties": {"label": {"type": "string", "enum": ["yes", "no", "unclear"]},
                           "why": {"type": "string"}, "score": {"type": "number"}}}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One request: its estimated prompt, and the really billed tokens and USD.

    ``characters`` is the length of its prompt, and ``text`` is the real number of its tokens.
    """

    predicted: float
    characters: float
    text: int
    prompt: int
    output: int
    usd: float


@dataclass(frozen=True, slots=True)
class Shape:
    """The kind of a job; ``system`` is the number of tokens that all rows share.

    ``is_foreign``: the shared part is in another language than the rows, as is common.
    """

    kind: str
    length: float
    lengths: str
    system: int
    is_foreign: bool
    is_cached: bool
    is_other_script: bool
    is_mixed: bool
    thinks: bool
    follows_length: bool


@dataclass(frozen=True, slots=True)
class SimulatedJob:
    """A job with all its rows, and the settings that its user knows in advance."""

    number: int
    shape: Shape
    prices: tuple[float, float, float, float]
    max_tokens: int
    rows: tuple[Row, ...]
    pilot: int

    @property
    def settings(self) -> dict[str, Any]:
        """The request parameters that determine the length of answers."""
        settings: dict[str, Any] = {"max_tokens": self.max_tokens}
        schema = {"label": LABEL, "reasoned": REASONED}.get(self.shape.kind)
        if schema is not None:
            settings["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        settings["thinking"] = {"type": "adaptive" if self.shape.thinks else "disabled"}
        return settings


def draw_job(
    number: int, seed: int = 0, *, rows: int | None = None, pilot: int | None = None
) -> SimulatedJob:
    """Draw a job; the same number and seed always give the same job."""
    random = Random(f"{seed} {number}")
    shape = _shape(random)
    count = rows or round(math.exp(random.uniform(math.log(1_000), math.log(20_000))))
    texts = _Texts(random, shape)
    outputs = _Outputs(random, shape)
    drafts = [texts.draw(outputs) for _ in range(count)]
    wanted = sorted(draft.output for draft in drafts)[int(0.99 * count)]
    max_tokens = max(16, math.ceil(wanted * math.exp(random.uniform(0.0, 2.3)) / 16) * 16)
    prices = random.choice(PRICES)
    shared = round(texts.system) if shape.is_cached else 0
    bill = _Bill(random, shared, prices, max_tokens)
    written = {0, *random.sample(range(count), random.choice((0, 2, 10)))}
    billed_rows = tuple(bill.row(draft, leads=nth in written) for nth, draft in enumerate(drafts))
    return SimulatedJob(
        number, shape, prices, max_tokens, billed_rows, pilot or random.choice((20, 50, 100, 200))
    )


def _shape(random: Random) -> Shape:
    system = random.choice((0, 150, 800, 3_000))
    return Shape(
        kind=random.choice(("label", "reasoned", "text", "heavy text")),
        length=math.exp(random.uniform(math.log(60), math.log(5_000))),
        lengths=random.choice(LENGTHS),
        system=system,
        is_foreign=system > 0 and random.random() < 0.4,
        is_cached=system >= 800 and random.random() < 0.7,
        is_other_script=random.random() < 0.35,
        is_mixed=random.random() < 0.25,
        thinks=random.random() < 0.5,
        follows_length=random.random() < 0.5,
    )


@dataclass(frozen=True, slots=True)
class _Draft:
    """A row before it is sent: its estimated and real prompt, and the length of its answer."""

    predicted: float
    characters: float
    prompt: int
    output: float


class _Texts:
    """The prompts of a job: their lengths, and the errors of the offline rule."""

    def __init__(self, random: Random, shape: Shape) -> None:
        self._random, self._shape = random, shape
        tokenizer = random.gauss(0, TOKENIZER_SIGMA)
        known = OTHER if shape.is_other_script else PLAIN
        drawn = random.sample(known, 3 if shape.is_mixed else 1)
        self._errors = [error + tokenizer for error in drawn]
        span = OTHER_CHARACTERS if shape.is_other_script else PLAIN_CHARACTERS
        self._characters = [math.exp(random.uniform(*span)) for _ in drawn]
        self._foreign = math.exp(random.uniform(*PLAIN_CHARACTERS))
        error = random.choice(PLAIN) + tokenizer if shape.is_foreign else self._errors[0]
        self.system = shape.system * math.exp(error)

    def draw(self, outputs: "_Outputs") -> _Draft:
        """Draw a row."""
        random, shape = self._random, self._shape
        own = max(1.0, shape.length * _length(random, shape.lengths))
        language = random.randrange(len(self._errors))
        real = own * math.exp(self._errors[language] + random.gauss(0, ROW_SIGMA))
        of_system = self._foreign if shape.is_foreign else self._characters[0]
        characters = real * self._characters[language] + self.system * of_system
        prompt = max(1, round(real + self.system))
        return _Draft(own + shape.system, characters, prompt, outputs.draw(own))


def _length(random: Random, lengths: str) -> float:
    """Draw the length of a row, as a multiple of the typical length."""
    if lengths == "uniform":
        return random.uniform(0.1, 1.9)
    if lengths == "heavy-tailed":
        return min(100.0, 0.6 * random.paretovariate(1.8))
    return math.exp(random.gauss(0, {"alike": 0.2, "mixed": 0.5, "skewed": 1.0}[lengths]))


class _Outputs:
    """The lengths of the answers of a job in tokens."""

    def __init__(self, random: Random, shape: Shape) -> None:
        self._random, self._shape = random, shape
        self._median = {"label": 9.0, "reasoned": random.uniform(30, 90)}.get(
            shape.kind, math.exp(random.uniform(math.log(40), math.log(600)))
        )
        self._sigma = {"label": 0.1, "reasoned": 0.3, "text": random.uniform(0.4, 0.8)}.get(
            shape.kind, random.uniform(0.8, 1.3)
        )
        self._thought = math.exp(random.uniform(math.log(20), math.log(400)))
        self._thought_sigma = random.uniform(0.4, 0.9)

    def draw(self, length: float) -> float:
        """Draw the answer to a row of this length, not yet limited to max_tokens."""
        random, shape = self._random, self._shape
        tokens = self._median * math.exp(random.gauss(0, self._sigma))
        if shape.follows_length and shape.kind != "label":
            tokens *= (length / shape.length) ** 0.6
        if shape.thinks:
            tokens += self._thought * math.exp(random.gauss(0, self._thought_sigma))
        return tokens


class _Bill:
    """The API's bill for the rows of a job: truncated answers, failures, cache misses."""

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

    def row(self, draft: _Draft, *, leads: bool) -> Row:
        """Bill a row; ``leads``: the row writes the shared part to the cache."""
        random, prompt = self._random, draft.prompt
        if random.random() < self._refused:
            return Row(draft.predicted, draft.characters, prompt, 0, 0, 0.0)
        times = 2 if random.random() < self._repeated else 1
        tokens = min(self._max_tokens, max(2, round(draft.output)))
        price_in, price_out, price_read, price_write = self._prices
        shared = min(prompt, self._shared)
        rate = price_write if leads or random.random() < self._missed else price_read
        usd = (prompt - shared) * price_in + shared * rate + tokens * price_out
        billed = (prompt * times, tokens * times, usd * times / 1e6)
        return Row(draft.predicted, draft.characters, prompt, *billed)


def totals(rows: tuple[Row, ...]) -> Mapping[str, float]:
    """Return the sums over all rows."""
    return {
        "prompt": float(sum(row.prompt for row in rows)),
        "output": float(sum(row.output for row in rows)),
        "usd": sum(row.usd for row in rows),
    }
