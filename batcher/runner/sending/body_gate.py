"""The queue of attempts that wait for memory: fewer are in flight when responses are large."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

MAX_BODY_BYTES = 64 << 20
"""How many bytes of responses may be expected at once. Each takes memory several times: as it
arrives, as a message, and as a record."""

_FORGETTING = 0.98
_BYTES_PER_TOKEN = 8
"""At most, in nearly all text: a token of English is about four bytes, and JSON adds escapes."""


@dataclass(slots=True)
class BodyGate:
    """Lets attempts in, in turn, while the responses that they may bring fit into ``limit_bytes``.

    A response is expected to be as large as the largest one so far; each smaller one lowers that
    by 2 %. Before there is one, ``max_tokens`` tells how large it may be. One attempt is always let
    in. An attempt is inside until its record is on the disk.
    """

    stopping: asyncio.Event
    limit_bytes: int = MAX_BODY_BYTES
    _expected: float = 0.0
    _has_learned: bool = False
    _inside: int = 0
    _waiting: "deque[asyncio.Future[bool]]" = field(default_factory=deque)
    _watching: "asyncio.Task[None] | None" = None

    @property
    def waiting(self) -> int:
        """The number of attempts that wait."""
        return len(self._waiting)

    async def enter(self, max_tokens: int) -> bool:
        """Wait until there is room for a response; False when the run is stopping."""
        if self.stopping.is_set():
            return False
        if not self._has_learned:
            self._expected = max(self._expected, float(max_tokens * _BYTES_PER_TOKEN))
        if not self._waiting and self._has_room:
            self._inside += 1
            return True
        self._watching = self._watching or asyncio.create_task(self._close_when_stopping())
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        return await turn

    def learn(self, size: int) -> None:
        """Take the size of a response in bytes."""
        self._has_learned = True
        self._expected = max(float(size), self._expected * _FORGETTING)

    def leave(self) -> None:
        """Let an attempt out, and others in."""
        self._inside -= 1
        while self._waiting and self._has_room:
            turn = self._waiting.popleft()
            if not turn.done():  # else cancelled
                self._inside += 1
                turn.set_result(True)

    @property
    def _has_room(self) -> bool:
        return not self._inside or (self._inside + 1) * self._expected <= self.limit_bytes

    async def _close_when_stopping(self) -> None:
        await self.stopping.wait()
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(False)
