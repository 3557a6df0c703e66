"""The same with curator, a peer that keeps what it has got in files of its own."""

import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

# litellm brings the tokenizer's file that tiktoken would load from the network.
LITELLM = Path(str((importlib.util.find_spec("litellm") or sys.exit("no litellm")).origin)).parent
os.environ |= {
    "TELEMETRY_ENABLED": "false",
    "CURATOR_VIEWER": "0",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "TIKTOKEN_CACHE_DIR": str(LITELLM / "litellm_core_utils" / "tokenizers"),
}
from bespokelabs import curator  # noqa: E402 - reads the environment
from rows import MAX_TOKENS, MODEL, Task, messages_of  # noqa: E402

NO_LIMIT = 1_000_000_000


class Labels(curator.LLM):
    """Asks what a row asks, and keeps the text of the answer."""

    def prompt(self, row: dict[str, Any]) -> list[dict[str, str]]:
        """Return the messages of a row."""
        return messages_of(row)

    def parse(self, row: dict[str, Any], response: str) -> dict[str, str]:
        """Return the row of the output."""
        return {"id": row["id"], "answer": response}


def main(folder: str) -> None:
    """Send every row."""
    task = Task.of_command_line()
    model = Labels(
        model_name=MODEL,
        backend="anthropic",
        backend_params={
            "base_url": f"{task.url}/v1",
            "api_key": "key",
            "max_concurrent_requests": task.concurrency,
            "max_requests_per_minute": NO_LIMIT,
            "max_input_tokens_per_minute": NO_LIMIT,
            "max_output_tokens_per_minute": NO_LIMIT,
            "in_mtok_cost": 1,
            "out_mtok_cost": 5,
        },
        generation_params={"max_tokens": MAX_TOKENS},
    )
    answers = model(list(task.read()), working_dir=folder)
    rows = getattr(answers, "dataset", answers)
    with open(task.out, "w", encoding="utf-8") as out:  # noqa: PTH123 - as a script would
        out.writelines(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["HF_HOME"] = temporary
        main(temporary)
