"""The content of a job file as frozen values: one class for each section."""

from batcher.core.job.job import Job
from batcher.core.job.money_sections import BudgetSection, PriceOverride, PricesSection
from batcher.core.job.run_sections import (
    CacheSection,
    DeliverySection,
    LimitsSection,
    NotifySection,
    RetrySection,
)
from batcher.core.job.sections import (
    SIMULATOR,
    ApiSection,
    InputSection,
    OutputSection,
    RequestSection,
)

__all__ = [
    "SIMULATOR",
    "ApiSection",
    "BudgetSection",
    "CacheSection",
    "DeliverySection",
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
