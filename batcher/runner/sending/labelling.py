"""Holds answers against the job's labels, and makes the request that asks again."""

import json
from dataclasses import dataclass, replace

from batcher.core.answers.outcome import Outcome
from batcher.core.labelling.labels import Labels
from batcher.core.labelling.repair import OnInvalid, judged, repaired
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

    def asking_again(self, errand: Errand, outcome: Outcome) -> Errand:
        """The same errand with the complaint, and the bound of what that costs."""
        if outcome.message is None or outcome.complaint is None:
            return errand
        fields = repaired(json.loads(errand.body), outcome.message, outcome.complaint)
        body = canonical_json(fields)
        worst = None
        if self.bound is not None:
            try:
                worst = self.bound.of(body, fields, "1h" if errand.prefixes else None).usd
            except UnboundedError:
                worst = None
        return replace(errand.with_body(body), worst_case_usd=worst)
