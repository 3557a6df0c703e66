"""Validates the ``params`` of an item of a batch, when the item is processed."""

from dataclasses import replace
from typing import Any

from batcher.simulator.billing.model_table import Model
from batcher.simulator.validation.message import FindModel, check_message
from batcher.simulator.validation.shape import EXTRA, refuse

Json = dict[str, Any]
LONG_OUTPUT_BETA = "output-300k-2026-03-24"
LONG_OUTPUT_TOKENS = 300_000
LONG_OUTPUT_MODELS = (
    "claude-opus-5-5", "claude-opus-5", "claude-opus-4-8", "claude-opus-4-7", "claude-opus-4-6",
    "claude-sonnet-5-5", "claude-sonnet-5", "claude-sonnet-4-6", "claude-haiku-5-5",
)  # fmt: skip


def check_params(body: Json, version: str, betas: frozenset[str], find: FindModel) -> Model:
    """Return the model of valid params, or raise the API's error."""
    if body.get("stream"):
        raise refuse("stream", "streaming is not supported in a batch")
    if body.get("max_tokens") == 0:
        raise refuse("max_tokens", "Input should be greater than or equal to 1")
    if "speed" in body:
        raise refuse("speed", EXTRA)
    return check_message(body, version, betas, _with_long_output(betas, find))


def _with_long_output(betas: frozenset[str], find: FindModel) -> FindModel:
    if LONG_OUTPUT_BETA not in betas:
        return find

    def find_long(name: str) -> Model:
        model = find(name)
        if model.id in LONG_OUTPUT_MODELS:
            return replace(model, max_output=LONG_OUTPUT_TOKENS)
        return model

    return find_long
