"""Makes the request and the id of a row: the same in every pass over the input."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path

from batcher.core.estimate.context_fitting import PromptFitter
from batcher.core.estimate.context_window import ContextWindow
from batcher.core.estimate.prompt import PromptRule
from batcher.core.job import InputSection, RequestSection
from batcher.core.money.prices import PriceTable
from batcher.core.request.attachment import Attachment
from batcher.core.request.build import MAX_BODY_BYTES, Request, RequestBuilder, Unsendable
from batcher.core.row import BadRow, Row, Unreadable
from batcher.inputs.attachments.attached_file import BadAttachment
from batcher.inputs.attachments.documents import load_document, load_text
from batcher.inputs.attachments.images import load_image


@dataclass(frozen=True, slots=True)
class RequestMaker:
    """Makes requests from rows; ``root`` is the folder of files that rows name."""

    builder: RequestBuilder
    section: RequestSection
    input: InputSection
    prices: PriceTable
    root: Path
    _prompt_rules: dict[str, PromptRule] = field(default_factory=dict, repr=False)

    def request_of(self, row: Row) -> Request | Unsendable:
        """Make a row's request and read its attachments; never raise for what a row contains.

        A request that cannot fit into its model's context is cut, or refused, as the job says.
        """
        request = self._whole_request(row.values)
        if isinstance(request, Unsendable):
            return request
        facts = self.prices.facts(request.model)
        if facts is None:
            return request
        window = ContextWindow.of(facts, request.max_tokens, self.input.max_prompt_tokens)
        if window.surely_fits(request.body):
            return request
        rule, builder = self.prompt_rule(request.model), self.builder
        fitter = PromptFitter(
            window, rule, self._whole_request, builder.text_columns, builder.non_text_columns
        )
        if self.input.on_too_long == "truncate":
            return fitter.cut(request, row.values)
        return fitter.check(request)

    def prompt_rule(self, model: str) -> PromptRule:
        """Return how prompts of requests to a model are estimated."""
        if model not in self._prompt_rules:
            self._prompt_rules[model] = PromptRule(model, self.prices.facts(model))
        return self._prompt_rules[model]

    def row_id(self, row: Row | BadRow) -> str | Unsendable:
        """Return a row's id in the output: the value of its id column, else its position."""
        is_batch_input = self.input.format == "messages-batch"
        column = "custom_id" if is_batch_input else self.input.id
        if column is None:
            return str(row.ordinal + 1)
        if isinstance(row, BadRow) and column not in row.values:
            return Unsendable(row.error_type, row.reason)
        value = row.values.get(column)
        if isinstance(value, str):
            return value
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, float) and value.is_integer():  # pandas writes whole numbers so
            return str(int(value))
        if isinstance(value, Unreadable):
            return Unsendable("client.bad_id", f"the id column '{column}' is {value.reason}")
        kind = "null" if value is None else f"a {type(value).__name__}"
        return Unsendable("client.bad_id", f"the id column '{column}' is {kind}")

    def _whole_request(self, values: Mapping[str, object]) -> Request | Unsendable:
        unreadable = self.builder.unreadable(values)
        if unreadable is not None:
            return unreadable
        attachments = self._attachments(values)
        if isinstance(attachments, Unsendable):
            return attachments
        return self.builder.build(values, attachments)

    def _attachments(self, values: Mapping[str, object]) -> list[Attachment] | Unsendable:
        """Load documents, then images: what rows share comes first, for the prompt cache."""
        section = self.section
        document = partial(load_document, root=self.root)
        image = partial(load_image, root=self.root)
        loads: list[tuple[str, str, Callable[[object], Attachment]]] = [
            *((column, "client.bad_document", load_text) for column in section.text_documents),
            *((column, "client.bad_document", document) for column in section.documents),
            *((column, "client.bad_image", image) for column in section.images),
        ]
        attachments: list[Attachment] = []
        size = 0
        for column, error_type, load in loads:
            value = values.get(column)
            entries = value if isinstance(value, list) and value else [value]
            for number, entry in enumerate(entries, 1):
                try:
                    attachments.append(load(entry))
                except BadAttachment as error:
                    place = f", entry {number}" if isinstance(value, list) and value else ""
                    return Unsendable(error_type, f"the column '{column}'{place}: {error}")
                size += len(attachments[-1].data)
                if size > MAX_BODY_BYTES:
                    reason = f"the images and documents have more than {MAX_BODY_BYTES:,} bytes"
                    return Unsendable("client.too_large", reason)
        return attachments
