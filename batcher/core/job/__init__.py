"""What a job file says, as frozen values: one class a section."""

from batcher.core.job.job import Job
from batcher.core.job.money_sections import BudgetSection, PriceOverride, PricesSection
from batcher.core.job.sections import (
    SIMULATOR,
    ApiSection,
    CacheSection,
    InputSection,
    LimitsSection,
    NotifySection,
    OutputSection,
    RequestSection,
    RetrySection,
)

__all__ = [
    "SIMULATOR",
    "ApiSection",
    "BudgetSection",
    "CacheSection",
    "InputSection",
    "Job",
    "LimitsSection",
    "NotifySection",
    "OutputSection",
    "PriceOverride",
    "PricesSection",
    "RequestSection",
    "RetrySection",
]
