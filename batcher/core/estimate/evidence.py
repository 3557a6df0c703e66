"""What an estimate is made from: what is to be sent, and what is known of the like."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bucket:
    """Requests to send whose prompts are of about one length, all at the same rates (``group``).

    ``predicted`` are the estimated prompt tokens of all of them together, ``most_output`` the sum
    of their ``max_tokens``, ``most_prompt`` the bound of their prompt tokens, None without one; the
    prompt of each is estimated at ``lower`` to ``upper`` tokens.
    """

    group: str
    requests: int
    predicted: float
    most_output: int
    lower: float
    upper: float
    most_prompt: int | None = None

    @property
    def mean(self) -> float:
        """The estimated prompt tokens of one of them."""
        return self.predicted / self.requests


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that has an answer: its estimated prompt, and what all its attempts were billed."""

    group: str
    predicted: float
    prompt_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Counted:
    """A request whose prompt the API has counted."""

    group: str
    predicted: float
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class OutputRange:
    """Between what the output of a request lies at the mean, in tokens, when none was seen."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Weights:
    """What one token of the prompt and one of the output count.

    ``prompt`` is a mean: the share ``cached`` of the prompt counts ``saved`` less than the rest.
    ``doubt`` is one standard deviation of it, from all else that is not known of the cache.
    """

    prompt: float
    output: float
    doubt: float = 0.0
    cached: float = 0.0
    saved: float = 0.0

    @property
    def stake(self) -> float:
        """What a token of the prompt counts less for each unit of ``unlikeness``."""
        return self.saved * self.cached * (1 - self.cached)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it; ``outputs`` by group, ``sigma`` as of ``Prompt``."""

    buckets: tuple[Bucket, ...]
    answered: tuple[Answered, ...]
    counted: tuple[Counted, ...]
    outputs: Mapping[str, OutputRange]
    sigma: float
