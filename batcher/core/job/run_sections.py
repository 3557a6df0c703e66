"""The sections about how a run proceeds and ends: delivery, limits, retry, cache, notify."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from batcher.core.delivery import Mode
from batcher.core.job.section import EXACT, Count, Positive, Section, Share
from batcher.core.usage_fields import TTL


class DeliverySection(Section):
    """[delivery]: live, in batches at half the price, or both by a deadline."""

    mode: Mode = Field(
        "live",
        description="live: each request is sent on its own and answered at once. batch: all "
        "requests travel in Message Batches, which cost half and may take up to 24 hours. auto: "
        "in batches what is likely to be done by the deadline, the rest live; needs deadline and "
        "allow_batch.",
    )
    deadline: str | None = Field(
        None,
        description='When auto has to be done: a time of day such as "07:00", the next one in '
        'budget.time_zone, or a duration from the start of the run such as "5h".',
    )
    allow_batch: bool = Field(
        False,
        description="Whether auto may send batches. Batches are not covered by "
        "zero-data-retention agreements, and their results stay at the API for 29 days. Without "
        "this key, the first run on a terminal asks. The mode batch needs no permission.",
    )
    batch_rows: Annotated[int, Field(ge=1, le=100_000)] = Field(
        10_000,
        description="The most requests in one batch. The API shows nothing of a batch before all "
        "of it has ended: smaller batches give answers sooner, larger ones need fewer requests.",
    )
    poll_s: Annotated[Decimal, Field(gt=0, le=3600), EXACT] = Field(
        Decimal(60),
        description="How long a run waits at most, in seconds, before it looks at its batches "
        "again.",
    )
    listed_after_s: Annotated[Decimal, Field(ge=0, le=3600), EXACT] = Field(
        Decimal(60),
        description="How long a new batch may be missing from the API's list, in seconds. A batch "
        "whose create call left no answer was not created if two listings this far apart lack it.",
    )


class LimitsSection(Section):
    """[limits]: how fast requests are sent, how long one takes, how many rows may fail."""

    concurrency: Annotated[int, Field(ge=1, le=10_000)] = Field(
        256,
        description="The most requests in flight at once. batcher starts with one and finds the "
        "number that the API accepts.",
    )
    requests_per_minute: Count | None = Field(
        None,
        description="The most requests a minute, as a limit of your own below the API's. Default: "
        "only the API's limit.",
    )
    input_tokens_per_minute: Count | None = Field(
        None,
        description="The most input tokens a minute, cache reads not counted, as a limit of your "
        "own. Default: only the API's limit.",
    )
    output_tokens_per_minute: Count | None = Field(
        None,
        description="The most output tokens a minute, as a limit of your own. Default: only the "
        "API's limit.",
    )
    timeout_s: Positive = Field(
        Decimal(600),
        description="The longest time for one attempt, in seconds, from connecting to the last "
        "byte of the response. An attempt that takes longer fails, may be billed, and is retried.",
    )
    max_failed: Share = Field(
        Decimal(0),
        description="The share of rows that may fail (0.01 is one in a hundred). A finished run "
        "with more failed rows exits 3, otherwise 0. A share above 0 is a ceiling, too: more bad "
        "rows in the input are an error before anything is sent, and a run stops with exit 3 as "
        "soon as the share can no longer be met. With 1, no answer is a reason to stop.",
    )


class RetrySection(Section):
    """[retry]: what happens after a transient error."""

    attempts: Count = Field(
        20,
        description="How many failed attempts a request may have in one run before its row fails. "
        "Attempts that the API refuses because of a rate limit do not count.",
    )
    max_wait_s: Positive = Field(
        Decimal(60),
        description="The longest wait between two attempts of a request, in seconds. When the API "
        "names a longer one (retry-after), that one applies.",
    )
    patience_s: Positive = Field(
        Decimal(600),
        description="How long a run goes on, in seconds, while every attempt fails; then it exits "
        "5. Run the same command later to continue.",
    )
    unknown_attempts: Count = Field(
        3,
        description="How many attempts of a request, in all runs, may end with unknown billing "
        "status (killed, timed out, connection lost). After that the row is on hold until batcher "
        "retry sends it.",
    )


class CacheSection(Section):
    """[cache]: the API's prompt cache."""

    mode: Literal["auto", "off"] = Field(
        "auto",
        description="auto: a prefix that many requests share is marked for the cache where that "
        "costs less than plain input, and requests that share it are sent together. off: only the "
        "cache_control of your own requests is sent.",
    )
    ttl: TTL | None = Field(
        None,
        description="How long the API keeps an unused prefix. Default: 5m, and 1h for a prefix "
        "that was needed again after its 5 minutes had passed.",
    )


class NotifySection(Section):
    """[notify]: where to send a notice when a run has ended."""

    on: Annotated[tuple[Literal["finish", "failure", "budget"], ...], Field(strict=False)] = Field(
        ("finish", "failure", "budget"),
        description="Which endings to report. finish: exit 0 or 3. budget: exit 6. failure: every "
        "other exit code, except when a person or the system stopped the run (130, 143).",
    )
    webhook_env: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="The environment variable that holds the address of a webhook (Slack, "
        "Mattermost, Teams or your own); the notice is posted to it as JSON. The address is a "
        "secret and must not be in a job file.",
    )
    token_env: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="The environment variable that holds a token for the webhook, sent as "
        "Authorization: Bearer. Default: no token.",
    )
    command: str | None = Field(
        None,
        min_length=1,
        description="A command to run, without a shell and for at most 60 seconds; it gets the "
        "notice as JSON on its standard input.",
    )
