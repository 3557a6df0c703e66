"""Valid and invalid values of job files, environments and folders."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

Edit = tuple[str, Any]
"""A dotted key of the job file, ``env.NAME``, ``disk.PATH`` or ``flag.NAME``, and its value."""

MOST, HUGE = 10**12, 10**400
TOOL = {"name": "t", "input_schema": {"type": "object"}}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
MESSAGE = {"role": "user", "content": "hello"}
PARAMS = {"model": "claude-haiku-5-5", "max_tokens": 5, "messages": [MESSAGE]}
LARGE = {**PARAMS, "model": "unknown", "max_tokens": 10**30}
ROW = {"text": "one", "talk": [MESSAGE], "params": PARAMS, "gold": "x"}
ROWS = [{"id": "a", "n": 1, **ROW}, {"id": "b", "n": 2, **ROW, "text": "two", "gold": "no"}]
PLAIN: Mapping[str, Any] = {
    "input.path": "rows.jsonl",
    "request.model": "claude-haiku-5-5",
    "request.max_tokens": 50,
    "request.prompt": "{{ text }}",
    # These tests do not retry attempts or wait for them.
    "retry.attempts": 2,
    "retry.max_wait_s": Decimal("0.01"),
    "retry.patience_s": Decimal("0.5"),
    "env.ANTHROPIC_API_KEY": "test-key",
}
NO_REQUEST = dict.fromkeys(("request.prompt", "request.model", "request.max_tokens"))
KINDS: list[Mapping[str, Any]] = [
    {},
    {"input.path": "rows.parquet", "input.id": "id"},
    {"request.prompt": None, "request.messages": "talk"},
    {**NO_REQUEST, "request.params": "params"},
    {**NO_REQUEST, "input.path": "calls.jsonl", "input.format": "messages-batch"},
    {"input.path": "pages", "request.images": ["file"], "request.prompt": "What is this?"},
    {"labels.fields": "label: x|y, sure float", "labels.gold": "gold"},
]
"""What a job may be about, as changes of ``PLAIN``."""

FITTING: Mapping[str, list[Any]] = {
    "job.name": ["n", "a.b", "x" * 100],
    "job.state": ["", ".", "..", "state", "out", "out/state", "../elsewhere", "folder"],
    "input.path": ["rows.parquet", "folder", "*.jsonl", "bad.jsonl", "twice.jsonl", "large.jsonl"],
    "input.id": ["id", "text", "n"],
    "input.where": ["text == 'one'", "n > 1"],
    "input.sample": [1, Decimal("0.5")],
    "input.seed": [-1, MOST, HUGE],
    "input.limit": [1, MOST],
    "input.on_bad_row": ["record", "stop"],
    "input.on_empty": ["skip", "send"],
    "input.max_prompt_tokens": [20, MOST],
    "input.on_too_long": ["fail", "truncate"],
    "request.model": ["claude-opus-5-5", "claude-haiku-4-5", "unknown"],
    "request.max_tokens": [1, 5, 64_000, MOST],
    "request.system": ["Be brief.", "{{ text }}", [{"type": "text", "text": "x"}]],
    "request.system_file": ["system.txt"],
    "request.prompt": ["{{ row }}", "", "fixed", "{{ text }}{{ n }}"],
    "request.images": [["image"]],
    "request.text_documents": [["text"], ["text", "text"]],
    "request.samples": [2, 100],
    "request.on_change": ["ask", "redo", "keep"],
    "request.thinking": [{"type": "adaptive"}],
    "request.tools": [[TOOL], [SEARCH], [{**SEARCH, "max_uses": 2}], [], "t"],
    "request.tool_choice": [{"type": "auto"}],
    "request.stop_sequences": [["end"], [""], "end"],
    "request.metadata": [{"user_id": "u"}],
    "request.output_config": [{"effort": "low"}],
    "request.cache_control": [{"type": "ephemeral"}],
    "labels.fields": ["label: x|y", "status text", "label"],
    "labels.schema": ["schema.json"],
    "labels.via": ["auto", "format", "tool", "text"],
    "labels.on_invalid": ["retry", "keep", "fail"],
    "labels.repairs": [0, 10],
    "labels.gold": ["gold", "text"],
    "labels.gold_field": ["label"],
    "output.path": ["out", "out.parquet", "a/b/out.parquet", "folder/out.parquet", "state", "runs",
                    "runs/job/out.parquet", ".parquet", "rows.parquet", "x" * 212 + ".parquet"],
    "output.keep": [["text"], [], ["text", "text"], ["id", "n"]],
    "output.prefix": ["b_", "_", "te"],
    "output.rows_per_file": [1, MOST],
    "output.keep_text": [False],
    "limits.concurrency": [1, 10_000],
    "limits.requests_per_minute": [10_000, MOST],
    "limits.input_tokens_per_minute": [10**7, MOST],
    "limits.output_tokens_per_minute": [10**7, MOST],
    "limits.timeout_s": [5, Decimal("1e400"), HUGE],
    "limits.max_failed": [1, Decimal("0.5"), Decimal("1e-9999999")],
    "retry.attempts": [1, MOST],
    "retry.max_wait_s": [Decimal("1e-400"), Decimal("1e400")],
    "retry.patience_s": [Decimal("1e400")],
    "retry.unknown_attempts": [1, 255, MOST],
    "budget.max_cost_usd": [Decimal("1e-18"), Decimal("0.001"), 100, MOST - 1],
    "budget.per": ["job", "day"],
    "budget.confirm_above_usd": [0, HUGE, Decimal("1e9999999")],
    "cache.mode": ["auto", "off"],
    "cache.ttl": ["5m", "1h"],
    "api.base_url": ["https://api.example/v1/", "http://127.0.0.1:9", "https://xn--a.example",
                     "simulator"],
    "api.version": ["2023-06-01"],
    "api.key_env": ["OTHER_KEY"],
    "api.key_command": ["echo k"],
    "api.auth": ["x-api-key", "bearer", "none"],
    "api.headers": [{"anthropic-beta": "b"}, {"accept": "*/*"}],
    "api.stream": [True],
    "api.idle_timeout_s": [1, Decimal("1e400")],
    "prices.overrides": [{"unknown": {"input": 1, "output": 2}},
                         {"claude-haiku-5-5": {"input": 0, "output": 0}},
                         {"unknown": {"input": 10**6, "output": 10**6, "cache_read": 10**6}},
                         {"": {"input": Decimal("1e-8"), "output": 1}}],
    "prices.as_of": [date(2026, 11, 22)],
    "prices.free_usage_fields": [["x"], ["input_tokens"]],
    "notify.on": [["finish"], []],
    "notify.webhook_env": ["HOOK", "UNSET"],
    "notify.token_env": ["TOKEN", "UNSET"],
    "notify.command": ["true", "false", "'", "none-such"],
    "env.ANTHROPIC_API_KEY": ["key\n"],
    "env.OTHER_KEY": ["k"],
    "env.HOOK": ["https://hooks.example/x?y=z", "http://hooks.example", "https://h:99999/x"],
    "env.TOKEN": ["t", "two words"],
    "env.HTTPS_PROXY": ["proxy.example:3128", "http://u:p@proxy.example"],
    "env.NO_PROXY": ["*"],
    "disk.out": ["folder", "output"],
    "disk.out.parquet": ["file"],
    "disk.job.out.parquet": ["file"],
    "disk.state": ["folder"],
    "disk.runs/job": ["folder"],
    "flag.--simulate": [True],
}  # fmt: skip
"""Values that a job may have, at least beside some others."""

ODD: Mapping[str, list[Any]] = {
    "job.name": ["a/b", ""],
    "job.state": ["rows.jsonl", "rows.jsonl/x", "s\0", "x" * 300],
    "input.path": ["none.jsonl", "empty.jsonl", "broken.jsonl", "calls.jsonl", "rows.csv", "pages",
                   "s3://b/rows.jsonl", "", "r\0.jsonl", "[", "~/rows.jsonl"],
    "input.format": ["messages-batch", "csv"],
    "input.id": ["none", "talk", ""],
    "input.where": ["text == 'none'", "none > 1", "{{", "1 / 0", "text.x.y"],
    "input.sample": [Decimal("0.000001"), Decimal("1e-9999999"), 0],
    "input.limit": [HUGE, 0],
    "input.max_prompt_tokens": [1, HUGE],
    "request.model": ["claude-3-opus-20240229", "unknown", None],
    "request.max_tokens": [10**7, 2**63, HUGE, None],
    "request.system": ["{{ none }}", "{{", [{"type": "image"}], []],
    "request.system_file": ["latin.txt", "none.txt"],
    "request.prompt": ["{{ none }}", "{{ text", "{{ text.x }}", None],
    "request.prompt_file": ["system.txt", "latin.txt", "none.txt", "folder"],
    "request.messages": ["text", "none"],
    "request.params": ["text", "none"],
    "request.images": [["text"], ["none"]],
    "request.documents": [["text"], ["none"]],
    "request.text_documents": [["none"]],
    "request.samples": [101],
    "request.temperature": [Decimal("0.5"), 5, "warm"],
    "request.thinking": [{"type": "enabled", "budget_tokens": 1024}, "on"],
    "request.tool_choice": [{"type": "tool"}],
    "request.metadata": [{"user": "u"}],
    "request.service_tier": ["batch"],
    "request.output_config": [{"effort": "odd"}, {"format": {"type": "json_schema"}}],
    "request.cache_control": [{"type": "ephemeral", "ttl": "9h"}],
    "request.speed": ["fast"],
    "request.mcp_servers": [[]],
    "request.stream": [True],
    "labels.fields": ["Text text", ""],
    "labels.schema": ["wrong.json", "none.json", "deep.json"],
    "labels.gold": ["none"],
    "labels.gold_field": ["none"],
    "output.path": ["rows.jsonl/out", "rows.jsonl", ".", "..", "/", "", "out.csv", "folder",
                    "runs/job", "x" * 240 + ".parquet", "x" * 300, "o\0.parquet", "s3://b/out"],
    "output.keep": [["none"], ["image"]],
    "output.prefix": ["1"],
    "limits.concurrency": [10_001],
    "limits.requests_per_minute": [HUGE],
    "limits.timeout_s": [0],
    "retry.attempts": [HUGE],
    "retry.unknown_attempts": [2**64],
    "budget.max_cost_usd": [MOST, HUGE, 0],
    "api.base_url": ["http://api.example", "https://b\u00fccher.example", "https://h:99999", "h",
                     "https://u@h"],
    "api.version": ["2020-01-01"],
    "api.key_env": ["OTHER_KEY", "1"],
    "api.key_command": ["echo a b", "false", "'", " ", "none-such", "echo \0"],
    "api.headers": [{"transfer-encoding": "chunked"}, {"X-A": "1", "x-a": "2"}, {"x-a": "1 "},
                    {"a b": "c"}, {"x-a": "\n"}, {"cookie": "c"}],
    "api.idle_timeout_s": [0],
    "prices.overrides": [{"unknown": {"input": HUGE, "output": 0}},
                         {"unknown": {"input": -1, "output": 1}}],
    "env.ANTHROPIC_API_KEY": [None, "", " ", "two words", "k" * 8193, "\u00fc"],
    "env.HTTPS_PROXY": ["socks5://p", "http://", "p:99999"],
    "env.SSL_CERT_FILE": ["/none.pem"],
    "disk.out": ["file", "foreign"],
    "disk.out.parquet": ["folder", "link"],
    "disk.job.out.parquet": ["folder", "link", "dangling"],
    "disk.state": ["file", "link"],
    "disk.runs": ["file"],
    "disk.runs/job": ["file", "locked", "damaged"],
}  # fmt: skip
"""Values that no job may have, or hardly any."""


def _edits(values: Mapping[str, list[Any]]) -> st.SearchStrategy[Edit]:
    return st.sampled_from(sorted(values)).flatmap(
        lambda key: st.tuples(st.just(key), st.sampled_from(values[key]))
    )


changes = st.builds(
    lambda fitting, odd: [*fitting, *odd],
    st.lists(_edits(FITTING), max_size=6),
    st.lists(_edits(ODD), max_size=1) | st.just([]),
)
"""A few things about a job that are changed."""
