"""What a job file says, as frozen values: one class a section."""

from batcher.core.job.job import Job
from batcher.core.job.sections import (
    API,
    SIMULATOR,
    Cache,
    Input,
    Limits,
    Notify,
    Output,
    PriceOverride,
    Prices,
    Request,
    Retry,
)

__all__ = [
    "API",
    "SIMULATOR",
    "Cache",
    "Input",
    "Job",
    "Limits",
    "Notify",
    "Output",
    "PriceOverride",
    "Prices",
    "Request",
    "Retry",
]
