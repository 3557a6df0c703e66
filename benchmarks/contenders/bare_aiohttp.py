"""A bare loop over aiohttp: one session, as many connections as workers."""

import asyncio

import aiohttp
from rows import Task, body_of, line_of

HEADERS = {
    "x-api-key": "key",
    "anthropic-version": "2023-06-01",
    "content-type": "application/json",
}


async def main() -> None:
    """Send every row from a fixed number of workers that share an iterator."""
    task = Task.of_command_line()
    rows = task.read()
    connector = aiohttp.TCPConnector(limit=task.concurrency)
    timeout = aiohttp.ClientTimeout(total=600)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, headers=HEADERS
    ) as session:
        with open(task.out, "w", encoding="utf-8") as out:  # noqa: ASYNC230, PTH123 - as a script would

            async def work() -> None:
                for row in rows:
                    async with session.post(
                        f"{task.url}/v1/messages", data=body_of(row)
                    ) as response:
                        response.raise_for_status()
                        out.write(line_of(row, await response.json()))

            await asyncio.gather(*(work() for _ in range(task.concurrency)))


asyncio.run(main())
