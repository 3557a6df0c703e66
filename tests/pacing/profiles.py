"""Ten situations of a client of the API, and the rate that each of them allows."""

import math
from dataclasses import astuple, dataclass, replace
from random import Random
from typing import Any, Literal

from strategy import Known

BYTES_PER_TOKEN = 3.3
BYTES_SPREAD = 0.15

# What a request takes from each limit at the mean: 1, input tokens, output tokens.
Uses = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Limits:
    """Units per minute of one class of models."""

    requests: int
    input_tokens: int
    output_tokens: int


START = Limits(1_000, 2_000_000, 400_000)
BUILD = Limits(5_000, 5_000_000, 1_000_000)
SCALE = Limits(10_000, 10_000_000, 2_000_000)


@dataclass(frozen=True, slots=True)
class Row:
    """A request with the tokens that it will use, which the client does not know."""

    number: int
    body_bytes: int
    max_tokens: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """Lognormal tokens of a row, given by the mean and the sigma of the logarithm."""

    input_mean: float
    output_mean: float
    input_sigma: float = 0.5
    output_sigma: float = 0.5
    input_max: int = 150_000
    max_tokens: int = 2_048

    @property
    def uses(self) -> Uses:
        """What a row uses of each limit at the mean."""
        return 1.0, self.input_mean, self.output_mean

    def draw(self, number: int, random: Random) -> Row:
        """Draw a row; the bytes per token differ from row to row."""
        tokens_in = _lognormal(random, self.input_mean, self.input_sigma, self.input_max)
        tokens_out = _lognormal(random, self.output_mean, self.output_sigma, self.max_tokens)
        spread = max(0.5, random.gauss(1, BYTES_SPREAD))
        body_bytes = round(tokens_in * BYTES_PER_TOKEN * spread)
        return Row(number, body_bytes, self.max_tokens, tokens_in, tokens_out)


def _lognormal(random: Random, mean: float, sigma: float, maximum: int) -> int:
    drawn = math.exp(random.gauss(math.log(mean) - sigma * sigma / 2, sigma))
    return min(maximum, max(1, round(drawn)))


@dataclass(frozen=True, slots=True)
class Span:
    """A span of whole seconds since the start, without the last one, and a share in it."""

    start_s: int
    end_s: int
    share: float = 1.0


HeadersShow = Literal["levels", "plenty", "plenty until refused", "nothing"]


@dataclass(frozen=True, slots=True)
class Hidden:
    """A limit on requests that the headers do not tell: with ``burst`` 1 it spaces requests."""

    per_minute: float
    burst: float


@dataclass(frozen=True, slots=True)
class Profile:
    """One situation; all times are whole seconds since its start.

    Nothing is counted before ``warm_up_s``. ``burst`` is the capacity of a bucket as a share of
    the limit per minute. ``cut`` is the second from which other limits apply, and those limits.
    ``other`` has the shares that a second client takes, ``storms`` the shares of requests that get
    a 529. ``ramp_factor`` is how much more than before a limit on growth admits, ``slowness`` a
    factor of all latencies. ``headers_show`` is what the headers tell of the requests that remain,
    ``retry_after`` what a refusal asks for. ``refused_share`` is the share of requests that get a
    429 at random, whatever their rate. ``jobs`` is the number of jobs; None is an endless
    supply.
    """

    name: str
    limits: Limits
    sizes: Sizes
    duration_s: int = 420
    warm_up_s: int = 120
    burst: float = 1.0
    headers_of: Literal["admission", "delivery"] = "admission"
    cut: tuple[int, Limits] | None = None
    other: tuple[Span, ...] = ()
    outages: tuple[Span, ...] = ()
    storms: tuple[Span, ...] = ()
    has_ramp_limit: bool = False
    ramp_factor: float = 2.0
    slowness: float = 1.0
    hidden: Hidden | None = None
    headers_show: HeadersShow = "levels"
    retry_after: Literal["the wait", "a second", "nothing"] = "the wait"
    refused_share: float = 0.0
    concurrency: int = 256
    jobs: int | None = None

    @property
    def known(self) -> Known:
        """What a user can know before the run."""
        return Known(
            self.limits.requests,
            self.limits.input_tokens,
            self.limits.output_tokens,
            self.sizes.input_mean,
            self.sizes.output_mean,
            self.concurrency,
        )

    def limits_at(self, at_s: float) -> Limits:
        """Return the limits at a time."""
        return self.cut[1] if self.cut and at_s >= self.cut[0] else self.limits

    def limit_rate(self, at_s: float, uses: Uses) -> float:
        """Return the requests per second that the tightest limit refills."""
        limits: Uses = astuple(self.limits_at(at_s))
        rate = min(limit / use for limit, use in zip(limits, uses, strict=True))
        return (min(rate, self.hidden.per_minute) if self.hidden else rate) / 60

    def allowed_rate(self, at_s: float, uses: Uses) -> float:
        """Return the successes per second that the API allows this client at a time.

        It is what the tightest limit refills, without the second client's share; nothing in an
        outage, and in a storm only the share that is not refused. It leaves out what refills
        during an outage or a storm: a client whose buckets have room for that can reach a little
        more afterwards (at most a ninth more in profiles 7 and 8).
        """
        if share_at(self.outages, at_s):
            return 0.0
        left = (1 - share_at(self.other, at_s)) * (1 - share_at(self.storms, at_s))
        return self.limit_rate(at_s, uses) * left


def share_at(spans: tuple[Span, ...], at_s: float) -> float:
    """Return the share of the span at a time; 0 outside of all spans."""
    return next((span.share for span in spans if span.start_s <= at_s < span.end_s), 0.0)


SMALL = Sizes(input_mean=300, output_mean=40)

PROFILES = (
    Profile("1 requests, Start tier", START, SMALL),
    Profile(
        "2 input tokens, Build tier",
        BUILD,
        Sizes(input_mean=2_400, output_mean=150),
        duration_s=360,
        headers_of="delivery",
    ),
    Profile(
        "3 output tokens, Scale tier",
        SCALE,
        Sizes(input_mean=500, output_mean=450),
        duration_s=300,
        concurrency=1_000,
    ),
    Profile("4 limit cut in half", START, SMALL, cut=(240, Limits(500, 1_000_000, 200_000))),
    Profile(
        "5 a second client",
        START,
        SMALL,
        other=(Span(0, 200, 0.3), Span(200, 320, 0.6), Span(320, 420, 0.3)),
    ),
    Profile(
        "6 heavy-tailed rows",
        START,
        Sizes(input_mean=2_800, output_mean=200, input_sigma=1.3, output_sigma=1.0),
        duration_s=480,
    ),
    Profile("7 outage of 30 s", START, SMALL, outages=(Span(200, 230),)),
    Profile(
        "8 storms of 529s",
        START,
        SMALL,
        storms=(Span(150, 170, 0.5), Span(240, 260, 0.5), Span(330, 350, 0.5)),
    ),
    # The rule itself admits the full rate only after some 150 s, so nothing is counted before.
    Profile("9 limited growth", BUILD, SMALL, warm_up_s=180, has_ramp_limit=True),
    Profile("10 a second's burst", START, SMALL, burst=1 / 60),
)

MINUTE = Limits(1_200, 4_000_000, 800_000)


def spaced(name: str, headers_show: HeadersShow, burst: float = 1, **more: Any) -> Profile:
    """Return a profile of 1,200 requests a minute that are enforced within a second."""
    profile = Profile(name, MINUTE, SMALL, duration_s=120, warm_up_s=10)
    hidden = Hidden(1_200, burst)
    return replace(
        profile, hidden=hidden, headers_show=headers_show, retry_after="a second", **more
    )


HIDDEN_LIMITS = (
    spaced("11 one each 50 ms, headers of the minute", "levels"),
    spaced("12 one each 50 ms, headers always plenty", "plenty"),
    spaced("13 one each 50 ms, headers plenty until refused", "plenty until refused"),
    spaced("14 one each 50 ms, no headers", "nothing"),
    spaced("15 one each 50 ms, no headers, fast responses", "nothing", slowness=0.08),
    spaced("16 a burst of 20, no headers", "nothing", 20),
)
STEEP_GROWTH = replace(PROFILES[8], name="17 growth by a half", ramp_factor=1.5, warm_up_s=230)

_PLENTY = Limits(1_000_000, 4_000_000_000, 800_000_000)


def refused_at_random(share: float, slowness: float, **more: Any) -> Profile:
    """Return a profile without limits in which a share of requests gets a 429 at random."""
    profile = Profile(
        f"{share:.0%} refused at random, responses after {1.4 * slowness:.1f} s",
        _PLENTY,
        SMALL,
        duration_s=140,
        warm_up_s=120,
        slowness=slowness,
        refused_share=share,
        concurrency=16,
        headers_show="nothing",
        retry_after="nothing",
    )
    return replace(profile, **more)


AT_RANDOM = (
    *(refused_at_random(share, 1.0) for share in (0.05, 0.1, 0.3)),
    refused_at_random(0.5, 1.0, duration_s=260, warm_up_s=240),
    refused_at_random(0.1, 4.0, concurrency=64, duration_s=320, warm_up_s=300),
    refused_at_random(0.1, 0.08, duration_s=125),
    refused_at_random(0.3, 0.08, duration_s=125),
    refused_at_random(0.3, 1.0, headers_show="plenty", retry_after="a second"),
)
