"""Checks the rules between keys of a job, such as keys that exclude each other."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath

from batcher.core.deadline import deadline_of
from batcher.core.job.job import Job
from batcher.core.job.known_keys import unknown_key
from batcher.core.job.mistake import Mistake
from batcher.core.job.parameters import PARAMETERS
from batcher.core.job.sections import SIMULATOR, RequestSection
from batcher.core.job.server import address_problem, header_mistakes
from batcher.errors import ConfigurationError

_PATHS = (
    ("job", "state"),
    ("input", "path"),
    ("request", "system_file"),
    ("request", "prompt_file"),
    ("labels", "schema"),
    ("output", "path"),
)
_ANY_START = datetime(2026, 1, 1, tzinfo=UTC)  # whether a deadline can be read depends on none
_WAYS = ("prompt", "prompt_file", "messages", "params")


def problems(job: Job) -> list[Mistake]:
    """Return all mistakes in the combination of a job's keys."""
    return [mistake for rule in _RULES for mistake in rule(job)]


def _prompt(job: Job) -> Iterator[Mistake]:
    set_keys = [name for name in _WAYS if getattr(job.request, name) is not None]
    is_whole = job.input.format == "messages-batch"
    ways = ['input.format = "messages-batch"'] * is_whole + [f"request.{name}" for name in set_keys]
    if not ways:
        message = "[request] has no prompt"
        yield Mistake(("request",), message, "set prompt, prompt_file, messages or params")
    adds_prompt = len(ways) == 2 and "messages" in set_keys and "params" not in set_keys
    if len(ways) > 1 and (is_whole or not adds_prompt):
        yield Mistake(
            ("request", set_keys[-1]),
            f"{' and '.join(ways)} exclude each other",
            "keep one of them",
        )
    if job.request.system is not None and job.request.system_file is not None:
        key = ("request", "system_file")
        yield Mistake(key, "request.system and request.system_file exclude each other")


def _labels(job: Job) -> Iterator[Mistake]:
    section = job.labels
    if section.schema is not None and section.fields is not None:
        yield Mistake(("labels", "fields"), "labels.schema and labels.fields exclude each other")
    if not section.is_set:
        for name in ("gold", "gold_field"):
            if getattr(section, name) is not None:
                message = f"labels.{name} has no effect without labels.schema or labels.fields"
                yield Mistake(("labels", name), message)
        return
    key = ("labels", "fields" if section.schema is None else "schema")
    if job.input.format == "messages-batch" or job.request.params is not None:
        yield Mistake(key, "[labels] cannot be used when each row is a whole request")
    config = job.request.parameters.get("output_config")
    if isinstance(config, dict) and config.get("format") is not None:
        message = "request.output_config.format and [labels] exclude each other"
        yield Mistake(("request", "output_config"), message, "keep [labels]")


def _whole_requests(job: Job) -> Iterator[Mistake]:
    request = job.request
    if job.input.format == "messages-batch":
        source = 'input.format = "messages-batch"'
    elif request.params is not None:
        source = "request.params"
    else:
        for name in ("model", "max_tokens"):
            if getattr(request, name) is None:
                yield Mistake(("request", name), f"request.{name} is missing")
        return
    for name in sorted(request.model_fields_set - {"samples", *_WAYS}):
        if name in RequestSection.model_fields or name in PARAMETERS:
            message = f"request.{name} has no effect with {source}"
            yield Mistake(("request", name), message, "remove it: each row is a whole request")
    if job.input.format == "messages-batch" and job.input.id is not None:
        hint = "remove it: custom_id is the id"
        yield Mistake(("input", "id"), f"input.id has no effect with {source}", hint)


def _attached(job: Job) -> Iterator[Mistake]:
    request = job.request
    if request.messages is None or request.prompt is not None or request.prompt_file is not None:
        return
    for name in ("images", "documents", "text_documents"):
        if getattr(request, name):
            yield Mistake(
                ("request", name),
                f"request.{name} has no effect with request.messages alone",
                "put them into the messages, or add a prompt",
            )


def _too_long(job: Job) -> Iterator[Mistake]:
    request = job.request
    has_prompt = request.prompt is not None or request.prompt_file is not None
    if job.input.on_too_long == "truncate" and not has_prompt:
        message = 'input.on_too_long = "truncate" has no effect without a prompt'
        hint = "remove it: conversations and whole requests are not cut"
        yield Mistake(("input", "on_too_long"), message, hint)


def _parameters(job: Job) -> Iterator[Mistake]:
    for name in job.request.parameters:
        if name not in PARAMETERS:
            yield unknown_key(("request", name))


def _system_blocks(job: Job) -> Iterator[Mistake]:
    if not isinstance(job.request.system, list):
        return
    if not job.request.system or not all(
        block.get("type") == "text" and isinstance(block.get("text"), str) and block["text"]
        for block in job.request.system
    ):
        message = "request.system must be text or text blocks"
        hint = 'write each block as { type = "text", text = "..." }'
        yield Mistake(("request", "system"), message, hint)


def _output(job: Job) -> Iterator[Mistake]:
    path = job.output.path
    key = ("output", "path")
    if path is not None and "://" in path:
        yield Mistake(key, "output.path must be a file or folder on this machine")
        return
    suffix = ".parquet" if path is None else PurePosixPath(path.replace("\\", "/")).suffix
    if suffix not in {"", ".parquet"}:
        hint = "a name that ends in .parquet is one file; a name without a dot is a folder of files"
        yield Mistake(key, f"output.path must not end in {suffix}: the output is Parquet", hint)
    elif suffix and "rows_per_file" in job.output.model_fields_set:
        yield Mistake(
            ("output", "rows_per_file"),
            "output.rows_per_file needs output.path to be a folder",
            'name a folder, such as path = "out", or remove rows_per_file',
        )


def _paths(job: Job) -> Iterator[Mistake]:
    """Refuse paths that no file system accepts; names keep space for the suffixes of batcher."""
    for section, name in _PATHS:
        path = getattr(getattr(job, section), name) or ""
        key = f"{section}.{name}"
        parts = PurePosixPath(path).parts
        if "\0" in path:
            yield Mistake((section, name), f"{key} contains a NUL character")
        elif max((len(part.encode("utf-8", "surrogatepass")) for part in parts), default=0) > 220:
            yield Mistake((section, name), f"{key} has a name of more than 220 bytes")


def _server(job: Job) -> Iterator[Mistake]:
    api, problem = job.api, None
    if api.base_url != SIMULATOR:
        problem = address_problem(api.base_url, allow_http=api.allow_http)
    if problem is not None:
        hint = f'set an address such as "https://api.anthropic.com", or "{SIMULATOR}"'
        yield Mistake(("api", "base_url"), f"api.base_url {problem}", hint)
    yield from header_mistakes(api.headers)


def _cache(job: Job) -> Iterator[Mistake]:
    if job.cache.mode == "off" and job.cache.ttl is not None:
        message = 'cache.ttl has no effect with cache.mode = "off"'
        yield Mistake(("cache", "ttl"), message)


def _delivery(job: Job) -> Iterator[Mistake]:
    section, key = job.delivery, ("delivery", "deadline")
    if section.mode == "auto" and section.deadline is None:
        hint = 'set a time of day such as "07:00", or a duration such as "5h"'
        yield Mistake(key, 'delivery.mode = "auto" needs delivery.deadline', hint)
    if section.deadline is None:
        return
    if section.mode != "auto":
        message = f'delivery.deadline has no effect with delivery.mode = "{section.mode}"'
        yield Mistake(key, message, 'set mode = "auto", or remove the deadline')
    try:
        deadline_of(section.deadline, _ANY_START, UTC)
    except ConfigurationError as error:
        yield Mistake(key, f"delivery.deadline: {error.message}", error.hint)


def _notify(job: Job) -> Iterator[Mistake]:
    notify = job.notify
    if notify.model_fields_set and notify.webhook_env is None and notify.command is None:
        message = "[notify] has neither webhook_env nor command"
        yield Mistake(("notify",), message, "set one of them, or remove [notify]")
    elif notify.token_env is not None and notify.webhook_env is None:
        message = "notify.token_env has no effect without notify.webhook_env"
        yield Mistake(("notify", "token_env"), message)


_RULES: tuple[Callable[[Job], Iterator[Mistake]], ...] = (
    *(_prompt, _whole_requests, _labels, _attached, _too_long, _parameters, _system_blocks),
    *(_output, _paths, _server, _cache, _delivery, _notify),
)
