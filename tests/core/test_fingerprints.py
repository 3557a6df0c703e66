"""The fingerprints of complete jobs never change: a changed one is paid for again."""

from collections.abc import Mapping
from typing import Any

import pytest

from batcher.core.job import Job
from batcher.core.request.attachment import Attachment
from batcher.core.request.build import Request, RequestBuilder
from batcher.core.request.canonical import canonical_json
from batcher.core.template.template import Template

IMAGE = Attachment("image/png", b"\x89PNG")
TEXT = 'Gr\u00fc\u00dfe "quoted" \\ \u2028 \U0001f600\n'
TURN = {"role": "user", "content": TEXT}
SCHEMA = {"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "number"}}}
TOOL = {"name": "t", "input_schema": SCHEMA}
JOBS: dict[str, Mapping[str, Any]] = {
    "prompt": {"prompt": "Say: {{ c }}"},
    "system": {"prompt": "{{ c }}", "system": "Be {{ how }}.", "temperature": 0.5, "top_k": 3},
    "blocks": {"prompt": "{{ c }}", "system": [{"type": "text", "text": "{{ c }}"}]},
    "tools": {"prompt": "{{ c }}", "tools": [TOOL], "tool_choice": {"type": "auto"}},
    "image": {"prompt": "{{ c }}", "images": ["picture"]},
    "messages": {"messages": "turns", "stop_sequences": ["\u00e9"]},
    "params": {"params": "whole"},
}
FINGERPRINTS = {
    "prompt": "57dcc5d7926ff24b52562fee7318a851",
    "system": "9dfc733920c9f8cc554605127df3d1d7",
    "blocks": "88d47eface24ea48b656edae31241546",
    "tools": "a1068b2468781388eee0dfc978934c0a",
    "image": "deec001b198b13339487875b3e5c8026",
    "messages": "f7238d93c9ebd857b32c7f0bb975f7e7",
    "params": "28d413916be015f496243fdb9eae50dd",
}


def build(keys: Mapping[str, Any]) -> Request:
    """Build the request of a row of a job with three samples."""
    settings = {} if "params" in keys else {"model": "claude-haiku-5-5", "max_tokens": 64}
    job = Job.model_validate(
        {"input": {"path": "x"}, "request": {**settings, "samples": 3, **keys}}
    )
    system, prompt = job.request.system, job.request.prompt
    builder = RequestBuilder(
        job,
        system=Template(system, "s") if isinstance(system, str) else system,
        prompt=None if prompt is None else Template(prompt, "p"),
    )
    row = {
        "c": TEXT,
        "how": "kind",
        "turns": [TURN, {"role": "assistant", "content": "{"}],
        "whole": {"model": "m", "max_tokens": 1, "messages": [TURN], "tools": [TOOL]},
    }
    request = builder.build(row, [IMAGE] if "images" in keys else [])
    assert isinstance(request, Request), request
    return request


@pytest.mark.parametrize("job", JOBS)
def test_the_fingerprints_never_change(job: str) -> None:
    """Recorded responses must be found again by every later version."""
    assert build(JOBS[job]).fingerprints[2].hex() == FINGERPRINTS[job]


@pytest.mark.parametrize("job", JOBS)
def test_the_bytes_are_canonical(job: str) -> None:
    """The bytes of a request are the canonical JSON of its fields, for every kind of job."""
    request = build(JOBS[job])
    assert request.body == canonical_json(request.fields)
