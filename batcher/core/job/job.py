"""The whole job."""

from pydantic import Field

from batcher.core.job.labels_section import LabelsSection
from batcher.core.job.money_sections import BudgetSection, PricesSection
from batcher.core.job.sections import (
    ApiSection,
    CacheSection,
    InputSection,
    LimitsSection,
    NotifySection,
    OutputSection,
    RequestSection,
    RetrySection,
    Section,
)


class JobSection(Section):
    """[job]: what the job is called and where its state lies."""

    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="The job's name; default the job file's name.",
    )
    description: str = Field("", description="What the job is for.")
    state: str | None = Field(
        None, description="The folder of the checkpoint; default runs/<name> beside the job file."
    )


class Job(Section):
    """A job file's content, validated; relative paths in it count from the job file's folder."""

    job: JobSection = Field(default_factory=JobSection)
    input: InputSection
    request: RequestSection = Field(default_factory=RequestSection)
    labels: LabelsSection = Field(default_factory=LabelsSection)
    output: OutputSection = Field(default_factory=OutputSection)
    limits: LimitsSection = Field(default_factory=LimitsSection)
    retry: RetrySection = Field(default_factory=RetrySection)
    budget: BudgetSection = Field(default_factory=BudgetSection)
    cache: CacheSection = Field(default_factory=CacheSection)
    api: ApiSection = Field(default_factory=ApiSection)
    prices: PricesSection = Field(default_factory=PricesSection)
    notify: NotifySection = Field(default_factory=NotifySection)
