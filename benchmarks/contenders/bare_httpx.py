"""A bare loop over httpx: one client for each worker, because a shared one collapses."""

import asyncio

import httpx
from rows import Task, body_of, line_of

HEADERS = {
    "x-api-key": "key",
    "anthropic-version": "2023-06-01",
    "content-type": "application/json",
}


async def main() -> None:
    """Send every row from a fixed number of workers that share an iterator."""
    task = Task.of_command_line()
    rows, context = task.read(), httpx.create_ssl_context()
    with open(task.out, "w", encoding="utf-8") as out:  # noqa: ASYNC230, PTH123 - as a script would

        async def work() -> None:
            async with httpx.AsyncClient(verify=context, timeout=600, headers=HEADERS) as client:
                for row in rows:
                    response = await client.post(f"{task.url}/v1/messages", content=body_of(row))
                    response.raise_for_status()
                    out.write(line_of(row, response.json()))

        await asyncio.gather(*(work() for _ in range(task.concurrency)))


asyncio.run(main())
