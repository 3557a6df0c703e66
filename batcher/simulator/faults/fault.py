"""A rule that makes some requests fail in one way.

Kinds that answer with an error of the API, and bill nothing:

    status                 the error of ``status`` (``code`` adds a stable cause code)
    rate_limit             429 with ``retry-after``
    rate_limit_bare        429 without it
    ramp_limit             429 ramp_limit_exceeded, with ``retry-after``
    spend_limit            429 enforced_spend_limit_reached, without ``retry-after``
    contract_spend_limit   429 contract_spend_limit_reached
    own_spend_limit        400 as for a spend limit that the customer has set
    overloaded             529
    no_retry               529 with ``x-should-retry: false``
    server_error_html      500 with a page of HTML

Kinds that break the transport or the shape, and bill nothing:

    reset_in_request       the connection is reset when the request's body begins to arrive
    early_413              413 when the request's body begins to arrive, then a reset
    reset_before           the connection is reset instead of a response
    redirect               307 to another host
    error_200              status 200 whose body is an error object

Kinds that damage the response to an answered request, which is billed:

    hang                   no response until the client disconnects
    reset_billed           a reset instead of the response
    reset_mid_body         a reset after half of the body
    reset_after            the whole response, then a reset
    truncated              the connection is closed after half of the body
    half_json              half of the body, sent as a complete one
    stall                  half of the body, then nothing until the client disconnects
    slow_body              the body in pieces, spread over ``seconds``
    giant_header           a header of ``size`` bytes before the body
    endless_header         more and more headers until the client disconnects
    junk                   status 200 and bytes that are not JSON
    gateway_502            a gateway's page of HTML with status 502 instead of the response
    gateway_504            the same with status 504
    gateway_524            the same with status 524
    wrong_content_type     the right body with the content type ``text/html``
    gzip_bomb              status 200 and a small body that unpacks to ``size`` bytes
    stream_cut             a stream that ends without ``message_stop``
    stream_error           an error event of ``status`` in the middle of the stream
    empty_answer           a message that ends its turn without any content
    usage_missing          a message without usage
    usage_empty            a message whose usage has no fields
    usage_unknown          a message whose usage has an unknown token kind
    usage_several_unknown  a message whose usage has three unknown token kinds
    usage_zero             a message whose usage counts no tokens
    usage_huge             a message whose usage counts 10^15 tokens of each kind
    usage_bad_split        a message whose split of cache writes lacks some of their sum

Kinds of the Message Batches endpoints only; the request is carried out:

    late_error             the error of ``status``, although the request was carried out
    gzipped                the right body, compressed although the client did not ask for it
    gzip_cut               half of that, with a matching length
    foreign_results_url    a batch whose ``results_url`` leads to another host
    line_junk              results with a line in the middle that is not JSON
    line_missing           results without the last line, but complete as a response
    line_stranger          results with a line whose ``custom_id`` nobody has sent
    line_twice             results with one line twice
    line_nan               results with NaN in the message of one line
    line_bytes             results with bytes that are not UTF-8 in the message of one line
    line_long              results with a line of ``size`` bytes in the middle
    lines_odd              results with blank lines, ends of lines as on Windows, white space that
                           only some readers take for the end of a line, and no end of the last line
    lines_endless          results, then blank lines until the client disconnects
    expired                an item that never begins, so that it expires; only with ``on=item``
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

UNBILLED = frozenset(
    {
        "status", "rate_limit", "rate_limit_bare", "ramp_limit", "spend_limit",
        "contract_spend_limit", "own_spend_limit", "overloaded", "no_retry",
        "server_error_html", "reset_in_request", "early_413", "reset_before",
        "redirect", "error_200",
    }
)  # fmt: skip
BILLED = frozenset(
    {
        "hang", "reset_billed", "reset_mid_body", "reset_after", "truncated", "half_json",
        "stall", "slow_body", "giant_header", "endless_header", "junk", "wrong_content_type",
        "gzip_bomb", "stream_cut", "stream_error", "empty_answer", "usage_missing", "usage_empty",
        "usage_unknown", "usage_zero", "usage_huge", "usage_several_unknown", "usage_bad_split",
        "gateway_502", "gateway_504", "gateway_524",
    }
)  # fmt: skip
GATEWAY_STATUSES = {"gateway_502": 502, "gateway_504": 504, "gateway_524": 524}
RESULTS_ONLY = frozenset(
    {
        "line_junk", "line_missing", "line_stranger", "line_twice", "line_nan", "line_bytes",
        "line_long", "lines_odd", "lines_endless",
    }
)  # fmt: skip
BATCHES_ONLY = RESULTS_ONLY | {"late_error", "gzipped", "gzip_cut", "foreign_results_url"}
ITEM_ONLY = frozenset({"expired"})
KINDS = UNBILLED | BILLED | BATCHES_ONLY | ITEM_ONLY
USAGE_KINDS = frozenset(kind for kind in BILLED if kind.startswith("usage_"))
ITEM_KINDS = ITEM_ONLY | USAGE_KINDS | {
    "status", "rate_limit", "rate_limit_bare", "ramp_limit", "spend_limit",
    "contract_spend_limit", "own_spend_limit", "overloaded",
}  # fmt: skip
MESSAGES, BATCHES, ITEM = "messages", "batches", "item"
BATCH_ENDPOINTS = ("create", "list", "retrieve", "cancel", "results", "delete")
PLACES = (MESSAGES, BATCHES, *BATCH_ENDPOINTS, ITEM)
"""What a fault can hit: POST /v1/messages, all batch endpoints, one of them, or items."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, and which requests it hits.

    ``on`` is one of ``PLACES``. Of the requests there, one is hit when all of these hold:

    - it is not one of the first ``after_n``, but one of the next ``first_n``;
    - of those, it is the first or every ``every_n``-th after it;
    - this rule has hit the same body fewer than ``attempts`` times;
    - this rule has hit fewer than ``times`` requests;
    - the raw body contains ``match``; for a batch endpoint other than create, its path and query;
    - a random number, which follows from the seed, the body and the number of times that this rule
      has hit it, is below ``rate``. A retry therefore has a new chance.
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
    on: str = MESSAGES

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(
                f"unknown fault {self.kind!r}; known are a status from 400 to 599, "
                + ", ".join(sorted(KINDS - {"status"}))
            )
        if not 0 <= self.rate <= 1:
            raise ValueError("the rate of a fault must be between 0 and 1")
        if self.every_n < 1:
            raise ValueError("every_n must be at least 1")
        if not 400 <= self.status <= 599:
            raise ValueError("the status of a fault must be between 400 and 599")
        self._check_place()

    def _check_place(self) -> None:
        if self.on not in PLACES:
            raise ValueError(f"on must be one of {', '.join(PLACES)}")
        if self.on == ITEM:
            is_possible = self.kind in ITEM_KINDS
        elif self.on == MESSAGES:
            is_possible = self.kind in UNBILLED | BILLED
        elif self.kind in RESULTS_ONLY:
            is_possible = self.on == "results"
        elif self.is_early:
            is_possible = self.on == "create"
        elif self.kind in USAGE_KINDS:
            is_possible = False
        else:
            is_possible = self.kind not in ITEM_ONLY
        if not is_possible:
            raise ValueError(f"the fault {self.kind!r} cannot happen on={self.on}")

    @property
    def is_billed(self) -> bool:
        """Whether the request is answered and billed before the fault happens."""
        return self.kind in BILLED | BATCHES_ONLY

    @property
    def late_status(self) -> int:
        """The status that a client gets although its request was carried out; 200 if unchanged."""
        return self.status if self.kind == "late_error" else GATEWAY_STATUSES.get(self.kind, 200)

    @property
    def is_early(self) -> bool:
        """Whether it hits a request of which only the beginning has arrived."""
        return self.kind in ("reset_in_request", "early_413")

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Fault":
        """Return the fault of a table in a settings file; raise ValueError for an unknown key."""
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
        """Return the fault of ``KIND[:KEY=VALUE,...]``; a status such as ``500`` is a kind, too."""
        kind, _, rest = text.partition(":")
        values: dict[str, Any] = {"kind": kind}
        if kind.isdigit():
            values = {"kind": "status", "status": int(kind)}
        for pair in filter(None, rest.split(",")):
            key, _, value = pair.partition("=")
            values[key] = _typed(key, value)
        return cls.read(values)


def _typed(key: str, value: str) -> object:
    if key in ("on", "match", "code", "message"):
        return value
    if value == "none":
        return None
    return float(value) if key in ("rate", "retry_after_s", "seconds") else int(value)
