"""What a job file says, as frozen values: one class a section."""

from batcher.core.job.job import Job
from batcher.core.job.money_sections import Budget, PriceOverride, Prices
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
