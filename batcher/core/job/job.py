"""The whole job, as one frozen value."""

from pydantic import Field

from batcher.core.job.labels_section import LabelsSection
from batcher.core.job.money_sections import BudgetSection, PricesSection
from batcher.core.job.run_sections import (
    CacheSection,
    DeliverySection,
    LimitsSection,
    NotifySection,
    RetrySection,
)
from batcher.core.job.section import Section
from batcher.core.job.sections import ApiSection, InputSection, OutputSection, RequestSection


class JobSection(Section):
    """[job]: the job's name and the folder of its state."""

    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="The job's name, used for its state folder and output. Default: the name of "
        "the job file without .toml.",
    )
    description: str = Field(
        "", description="A note on what the job is for; batcher does not use it."
    )
    state: str | None = Field(
        None,
        description="The folder of the checkpoint and the run records, relative to the job file. "
        "Default: runs/<name> beside the job file.",
    )


class Job(Section):
    """A job file's content, validated; relative paths start at the job file's folder."""

    job: JobSection = Field(default_factory=JobSection)
    input: InputSection
    request: RequestSection = Field(default_factory=RequestSection)
    labels: LabelsSection = Field(default_factory=LabelsSection)
    output: OutputSection = Field(default_factory=OutputSection)
    delivery: DeliverySection = Field(default_factory=DeliverySection)
    limits: LimitsSection = Field(default_factory=LimitsSection)
    retry: RetrySection = Field(default_factory=RetrySection)
    budget: BudgetSection = Field(default_factory=BudgetSection)
    cache: CacheSection = Field(default_factory=CacheSection)
    api: ApiSection = Field(default_factory=ApiSection)
    prices: PricesSection = Field(default_factory=PricesSection)
    notify: NotifySection = Field(default_factory=NotifySection)
