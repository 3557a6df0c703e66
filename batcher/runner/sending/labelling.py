"""Holds answers against the job's labels, and makes the request that asks again."""

import json
from dataclasses import dataclass, replace
from decimal import Decimal

from batcher.core.answers.outcome import Outcome
from batcher.core.cache.marks import TTL
from batcher.core.labelling.labels import Labels
from batcher.core.labelling.repair import OnInvalid, judged, most_growth, repaired
from batcher.core.money.bound import Bound, UnboundedError
from batcher.core.pace.retrying.retry import History
from batcher.core.request.canonical import canonical_json
from batcher.runner.planning.prepare import Prepared
from batcher.runner.sending.feed import Errand


@dataclass(frozen=True, slots=True)
class Labelling:
    """The labels of a run; ``bound`` bounds requests that ask again, None where nothing does."""

    labels: Labels
    on_invalid: OnInvalid
    repairs: int
    bound: Bound | None

    @classmethod
    def of(cls, prepared: Prepared) -> "Labelling | None":
        """Those of a job; None when it has none."""
        labels, said = prepared.loaded.labels, prepared.loaded.job.labels
        if labels is None:
            return None
        return cls(labels, said.on_invalid, said.repairs, prepared.bound)

    def judge(self, outcome: Outcome, history: History) -> Outcome:
        """Say whether an answer is what the job wants, and is asked again when it is not."""
        return judged(outcome, self.labels, self.on_invalid, self.repairs - history.repairs)

    def asking_again(self, first: Errand, asked: Errand, outcome: Outcome, repairs: int) -> Errand:
        """The errand with one complaint more, and the bound of what that costs.

        ``first`` is it as it began, ``asked`` as it was asked last; ``repairs`` counts this one.
        """
        if outcome.message is None or outcome.complaint is None:
            return asked
        fields = repaired(json.loads(asked.body), outcome.message, outcome.complaint)
        worst = self._worst_case_usd(first, repairs)
        return replace(asked.with_body(canonical_json(fields)), worst_case_usd=worst)

    def _worst_case_usd(self, first: Errand, repairs: int) -> Decimal | None:
        if self.bound is None:
            return None
        marks: TTL | None = "1h" if first.prefixes else None
        growth = repairs * most_growth(first.request.max_tokens, self.labels.via)
        try:
            begun = self.bound.of(first.body, json.loads(first.body), marks)
        except UnboundedError:
            return None
        return self.bound.grown(begun, growth, marks)
