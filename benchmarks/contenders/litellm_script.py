"""The same script with litellm, which many pipelines use below."""

import asyncio
import json
import os
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm
from rows import MAX_TOKENS, MODEL, Task, messages_of


async def main() -> None:
    """Send every row; as many at once as the semaphore lets through."""
    task = Task.of_command_line()
    semaphore = asyncio.Semaphore(task.concurrency)
    with open(task.out, "w", encoding="utf-8") as out:  # noqa: ASYNC230, PTH123 - as a script would

        async def label(row: dict[str, Any]) -> None:
            async with semaphore:
                response = await litellm.acompletion(
                    model=f"anthropic/{MODEL}",
                    messages=messages_of(row),
                    max_tokens=MAX_TOKENS,
                    api_base=task.url,
                    api_key="key",
                    num_retries=5,
                    timeout=600,
                )
            usage = response.usage
            line = {
                "id": row["id"],
                "answer": response.choices[0].message.content,
                "input_tokens": usage.prompt_tokens,
                "output_tokens": usage.completion_tokens,
            }
            out.write(json.dumps(line) + "\n")

        await asyncio.gather(*(label(row) for row in task.read()))


asyncio.run(main())
