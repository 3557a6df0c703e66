"""How the requests of a run travel: live, in batches, or whichever is cheaper and in time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Delivery = Literal["live", "batch"]
"""How one request travels."""

Mode = Literal["live", "batch", "auto"]
"""How the requests of a run travel. auto: in batches what will be done in time, the rest live."""

RETENTION = (
    "batches are not covered by zero-data-retention agreements, and their results stay at the API "
    "for 29 days"
)
"""What sending a batch means for the data, as every question and document says it."""


@dataclass(frozen=True, slots=True)
class Route:
    """How the requests of one run travel, once it is known what the user allows.

    ``mode`` is auto only where batches are allowed. ``deadline`` is that of auto, else None.
    """

    mode: Mode
    deadline: datetime | None = None

    @property
    def takes_batches(self) -> bool:
        """Whether requests may travel in batches."""
        return self.mode != "live"
