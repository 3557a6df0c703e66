"""The answers of the offered models, live or in a batch, with their usage and their price."""

import itertools
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from batcher.simulator.api_error import ApiError
from batcher.simulator.billing.model_table import Model, models
from batcher.simulator.billing.prompt_cache import Plan, PromptCache
from batcher.simulator.billing.prompt_tokens import prompt_tokens, segments
from batcher.simulator.billing.usage import Usage, price
from batcher.simulator.json_body import Body
from batcher.simulator.model.answer import Answer, ModelInput, generate_answer
from batcher.simulator.model.answer_key import AnswerKey
from batcher.simulator.model.behaviour import Behaviour
from batcher.simulator.settings import Settings

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A valid request whose prompt fits the model, with its cache plan."""

    body: Body
    model: Model
    tokens: int
    plan: Plan


@dataclass(frozen=True, slots=True)
class BilledAnswer:
    """The answer to one valid request, with its cache plan and its usage."""

    body: Body
    model: Model
    answer: Answer
    plan: Plan
    usage: Usage

    @property
    def cost(self) -> Decimal:
        """The exact cost in USD; some refusals are free."""
        return price(self.model, self.usage) * (not self.answer.is_free)

    def message(self, message_id: str) -> Json:
        """Return the API's Message object."""
        return {
            "id": message_id,
            "type": "message",
            "role": "assistant",
            "model": self.model.id,
            "content": list(self.answer.content),
            "stop_reason": self.answer.stop_reason,
            "stop_sequence": self.answer.stop_sequence,
            "stop_details": self.answer.stop_details,
            "container": None,
            "diagnostics": None,
            "usage": self.usage.as_json(),
        }


class Answers:
    """Answers requests for one organisation; it belongs to one event loop."""

    def __init__(self, settings: Settings) -> None:
        self.behaviour = Behaviour(
            settings.refusal_rate,
            settings.invalid_rate,
            settings.careless_rate,
            settings.variety_rate,
            settings.right_rate,
            AnswerKey() if settings.truth is None else AnswerKey.read(settings.truth),
        )
        self._seed = settings.seed
        self._offered = settings.models
        self._requests_by_key: Counter[str] = Counter()
        # Ids differ between processes, so that no test can rely on them.
        self._process = secrets.token_hex(4)
        self._ids = itertools.count(1)

    def new_id(self, prefix: str) -> str:
        """Return an id that no other response of any simulator has."""
        return f"{prefix}_01{self._process}{next(self._ids):012x}"

    def model(self, name: str) -> Model:
        """Return an offered model by its id or alias, or raise a 404."""
        model = models().get(name)
        if model is None or not model.is_live or not self.is_offered(model):
            raise ApiError(404, f"model: {name}")
        return model

    def is_offered(self, model: Model) -> bool:
        """Whether the settings offer the model, retired or not."""
        return not self._offered or model.id in self._offered

    def read_prompt(self, body: Body, model: Model, cache: PromptCache, reader: "Reader") -> Prompt:
        """Count a prompt and plan its caching, or raise a 400 for one that is too long."""
        parts = segments(body.value, model)
        tokens = prompt_tokens(parts)
        if tokens > model.context_window:
            text = f"prompt is too long: {tokens} tokens > {model.context_window} maximum"
            raise ApiError(400, text)
        space = _cache_space(body.value, model, reader.workspace)
        minimum = model.min_cacheable_tokens
        plan = cache.plan(parts, space, minimum, reader.now, not_from=reader.not_from)
        return Prompt(body, model, tokens, plan)

    def answer(self, prompt: Prompt, *, tier: str = "standard") -> BilledAnswer:
        """Return the answer, which is the same in every service tier."""
        body, model = prompt.body, prompt.model
        request = ModelInput(
            body.value,
            model,
            body.unmarked_key,
            model.context_window - prompt.tokens,
            self._count_repetition(body.unmarked_key),
        )
        answer = generate_answer(request, self.behaviour, self._seed)
        return BilledAnswer(body, model, answer, prompt.plan, _usage(prompt, answer, tier))

    def _count_repetition(self, key: str) -> int:
        """Count a request and return how many equal ones came before it.

        It counts only if answers may vary; otherwise memory stays constant.
        """
        if not self.behaviour.variety_rate:
            return 0
        self._requests_by_key[key] += 1
        return self._requests_by_key[key] - 1


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads the prompt cache, and when; ``not_from`` names a batch whose entries are unseen."""

    now: float
    workspace: str = ""
    not_from: str | None = None


def _cache_space(body: Mapping[str, Any], model: Model, workspace: str) -> list[Any]:
    # Thinking and effort start a new prefix; the format is part of the first segment.
    config = body.get("output_config") or {}
    speed = body.get("speed") or "standard"
    return [workspace, model.id, speed, body.get("thinking"), config.get("effort")]


def _usage(prompt: Prompt, answer: Answer, tier: str) -> Usage:
    body, plan = prompt.body.value, prompt.plan
    is_fast = body.get("speed") == "fast" and prompt.model.fast_rates is not None
    return Usage(
        input=plan.uncached,
        output=answer.output_tokens,
        write_5m=plan.write_5m,
        write_1h=plan.write_1h,
        read=plan.read,
        thinking=answer.thinking_tokens,
        inference_geo=body.get("inference_geo") or "global",
        speed="fast" if is_fast else "standard",
        tier=tier,
    )
