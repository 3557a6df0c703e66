"""Makes the plan's records from rows: each item's request, with its name, bound and length."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal

from batcher.core.answers.outcome import Status
from batcher.core.digest import Digest
from batcher.core.estimate.pricing import group_of
from batcher.core.estimate.prompt import Prompt
from batcher.core.estimate.tokens import NO_TEXT, TextTokens
from batcher.core.money.bound import WorstCase
from batcher.core.request.build import Request, Unsendable
from batcher.core.request.plain import PlainRequest
from batcher.core.row import BadRow, Row
from batcher.errors import Problem
from batcher.runner.job_context import JobContext
from batcher.runner.planning.plain_rows import PlainRow, PlainRows
from batcher.runner.planning.row_warnings import LengthWarnings
from batcher.runner.planning.shared_prefixes import prefix_records
from batcher.store.records import PlanRecord, PrefixRecord

_SAMPLED_REQUESTS = 2_000
NAME_BYTES = 16


class Items:
    """Makes the plan's records row by row, and collects what is known only from all rows.

    ``models`` counts the requests of each model. ``rows_digest`` names the values that requests are
    made from, ``requests_digest`` the requests; neither depends on the order. ``refused`` is what
    every request would be refused for, ``only_live`` why all of them are sent live;
    ``live_items`` are the items that auto sends live, although others may travel in batches.
    ``warnings`` has a warning by its text. ``has_web_tools``: a request may have the server search
    or fetch, at prices that no delivery halves. ``names`` holds the
    fingerprints of all items, one after another, when rows name files; else it is None.
    """

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._files = {stamp.name: index for index, stamp in enumerate(context.source.files)}
        self._prefixes: list[PrefixRecord] = []
        self._is_checked = False
        self._is_same_for_all = (
            context.maker.builder.is_fixed and context.job.request.messages is None
        )
        self._text = NO_TEXT
        self._tokens = 0.0
        self._learnt = 0
        self._plain: PlainRows | None = None
        self._plain_requests: list[PlainRequest] = []
        self.models: Counter[str] = Counter()
        self.warnings: dict[str, Problem] = {}
        self.refused: list[Problem] = []
        self.only_live: str | None = None
        self.live_items = array("Q")
        self.has_web_tools = False
        self.rows_digest = Digest()
        self.requests_digest = Digest()
        self.lengths = LengthWarnings()
        # A file that a row names may change between planning and sending; only what was planned is
        # sent, so the plan keeps the fingerprints.
        section = context.job.request
        self.names: bytearray | None = bytearray() if section.images or section.documents else None
        self.largest_body = 0
        self.body_bytes = 0
        self.count = 0

    def records_of(self, row: Row | BadRow) -> Iterable[PlanRecord]:
        """Return one record for each answer that a row asks for."""
        row_id = self._context.maker.row_id(row)
        if self._plain is not None and isinstance(row, Row) and isinstance(row_id, str):
            plain = self._plain.of_row(row)
            if plain is not None:
                return self._plain_records(row, row_id, plain, self._plain)
        return self._whole_records(row, row_id)

    def add_up(self) -> None:
        """Add the rows since the last call to the sums; call it after each chunk of rows."""
        requests, self._plain_requests = self._plain_requests, []
        if not requests or self._plain is None:
            return
        sizes = [len(request.body) for request in requests]
        self.largest_body = max(self.largest_body, *sizes)
        self.body_bytes += sum(sizes)
        self.models[self._plain.model] += len(requests)
        self.rows_digest.add_all([request.content for request in requests])
        self.requests_digest.add_all(
            [name for request in requests for name in request.fingerprints]
        )

    def _plain_records(
        self, row: Row, row_id: str, plain: PlainRow, rows: PlainRows
    ) -> Iterable[PlanRecord]:
        request, samples = plain.request, len(plain.request.fingerprints)
        first = row.ordinal * samples
        self._plain_requests.append(request)
        self.count = first + samples
        if self._learnt < _SAMPLED_REQUESTS:
            self._learn(TextTokens(plain.ascii_tokens, plain.other_tokens), plain.prompt_tokens)
        for mark in rows.marks:
            self._prefixes += [PrefixRecord(item, *mark) for item in range(first, self.count)]
        file, line = self._files[row.place.file], row.place.line
        return [
            PlanRecord(
                first + sample,
                row.ordinal,
                sample,
                file,
                line,
                row_id,
                name,
                request.content,
                plain.worst_case_usd,
                None,
                None,
                None,
                plain.price_group,
                plain.prompt_tokens,
                plain.max_prompt_tokens,
                rows.max_tokens,
                plain.repairs_usd,
            )
            for sample, name in enumerate(request.fingerprints)
        ]

    def _whole_records(self, row: Row | BadRow, row_id: str | Unsendable) -> Iterator[PlanRecord]:
        request = self._request_of(row, row_id)
        items = self._context.items.items_of(row.ordinal)
        names: tuple[bytes | None, ...] = (None,) * len(items)
        content = group = prompt_tokens = max_tokens = bound = repairs = None
        status = error_type = error_message = None
        if isinstance(request, Request):
            names, content = request.fingerprints, request.content
            max_tokens = request.max_tokens
            prompt = self._context.maker.prompt_rule(request.model).of(request.fields)
            prompt_tokens = prompt.total
            prices = self._context.prices
            group = group_of(prices.model(request.model), request.model, prompt_tokens)
            if request.note is not None:
                error_type, error_message = "client.cut", request.note
            self._note_live(request, items)
            self._learn_length(row, request, prompt)
            bound, repairs = self._add_up(request, items.start)
        else:
            status = (Status.SKIPPED if request.is_skipped else Status.ERRORED).value
            error_type, error_message = request.error_type, request.reason
        for item, name in zip(items, names, strict=True):
            self.count = item + 1
            self._keep_name(name)
            yield PlanRecord(
                item,
                row.ordinal,
                item - items.start,
                self._files[row.place.file],
                row.place.line,
                row_id if isinstance(row_id, str) else None,
                name,
                content,
                None if bound is None else bound.usd,
                status,
                error_type,
                error_message,
                group,
                prompt_tokens,
                None if bound is None else bound.prompt_tokens,
                max_tokens,
                repairs,
            )

    @property
    def sigma(self) -> float:
        """The relative error of the estimated prompts as a whole, judged by the first ones."""
        return self._text.sigma * self._text.total / self._tokens if self._tokens else 0.0

    def take_prefixes(self) -> list[PrefixRecord]:
        """Return the prefixes of the requests made since the last call."""
        prefixes, self._prefixes = self._prefixes, []
        return prefixes

    def _keep_name(self, name: bytes | None) -> None:
        """Keep the fingerprint of the newest item, when files may change it."""
        if self.names is not None:
            self.names += bytes(NAME_BYTES * (self.count - 1) - len(self.names))
            self.names += name or bytes(NAME_BYTES)

    def _learn_length(self, row: Row | BadRow, request: Request, prompt: Prompt) -> None:
        self.lengths.add(row.place, request, prompt, self._context.prices.facts(request.model))
        if self._learnt < _SAMPLED_REQUESTS:
            self._learn(prompt.text, prompt.total)

    def _learn(self, text: TextTokens, tokens: float) -> None:
        self._learnt += 1
        self._text += text
        self._tokens += tokens

    def _add_up(self, request: Request, first_item: int) -> tuple[WorstCase | None, Decimal | None]:
        """Add a request to the sums; return the bound of one attempt, and that of its repairs."""
        self.largest_body = max(self.largest_body, len(request.body))
        self.body_bytes += len(request.body)
        self.rows_digest.add(request.content)
        for name in request.fingerprints:
            self.requests_digest.add(name)
        records = prefix_records(self._context, request, first_item)
        self._prefixes += records
        if self._plain is None and self._is_same_for_all and not self.refused:
            self._plain = PlainRows.of(self._context, request, records)
        policy = self._context.policy
        delivery = policy.planned
        bound = policy.bound_of(request, is_marked=bool(records), delivery=delivery)
        if bound is None:
            return None, None
        self.has_web_tools |= bound.turns > 1
        return bound, policy.repairs_of(bound, delivery)

    def _request_of(self, row: Row | BadRow, row_id: str | Unsendable) -> Request | Unsendable:
        if isinstance(row, BadRow):
            return Unsendable(row.error_type, row.reason)
        if isinstance(row_id, Unsendable):
            return row_id
        request = self._context.maker.request_of(row)
        if isinstance(request, Unsendable):
            return request
        if request.model not in self.models:
            self._context.prices.model(request.model)  # an unknown price stops everything here
        self.models[request.model] += 1
        return self._checked(request)

    def _checked(self, request: Request) -> Request | Unsendable:
        """Check a request against what its model refuses: once for a job, or for each row."""
        if self._is_same_for_all and self._is_checked:
            return request
        policy, errors = self._context.policy, []
        for refusal in policy.refusals_of(request):
            if refusal.severity == "error":
                errors.append(refusal)
            else:
                self.warnings[refusal.message] = policy.problem_of(refusal)
        if errors and not self._is_same_for_all:
            return Unsendable("client.refused_by_model", f"{errors[0].key}: {errors[0].message}")
        self.refused += [policy.problem_of(error) for error in errors]
        return request

    def _note_live(self, request: Request, items: range) -> None:
        """Note that a request can only be sent live; auto then sends it so, and says it.

        A request that a batch refuses would fail in it, although it can be answered.
        """
        if self._is_same_for_all and self._is_checked:
            return
        self._is_checked = True
        policy, is_auto = self._context.policy, self._context.job.delivery.mode == "auto"
        is_concerned = self._is_same_for_all or is_auto
        reason = policy.only_live(request) if is_concerned else None
        if reason is None:
            return
        if self._is_same_for_all:
            self.only_live = f"{reason.key} {reason.message}"
        else:
            self.live_items.extend(items)
        if is_auto:
            message = f"{reason.message}; auto sends such requests live"
            self.warnings[message] = policy.problem_of(replace(reason, message=message))
