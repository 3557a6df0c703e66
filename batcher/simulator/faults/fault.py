"""A rule that makes some requests fail in one way.

Kinds that answer with an error of the API, and bill nothing:

    status                 the error of ``status`` (``code`` adds a stable cause code)
    rate_limit             429 with ``retry-after``
    rate_limit_bare        429 without it
    ramp_limit             429 ramp_limit_exceeded, with ``retry-after``
    spend_limit            429 enforced_spend_limit_reached, without ``retry-after``
    contract_spend_limit   429 contract_spend_limit_reached
    own_spend_limit        400 as for a limit somebody set
    overloaded             529
    server_error_html      500 with a page of HTML

Kinds that break the transport or the shape, and bill nothing:

    reset_in_request       reset as soon as the first of the request's body arrives
    reset_before           the connection is reset instead of an answer
    redirect               307 to another host
    error_200              status 200 whose body is an error object

Kinds that happen to an answer the model gave, and bill it:

    hang                   no answer until the client leaves
    reset_billed           reset instead of the answer that was made
    reset_mid_body         reset after half of the body
    reset_after            the whole answer, and then a reset
    truncated              the connection closes after half of the body
    half_json              half of the body, sent as if it were the whole
    stall                  half of the body, then nothing until the client leaves
    slow_body              the body comes in pieces spread over ``seconds``
    giant_header           a header of ``size`` bytes before the body
    endless_header         header after header until the client leaves
    junk                   status 200 and bytes that are no JSON
    wrong_content_type     the right answer named ``text/html``
    gzip_bomb              status 200 and a small body that unpacks to ``size`` bytes
    stream_cut             the stream ends properly, but without ``message_stop``
    stream_error           an error event of ``status`` in the middle of the stream
    usage_missing          an answer without its usage
    usage_empty            an answer whose usage has no fields
    usage_unknown          an answer whose usage has a token kind nobody knows
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

UNBILLED = frozenset(
    {
        "status", "rate_limit", "rate_limit_bare", "ramp_limit", "spend_limit",
        "contract_spend_limit", "own_spend_limit", "overloaded", "server_error_html",
        "reset_in_request", "reset_before", "redirect", "error_200",
    }
)  # fmt: skip
BILLED = frozenset(
    {
        "hang", "reset_billed", "reset_mid_body", "reset_after", "truncated", "half_json",
        "stall", "slow_body", "giant_header", "endless_header", "junk", "wrong_content_type",
        "gzip_bomb", "stream_cut", "stream_error", "usage_missing", "usage_empty",
        "usage_unknown",
    }
)  # fmt: skip
KINDS = UNBILLED | BILLED


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, and when.

    A request is hit when all conditions hold: it is not among the first ``after_n`` Messages
    requests; it is among the next ``first_n``; it is each ``every_n``-th of those; fewer than
    ``attempts`` faults of this rule have hit the same body; fewer than ``times`` have hit at all;
    the raw body contains ``match``; and the dice of the seed, the body and its number of earlier
    faults fall below ``rate``, so that a retry has a new chance.
    """

    kind: str
    rate: float = 1.0
    after_n: int = 0
    first_n: int | None = None
    every_n: int = 1
    attempts: int | None = None
    times: int | None = None
    match: str = ""
    status: int = 529
    code: str | None = None
    message: str | None = None
    retry_after_s: float | None = 1.0
    seconds: float = 1.0
    size: int = 100_000_000

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(
                f"unknown fault {self.kind!r}; known are a status from 400 to 599, "
                + ", ".join(sorted(KINDS - {"status"}))
            )
        if not 0 <= self.rate <= 1:
            raise ValueError("the rate of a fault must lie between 0 and 1")
        if self.every_n < 1:
            raise ValueError("every_n must be at least 1")
        if not 400 <= self.status <= 599:
            raise ValueError("the status of a fault must lie between 400 and 599")

    @property
    def is_billed(self) -> bool:
        """Whether the model answers, and charges, before things go wrong."""
        return self.kind in BILLED

    @property
    def is_early(self) -> bool:
        """Whether it strikes before the request is whole, and knows no more than its beginning."""
        return self.kind == "reset_in_request"

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Fault":
        """From a table of a settings file; ValueError names a key that does not exist."""
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(
                f"unknown key {unknown[0]!r} in a fault; known are {', '.join(known[1:])}"
            )
        if "kind" not in values:
            raise ValueError("a fault needs a kind")
        return cls(**values)

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """From ``KIND[:KEY=VALUE,...]`` as on the command line; a bare status is a kind too."""
        kind, _, rest = text.partition(":")
        values: dict[str, Any] = {"kind": kind}
        if kind.isdigit():
            values = {"kind": "status", "status": int(kind)}
        for pair in filter(None, rest.split(",")):
            key, _, value = pair.partition("=")
            values[key] = _typed(key, value)
        return cls.read(values)


def _typed(key: str, value: str) -> object:
    if key in ("match", "code", "message"):
        return value
    if value == "none":
        return None
    return float(value) if key in ("rate", "retry_after_s", "seconds") else int(value)
