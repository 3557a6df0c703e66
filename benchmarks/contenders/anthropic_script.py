"""The script that a competent user writes: AsyncAnthropic, a semaphore, JSON lines."""

import asyncio
import json
from typing import Any

import anthropic
from rows import MAX_TOKENS, MODEL, Task, messages_of


async def main() -> None:
    """Send every row; as many at once as the semaphore lets through."""
    task = Task.of_command_line()
    client = anthropic.AsyncAnthropic(api_key="key", base_url=task.url, max_retries=5, timeout=600)
    semaphore = asyncio.Semaphore(task.concurrency)
    with open(task.out, "w", encoding="utf-8") as out:  # noqa: ASYNC230, PTH123 - as a script would

        async def label(row: dict[str, Any]) -> None:
            async with semaphore:
                message = await client.messages.create(
                    model=MODEL, max_tokens=MAX_TOKENS, messages=messages_of(row)
                )
            usage = message.usage
            line = {
                "id": row["id"],
                "answer": message.content[0].text,
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
            }
            out.write(json.dumps(line) + "\n")

        await asyncio.gather(*(label(row) for row in task.read()))


asyncio.run(main())
