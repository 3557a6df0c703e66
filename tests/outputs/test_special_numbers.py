"""An answer with NaN, which JSON does not have, never makes a line that cannot be read."""

import json

import pytest

from batcher.outputs.jsonl_output import _result

MESSAGE = b'{"type":"message","content":[],"score":%s,"usage":{"input_tokens":1,"output_tokens":1}}'


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"1e999", b"[-1e999]"])
def test_a_line_is_json(number: bytes) -> None:
    """The row has its error instead of the answer."""
    row = {
        "body": MESSAGE % number, "is_final": True, "http_status": 200, "request_id": "req",
        "error_type": "client.special_number", "error_message": "no", "status": "errored",
    }  # fmt: skip
    line = json.loads(_result(row), parse_constant=pytest.fail)
    assert line["error"]["error"]["type"] == "client.special_number"
    whole = json.loads(_result({**row, "body": MESSAGE % b"1"}))
    assert whole["message"]["score"] == 1
