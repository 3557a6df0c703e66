"""Decides where one batch ends and the next one begins."""

from collections.abc import Collection
from dataclasses import dataclass

MAX_REQUESTS = 100_000
MAX_BODY_BYTES = 255_000_000
"""The API takes 256 MB; a million bytes less is safe from what it counts besides the body."""


@dataclass(frozen=True, slots=True)
class BatchSize:
    """The largest batch to make: ``rows`` is the job's own limit on its requests.

    ``taken`` has the numbers of requests of the batches of which it is not known whether they were
    created. Only its number of requests tells such a batch from others, so no other batch may have
    the same.
    """

    rows: int
    taken: Collection[int] = ()
    max_bytes: int = MAX_BODY_BYTES

    def is_full(self, requests: int, body_bytes: int, more_bytes: int) -> bool:
        """Return whether a batch is sent before another ``more_bytes`` are added to it.

        ``body_bytes`` is the whole body with these requests. A batch takes at least one request.
        """
        if not requests:
            return False
        too_large = body_bytes + more_bytes > self.max_bytes
        return too_large or requests >= self.usable(min(self.rows, MAX_REQUESTS))

    def usable(self, requests: int) -> int:
        """Return how many of these requests the batch has; the others begin the next one.

        0 when no number is free: then no batch can be made until one of the others is known.
        """
        while requests > 0 and requests in self.taken:
            requests -= 1
        return max(0, requests)
