"""A night of troubles: kinds of faults that come and go by a seeded schedule."""

from dataclasses import dataclass
from random import Random

# Faults that pass: each hits a body once, in a part of the run, with some rate.
PASSING = (
    "reset_in_request", "reset_before", "reset_billed", "reset_mid_body", "reset_after",
    "truncated", "half_json", "stall", "slow_body", "hang", "giant_header", "junk",
    "wrong_content_type", "error_200", "server_error_html", "500", "502", "503", "504", "520",
    "overloaded", "408", "409", "rate_limit", "rate_limit_bare", "ramp_limit", "stream_cut",
    "stream_error", "usage_missing", "usage_unknown", "usage_empty", "usage_zero", "usage_huge",
    "gateway_502", "gateway_504", "no_retry",
)  # fmt: skip
# Waiting for a response takes time.
RARE = {
    "hang": 0.002, "stall": 0.003, "giant_header": 0.01, "usage_missing": 0.01,
    "usage_unknown": 0.01,
}  # fmt: skip
_KEYS = {
    "slow_body": ",seconds=0.2",
    "rate_limit": ",retry_after_s=0.2",
    "ramp_limit": ",retry_after_s=0.2",
    "overloaded": ",retry_after_s=none",
    "503": ",retry_after_s=none",
}
# A few answers of unknown cost, and refusals that leave their rows to the next run, stop nothing.
_FEW = dict.fromkeys(("usage_empty", "usage_zero", "usage_huge", "no_retry"), 0.01)

# Faults of the account, until a person acts: every request of a part of the run is refused.
ACCOUNT = (
    "400:message=Your credit balance is too low to access the Anthropic API.",
    "400:message=This organization has been disabled.",
    "402:",
    "401:",
    "spend_limit:",
    "own_spend_limit:",
)

# Faults of one row, for ever.
OF_ONE_ROW = ("400", "403", "404", "413")


@dataclass(frozen=True)
class Night:
    """The faults of one night, for the simulator; ``lost`` are the rows that can never succeed."""

    faults: tuple[str, ...]
    lost: frozenset[int]


def night(seed: int, rows: int, *, is_streamed: bool) -> Night:
    """Return the troubles of a night with ``rows`` rows.

    Every passing kind comes once, the account is in trouble twice, everything is down once, and a
    few rows are always refused.
    """
    random = Random(seed)
    lost = random.sample(range(rows), len(OF_ONE_ROW))
    faults = [f"{kind}:match=row {row:06} ends" for kind, row in zip(OF_ONE_ROW, lost, strict=True)]
    for account in random.sample(ACCOUNT, 2):
        window = _window(random, rows, rows // 10)
        faults.append(f"{account},times=3,{window}")
    faults.append(f"overloaded:retry_after_s=none,{_window(random, rows, min(60, rows // 20))}")
    for kind in random.sample(PASSING, len(PASSING)):
        if kind.startswith("stream_") and not is_streamed:
            continue
        rate = (RARE | _FEW).get(kind, random.choice((0.02, 0.1, 0.3)))
        window = _window(random, rows, max(40, rows // random.randint(10, 40)))
        faults.append(f"{kind}:rate={rate},attempts=1,{window}{_KEYS.get(kind, '')}")
    return Night(tuple(faults), frozenset(lost))


def _window(random: Random, rows: int, length: int) -> str:
    """Return the keys for ``length`` requests after the first answers of the run."""
    start = random.randint(30, max(31, rows - length))
    return f"after_n={start},first_n={length}"
