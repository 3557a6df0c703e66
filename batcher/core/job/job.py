"""The whole job."""

from pydantic import Field

from batcher.core.job.labels_section import Labels
from batcher.core.job.money_sections import Budget, Prices
from batcher.core.job.sections import (
    API,
    Cache,
    Input,
    Limits,
    Notify,
    Output,
    Request,
    Retry,
    Section,
)


class About(Section):
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

    job: About = Field(default_factory=About)
    input: Input
    request: Request = Field(default_factory=Request)
    labels: Labels = Field(default_factory=Labels)
    output: Output = Field(default_factory=Output)
    limits: Limits = Field(default_factory=Limits)
    retry: Retry = Field(default_factory=Retry)
    budget: Budget = Field(default_factory=Budget)
    cache: Cache = Field(default_factory=Cache)
    api: API = Field(default_factory=API)
    prices: Prices = Field(default_factory=Prices)
    notify: Notify = Field(default_factory=Notify)
