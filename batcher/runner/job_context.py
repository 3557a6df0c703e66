"""Opens a job: its input, requests, prices and paths, for every command that needs them."""

import os
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

from batcher.core.cache.prefix import PrefixNamer
from batcher.core.item_index import ItemIndex
from batcher.core.job import SIMULATOR, Job
from batcher.core.money.prices import PriceTable
from batcher.core.quality.gold_labels import GoldLabels
from batcher.core.request.build import RequestBuilder
from batcher.core.template.template import Template
from batcher.inputs.job_file.load import LoadedJob
from batcher.inputs.own_files import OwnFiles
from batcher.inputs.price_table import load_price_table
from batcher.inputs.source import Source
from batcher.runner.days import zone_named
from batcher.runner.findings import Findings
from batcher.runner.request_maker import RequestMaker
from batcher.runner.request_policy import RequestPolicy
from batcher.runner.workspace import Workspace


@dataclass(frozen=True, slots=True)
class JobContext:
    """One job, ready to be planned; ``prefixes`` is None when the prompt cache is off."""

    loaded: LoadedJob
    workspace: Workspace
    source: Source
    prices: PriceTable
    maker: RequestMaker
    policy: RequestPolicy
    prefixes: PrefixNamer | None

    @property
    def job(self) -> Job:
        """The content of the job file."""
        return self.loaded.job

    @property
    def samples(self) -> int:
        """The number of answers that each row gets."""
        return self.job.request.samples

    @property
    def items(self) -> ItemIndex:
        """The numbers of the job's items: one for each answer that a row asks for."""
        return ItemIndex(self.samples)

    @property
    def gold(self) -> GoldLabels | None:
        """The correct labels that answers are compared with; None when the job has none."""
        labels, section = self.loaded.labels, self.job.labels
        if labels is None or section.gold is None:
            return None
        classes = self.source.classes.get(section.gold, ())
        return GoldLabels.of(labels, section.gold, section.gold_field, classes)

    @property
    def asks_simulator(self) -> bool:
        """Whether the embedded simulator answers: nothing is paid for, and no key is needed."""
        return asks_simulator(self.loaded, is_simulated=self.workspace.is_simulated)

    @property
    def origin(self) -> str:
        """The server that answers, as the checkpoint names it."""
        return SIMULATOR if self.asks_simulator else self.job.api.base_url.rstrip("/")


def open_job(loaded: LoadedJob, *, is_simulated: bool, today: date) -> JobContext:
    """Open everything that a job names; raise ConfigurationError with all that is wrong with it."""
    job, system, findings = loaded.job, loaded.system, Findings()
    builder = RequestBuilder(
        job,
        system=Template(system, loaded.system_name) if isinstance(system, str) else system,
        prompt=None if loaded.prompt is None else Template(loaded.prompt, loaded.prompt_name),
        labels=loaded.labels,
    )
    workspace = Workspace.of(loaded, is_simulated=is_simulated)
    home = Path(os.path.abspath(loaded.folder))  # noqa: PTH100 (resolve() would follow symlinks)
    own = OwnFiles(home, loaded.files, workspace.states)
    source = findings.attempt(partial(Source.open, job.input, loaded.folder, own))
    prices = findings.attempt(partial(_prices, job))
    findings.attempt(partial(zone_named, job.budget.time_zone))
    findings.stop()
    assert source is not None  # noqa: S101 - tells mypy
    assert prices is not None  # noqa: S101
    context = JobContext(
        loaded=loaded,
        workspace=workspace,
        source=source,
        prices=prices,
        maker=RequestMaker(builder, job.request, job.input, prices, source.root),
        policy=RequestPolicy.of(loaded, builder, prices, today),
        prefixes=PrefixNamer(prices, job.cache.ttl or "5m") if job.cache.mode == "auto" else None,
    )
    findings.attempt(partial(source.require, sorted(_named_columns(context))))
    findings.attempt(partial(workspace.check_apart, job.input.path, loaded.folder))
    findings.stop()
    return context


def asks_simulator(loaded: LoadedJob, *, is_simulated: bool) -> bool:
    """Whether the embedded simulator answers: nothing is paid for, and no key is needed."""
    return is_simulated or loaded.job.api.base_url == SIMULATOR


def _prices(job: Job) -> PriceTable:
    """Return the prices in force; raise ConfigurationError when the job's model has none."""
    prices = load_price_table().with_overrides(job.prices.overrides)
    if job.request.model is not None:
        prices.model(job.request.model)
    return prices


def _named_columns(context: JobContext) -> frozenset[str]:
    """Return the columns that the job file names; all must be in the input."""
    job = context.job
    names = set(context.maker.builder.required_columns)
    names.update(job.output.keep or ())
    names.update(name for name in (job.input.id, job.labels.gold) if name is not None)
    return frozenset(names)
