"""The sections about what is sent, where to, and what is written: input, request, output, api.

The descriptions of all sections are the reference of the job file: ``schemas/job.schema.json``
and the comments that ``batcher init`` writes come from them.
"""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from batcher.core.job.section import EXACT, Count, Names, Positive, Section


class InputSection(Section):
    """[input]: which rows the job has."""

    path: str = Field(
        min_length=1,
        description="The input: a file, a folder or a glob, relative to the job file. Files are "
        ".jsonl, .ndjson or .json with one object per line (also with .gz or .zst), or .parquet. "
        "In a folder of images, PDFs or .txt files each file is a row with one column, file; name "
        "it in request.images or request.documents. ~ at the start is the home folder.",
    )
    format: Literal["rows", "messages-batch"] = Field(
        "rows",
        description="What a row is. rows: columns for the prompt. messages-batch: a whole request, "
        "{custom_id, params}, as in a Message Batches request; JSONL only.",
    )
    id: str | None = Field(
        None,
        min_length=1,
        description="The column whose value names a row. A row with the id of an earlier, "
        "different row is a bad row. Default: a row is named by its number in the input, and an "
        "edited row counts as a new one.",
    )
    where: str | None = Field(
        None,
        min_length=1,
        description="Use only rows for which this template expression is true, such as "
        "\"section == 'games'\". Default: all rows.",
    )
    sample: Annotated[Decimal, Field(gt=0, le=1), EXACT] | None = Field(
        None,
        description="Use a random share of the rows (0.1 is one in ten) that seed determines. A "
        "row in the sample stays in it when the input grows. Default: all rows.",
    )
    seed: int = Field(0, description="The seed for sample: another seed gives another sample.")
    limit: Count | None = Field(
        None, description="Use only the first N rows, after where and sample. Default: no limit."
    )
    on_bad_row: Literal["record", "stop"] = Field(
        "record",
        description="What happens when a row cannot be read or gives no request. record: its "
        "output row has the reason, and the other rows are sent. stop: nothing is sent.",
    )
    on_empty: Literal["skip", "send"] = Field(
        "skip",
        description="What happens to a row whose prompt is blank, or whose prompt uses only blank "
        "columns: no value, or white space. skip: it is not sent, and its status is skipped. "
        "send: it is sent like any row; a column without a value is an empty text.",
    )
    allow_empty: bool = Field(
        True,
        description="Whether an input without rows, or of which where selects none, is a run with "
        "nothing to do. false: it is an error. Files must exist in any case.",
    )
    max_prompt_tokens: Count | None = Field(
        None,
        description="The longest prompt, in estimated tokens; on_too_long applies to longer ones. "
        "Default: what fits into the model's context. Some models have higher prices for long "
        "prompts: see batcher prices MODEL.",
    )
    on_too_long: Literal["fail", "truncate"] = Field(
        "fail",
        description="What happens to a row whose prompt is too long. fail: the row fails and is "
        "not sent; a prompt that may fit into the context is sent, and the API refuses it without "
        "charge when it does not. truncate: its longest columns are cut until the prompt fits by a "
        "cautious estimate.",
    )


class RequestSection(BaseModel):
    """[request]: the Messages request made from a row; other Messages parameters pass through."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    model: str | None = Field(
        None,
        min_length=1,
        description="The model's id. Required, unless each row is a whole request (see "
        "params and input.format).",
    )
    max_tokens: Count | None = Field(
        None,
        description="The most output tokens of one answer, thinking included; a longer answer is "
        "cut off there. Required, unless each row is a whole request.",
    )
    system: str | list[dict[str, Any]] | None = Field(
        None,
        description="The system prompt: a template over the row's columns, or an array of text "
        "blocks, sent unchanged. Default: none.",
    )
    system_file: str | None = Field(
        None,
        min_length=1,
        description="A file with the system prompt as a template; use it instead of system.",
    )
    prompt: str | None = Field(
        None,
        description='The user message: a template over the row\'s columns, such as "{{ text }}". '
        "Set one of prompt, prompt_file, messages and params.",
    )
    prompt_file: str | None = Field(
        None,
        min_length=1,
        description="A file with the prompt template; use it instead of prompt.",
    )
    messages: str | None = Field(
        None,
        min_length=1,
        description="The column with a conversation: an array of messages, or its JSON text. With "
        "prompt or prompt_file, the prompt is added as the last message.",
    )
    params: str | None = Field(
        None,
        min_length=1,
        description="The column with the whole request: an object, or its JSON text. No other key "
        "of this section but samples then applies.",
    )
    images: Names = Field(
        (),
        description="Columns with an image (JPEG, PNG, GIF or WebP): a path inside the input's "
        "folder, bytes, or a Hugging Face image struct, or a list of these. Images are sent before "
        "the prompt.",
    )
    documents: Names = Field(
        (),
        description="Columns with a document (a PDF, a scanned page or UTF-8 text): a path inside "
        "the input's folder, bytes, or a struct of both, or a list of these. Documents are sent "
        "before images.",
    )
    text_documents: Names = Field(
        (),
        description="Columns with a text, or a list of texts, that is sent as documents before the "
        "prompt. Rows with the same text share it in the prompt cache.",
    )
    samples: Annotated[int, Field(ge=1, le=100)] = Field(
        1,
        description="How many answers to request for each row; each is paid for and has its own "
        "output row.",
    )
    on_change: Literal["ask", "redo", "keep"] = Field(
        "ask",
        description="What happens to answered rows when the prompt, the model or another request "
        "parameter changes. ask: the run asks on a terminal, and without one sends nothing and "
        "exits 2. redo: they are sent again. keep: they keep their answers; only new and edited "
        "rows are sent.",
    )

    @property
    def parameters(self) -> dict[str, Any]:
        """The Messages parameters that are passed through unchanged."""
        return dict(self.__pydantic_extra__ or {})


class OutputSection(Section):
    """[output]: what is written, and where."""

    path: str | None = Field(
        None,
        min_length=1,
        description="Where the output is written, relative to the job file: a .parquet file, or a "
        "folder for several files. Default: <job name>.out.parquet beside the job file.",
    )
    keep: Names | None = Field(
        None,
        description="The input columns to copy to the output. Default: all columns but those named "
        "in request.messages and request.params, and images and documents that are not paths.",
    )
    prefix: str = Field(
        "_",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="The first characters of the names of batcher's own columns: _id, _status, "
        "_cost_usd and so on.",
    )
    rows_per_file: Count = Field(
        1_000_000, description="The most rows in one file, when path is a folder."
    )
    keep_text: bool = Field(
        True, description="Whether the output has the columns _text and _thinking."
    )


SIMULATOR = "simulator"
"""The ``base_url`` that stands for the embedded simulator."""


class ApiSection(Section):
    """[api]: the server that answers requests, and the key for it."""

    base_url: str = Field(
        "https://api.anthropic.com",
        description="The server's address, without /v1/messages; https, or http on this machine. "
        '"simulator" starts the embedded simulator.',
    )
    allow_http: bool = Field(
        False,
        description="Whether base_url may be http outside this machine, for a server in your own "
        "network: a private address (10.x, 172.16.x, 192.168.x, link-local), host.docker.internal "
        "or another host name. Prompts, answers and the key are then sent unencrypted. Public "
        "addresses stay refused.",
    )
    version: Literal["2026-10-21", "2023-06-01"] = Field(
        "2026-10-21", description="The value of the header anthropic-version."
    )
    key_env: str = Field(
        "ANTHROPIC_API_KEY",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="The environment variable that holds the API key. The key itself must not be "
        "in a job file.",
    )
    key_command: str | None = Field(
        None,
        min_length=1,
        description="A command that prints the API key, run without a shell, for at most 30 "
        "seconds; used instead of key_env.",
    )
    auth: Literal["x-api-key", "bearer", "none"] = Field(
        "x-api-key",
        description="How the key is sent. x-api-key: in that header. bearer: as Authorization: "
        "Bearer. none: not at all, for servers that need no key.",
    )
    headers: dict[str, str] = Field(
        default_factory=dict,
        description="More headers to send, such as anthropic-beta; headers that carry a key are "
        "refused.",
    )
    stream: bool = Field(
        False,
        description="Whether responses are streamed. The output is the same; with a prompt cache, "
        "requests with a shared prefix wait less.",
    )
    transport: Literal["auto", "httpx"] = Field(
        "auto",
        description="What carries live requests. auto: connections of our own, which take a "
        "fraction of the processor time, or httpx where the environment names a proxy. httpx: "
        "always httpx. Both report the same.",
    )
    idle_timeout_s: Positive = Field(
        Decimal(120),
        description="The longest silence inside a response, in seconds; after it the attempt "
        "fails. It starts with the first byte of the response: before, only limits.timeout_s "
        "applies. Streams send pings while the model thinks.",
    )
