"""Finds what the model and the API version are known to refuse, before anything is sent."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date
from typing import Any

from batcher.core.request.models import ModelFacts
from batcher.core.request.refusal_rules import body as about_body
from batcher.core.request.refusal_rules import model as about_model
from batcher.core.request.refusal_rules.cache import cache_marks
from batcher.core.request.refusal_rules.checked_request import CheckedRequest, Refusal
from batcher.core.request.refusal_rules.output_schema import output_format, schemas

__all__ = ["Refusal", "refusals"]

_RULES: tuple[Callable[[CheckedRequest], Iterable[Refusal]], ...] = (
    about_model.lifecycle,
    about_body.unknown_parameters,
    about_body.beta_parameters,
    about_body.streaming,
    about_body.old_output_format,
    about_body.settings,
    about_body.token_limit,
    about_body.batch_only,
    about_body.documents,
    about_model.sampling,
    about_model.prefill,
    about_model.thinking_type,
    about_model.thinking_fields,
    about_model.effort,
    about_model.forced_tools,
    about_model.region,
    about_model.fast_mode,
    output_format,
    schemas,
    cache_marks,
)


def refusals(
    body: Mapping[str, Any],
    model: ModelFacts | None,
    version: str,
    *,
    today: date,
    betas: Collection[str] = (),
    is_batch: bool = False,
) -> list[Refusal]:
    """Return what the API would refuse in a request, and what deserves a warning, rule by rule.

    ``body`` may lack the fields that come from a row (``messages``): absent fields are not checked
    and not reported. ``model`` is None for a model that is not in the table: then only the rules
    for all models apply. ``betas`` are the names in the anthropic-beta header.
    An empty list is no guarantee: the API may refuse more than it documents.
    """
    request = CheckedRequest(body, model, version, today, frozenset(betas), is_batch)
    return [refusal for rule in _RULES for refusal in rule(request)]
