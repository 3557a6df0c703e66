"""The sections of a job file and the defaults of every key.

The descriptions here are the reference: ``schemas/job.schema.json`` is generated from them.
"""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from batcher.core.usage_fields import TTL


def _exact(value: object) -> object:
    """Let a number be written without a fraction; a string is still no number."""
    return Decimal(value) if type(value) is int else value


EXACT = BeforeValidator(_exact)

Count = Annotated[int, Field(ge=1, le=10**12)]  # DuckDB and exact dollars hold more
Positive = Annotated[Decimal, Field(gt=0), EXACT]
Share = Annotated[Decimal, Field(ge=0, le=1), EXACT]
Names = Annotated[tuple[str, ...], Field(strict=False)]
"""An array of column names."""


class Section(BaseModel):
    """A frozen section that refuses keys it does not know and types it would have to guess."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class InputSection(Section):
    """[input]: which rows."""

    path: str = Field(
        min_length=1,
        description="A file, a folder or a glob (.jsonl, .jsonl.gz, .jsonl.zst, .parquet), "
        "relative to the job file. Images, PDFs and texts are rows themselves: their column file "
        "is what images or documents name.",
    )
    format: Literal["rows", "messages-batch"] = Field(
        "rows",
        description="rows: columns for the prompt. messages-batch: each row is "
        "{custom_id, params}, as in a Message Batches request.",
    )
    id: str | None = Field(
        None,
        min_length=1,
        description="The column that names a row; without it rows are named by their position.",
    )
    where: str | None = Field(
        None,
        min_length=1,
        description="Only rows for which this template expression is true, such as "
        "\"section == 'games'\".",
    )
    sample: Annotated[Decimal, Field(gt=0, le=1), EXACT] | None = Field(
        None,
        description="Only this share of the rows, chosen by the seed; a row stays chosen when "
        "the input grows.",
    )
    seed: int = Field(0, description="The seed of the sample.")
    limit: Count | None = Field(
        None, description="Only the first so many rows, after where and sample."
    )
    on_bad_row: Literal["record", "stop"] = Field(
        "record",
        description="record: a bad row gets an output row that says why. stop: nothing is sent "
        "while there is one.",
    )
    on_empty: Literal["skip", "send"] = Field(
        "skip",
        description="What to do with a row whose prompt is blank, or is about blank columns only.",
    )
    max_prompt_tokens: Count | None = Field(
        None,
        description="The most tokens that a prompt may have, as estimated; default what the "
        "model's context holds. Long prompts may cost more a token: see batcher prices MODEL.",
    )
    on_too_long: Literal["fail", "truncate"] = Field(
        "fail",
        description="What becomes of a row whose prompt is too long. fail: it has failed; what may "
        "fit is sent, and not billed when it does not. truncate: its longest columns are cut until "
        "it fits, by an estimate on the safe side.",
    )


class RequestSection(BaseModel):
    """[request]: the Messages request made from a row; other Messages parameters pass through."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    model: str | None = Field(
        None,
        min_length=1,
        description='The model; required unless params or format = "messages-batch" names it.',
    )
    max_tokens: Count | None = Field(
        None,
        description="The most tokens an answer may have, thinking included; required likewise.",
    )
    system: str | list[dict[str, Any]] | None = Field(
        None, description="The system prompt: a template, or text blocks."
    )
    system_file: str | None = Field(
        None, min_length=1, description="A file holding the system prompt, a template."
    )
    prompt: str | None = Field(
        None,
        description='The user message: a template over the row\'s columns, such as "{{ text }}".',
    )
    prompt_file: str | None = Field(
        None, min_length=1, description="A file holding the prompt template."
    )
    messages: str | None = Field(
        None,
        min_length=1,
        description="The column that holds the conversation, a messages array; a prompt beside it "
        "is asked at its end.",
    )
    params: str | None = Field(
        None, min_length=1, description="The column that holds the whole request."
    )
    images: Names = Field(
        (),
        description="Columns that hold an image: a path inside the input's folder, bytes, or a "
        "Hugging Face image struct.",
    )
    documents: Names = Field(
        (),
        description="Columns that hold a document, sent before images and prompt: a PDF, a scanned "
        "page or a text in UTF-8, as a path inside the input's folder, bytes, or a struct of both.",
    )
    text_documents: Names = Field(
        (),
        description="Columns whose text is sent as a document of its own before the prompt, so "
        "that rows which ask about the same text share it in the prompt cache.",
    )
    samples: Annotated[int, Field(ge=1, le=100)] = Field(
        1, description="How many answers to ask for each row."
    )
    on_change: Literal["ask", "redo", "keep"] = Field(
        "ask",
        description="What becomes of rows that have an answer when the prompt, the model or a "
        "parameter changes. ask: a run asks on a terminal and refuses without one. redo: they are "
        "asked again. keep: they keep their answers, and only new and edited rows ask the new way.",
    )

    @property
    def parameters(self) -> dict[str, Any]:
        """The Messages parameters that are passed through as they are."""
        return dict(self.__pydantic_extra__ or {})


class OutputSection(Section):
    """[output]: what is written, and where."""

    path: str | None = Field(
        None,
        min_length=1,
        description="A .parquet file, or a folder for several; default <job name>.out.parquet "
        "beside the job file.",
    )
    keep: Names | None = Field(
        None,
        description="The input columns to keep; default all but messages, params, and images and "
        "documents that are no paths.",
    )
    prefix: str = Field(
        "_",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="What the bookkeeping columns start with.",
    )
    rows_per_file: Count = Field(1_000_000, description="Rows in each file when path is a folder.")
    keep_text: bool = Field(
        True, description="Whether the answer's text and thinking are columns of the output."
    )


class LimitsSection(Section):
    """[limits]: how fast, how long, and how many failures are all right."""

    concurrency: Annotated[int, Field(ge=1, le=10_000)] = Field(
        256,
        description="The most requests in flight at once; how many there are is found by itself.",
    )
    requests_per_minute: Count | None = Field(None, description="A limit of our own on requests.")
    input_tokens_per_minute: Count | None = Field(
        None, description="A limit of our own on uncached input tokens."
    )
    output_tokens_per_minute: Count | None = Field(
        None, description="A limit of our own on output tokens."
    )
    timeout_s: Positive = Field(Decimal(600), description="The most seconds one attempt may take.")
    max_failed: Share = Field(
        Decimal(0),
        description="The share of failed rows up to which a finished run exits 0 instead of 3.",
    )


class RetrySection(Section):
    """[retry]: what happens to an attempt that failed in passing."""

    attempts: Count = Field(
        20,
        description="The most attempts a request gets in one run; waits for a rate limit do not "
        "count.",
    )
    max_wait_s: Positive = Field(
        Decimal(60),
        description="The longest backoff between two attempts; retry-after is obeyed beyond it.",
    )
    patience_s: Positive = Field(
        Decimal(600),
        description="How long to go on when nothing but failures comes back, before exit 5.",
    )
    unknown_attempts: Count = Field(
        3,
        description="How many attempts of one request may end unknown (and perhaps billed) "
        "before it is no longer sent.",
    )


class CacheSection(Section):
    """[cache]: the API's prompt cache."""

    mode: Literal["auto", "off"] = Field(
        "auto",
        description="auto: what many requests begin with is marked where that pays, and they are "
        "sent together. off: only marks of your own are sent.",
    )
    ttl: TTL | None = Field(
        None, description="How long it keeps what is not used; default 5m, 1h where that is short."
    )


SIMULATOR = "simulator"
"""The ``base_url`` that stands for the embedded simulator."""


class ApiSection(Section):
    """[api]: where requests go and as whom."""

    base_url: str = Field(
        "https://api.anthropic.com",
        description='The server; "simulator" starts the embedded one.',
    )
    version: Literal["2026-10-21", "2023-06-01"] = Field(
        "2026-10-21", description="The anthropic-version header."
    )
    key_env: str = Field(
        "ANTHROPIC_API_KEY",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="The environment variable that holds the key.",
    )
    key_command: str | None = Field(
        None, min_length=1, description="A command that prints the key; used instead of key_env."
    )
    auth: Literal["x-api-key", "bearer", "none"] = Field(
        "x-api-key", description="How the key is sent; none for a server that wants no key."
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="Further headers, such as anthropic-beta; never a key."
    )
    stream: bool = Field(False, description="Whether answers are streamed; the result is the same.")
    idle_timeout_s: Positive = Field(
        Decimal(120),
        description="The most seconds without a byte once an answer has begun. A stream that "
        "thinks for minutes still sends pings; before an answer begins only limits.timeout_s "
        "counts.",
    )


class NotifySection(Section):
    """[notify]: who is told when a run has ended."""

    on: Annotated[tuple[Literal["finish", "failure", "budget"], ...], Field(strict=False)] = Field(
        ("finish", "failure", "budget"),
        description="What is told. finish: exit 0 or 3. budget: exit 6. failure: every other "
        "ending, unless somebody stopped the run.",
    )
    webhook_env: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="The environment variable that holds the address to post to, as for Slack, "
        "Mattermost or Teams; such an address is a secret.",
    )
    token_env: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="The environment variable that holds a token, sent as Authorization: Bearer.",
    )
    command: str | None = Field(
        None,
        min_length=1,
        description="A command line, run without a shell; it reads the notice as JSON from its "
        "standard input.",
    )
