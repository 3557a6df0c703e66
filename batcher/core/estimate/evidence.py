"""The data of an estimate: the requests to send, and results of similar requests."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bucket:
    """Requests to send with prompts of similar length and the same rates (``group``).

    Sums over these requests: ``predicted``, the estimated prompt tokens; ``max_output_tokens``,
    their ``max_tokens``; ``max_prompt_tokens``, the upper bounds of their prompt tokens, None
    without bounds. Each prompt is estimated at ``lower`` to ``upper`` tokens.
    """

    group: str
    requests: int
    predicted: float
    max_output_tokens: int
    lower: float
    upper: float
    max_prompt_tokens: int | None = None

    @property
    def mean(self) -> float:
        """The mean of the estimated prompt tokens."""
        return self.predicted / self.requests


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """A request with an answer: its estimated prompt, and the billed tokens of all attempts."""

    group: str
    predicted: float
    prompt_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class CountedRequest:
    """A request whose prompt tokens the API has counted."""

    group: str
    predicted: float
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class OutputRange:
    """The range of the mean output tokens per request, when there are no answers yet."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of one prompt token and one output token in a sum, usually in USD.

    ``prompt`` is a mean: a cached token weighs ``cache_saving`` less than another one, and
    ``cached_share`` of the prompt is cached. ``sigma`` is the standard deviation of ``prompt`` from
    all other uncertainty about the cache.
    """

    prompt: float
    output: float
    sigma: float = 0.0
    cached_share: float = 0.0
    cache_saving: float = 0.0

    @property
    def bias_weight(self) -> float:
        """How much less a prompt token weighs per unit of ``shared_part_bias``."""
        return self.cache_saving * self.cached_share * (1 - self.cached_share)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All data of an estimate; ``outputs`` is by group, ``sigma`` as in ``Prompt``."""

    buckets: tuple[Bucket, ...]
    answered: tuple[AnsweredRequest, ...]
    counted: tuple[CountedRequest, ...]
    outputs: Mapping[str, OutputRange]
    sigma: float
