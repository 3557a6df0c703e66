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
    Request,
    Retry,
)
from batcher.core.job.spending import Budget, PriceOverride, Prices

__all__ = [
    "API",
    "SIMULATOR",
    "Budget",
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
