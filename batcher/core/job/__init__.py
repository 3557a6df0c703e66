"""What a job file says, as frozen values: one class a section."""

from batcher.core.job.job import Job
from batcher.core.job.sections import (
    API,
    Input,
    Limits,
    Output,
    PriceOverride,
    Prices,
    Request,
    Retry,
)

__all__ = [
    "API",
    "Input",
    "Job",
    "Limits",
    "Output",
    "PriceOverride",
    "Prices",
    "Request",
    "Retry",
]
