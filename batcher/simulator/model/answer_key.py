"""The right answers that the simulated model is given in a file.

Each line of the file is a JSON object: ``line`` is a whole line of the prompt, ``value`` holds the
right fields of the answer to a prompt with that line. The optional ``mistakes`` is a list of
plausible wrong fields; list one twice to make it twice as likely:

    {"line": "Package: vim", "value": {"label": "editors"}, "mistakes": [{"label": "text"}]}
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """The right fields of one answer, and the fields of plausible wrong answers."""

    right: Fields
    mistakes: tuple[Fields, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """Known answers by a line of the prompt."""

    answers: Mapping[str, KnownAnswer] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, path: Path) -> "AnswerKey":
        """Read a file of JSON lines; raise ValueError for a line of another form."""
        return cls(dict(_entries(path)))

    def find(self, prompt: str) -> KnownAnswer | None:
        """Return the answer for the first line of the prompt that the key contains."""
        if not self.answers:
            return None
        answers = (self.answers.get(line) for line in prompt.splitlines())
        return next((answer for answer in answers if answer is not None), None)


def _entries(path: Path) -> Iterator[tuple[str, KnownAnswer]]:
    for number, text in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            entry = json.loads(text)
            yield (
                entry["line"],
                KnownAnswer(dict(entry["value"]), tuple(map(dict, entry.get("mistakes", ())))),
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(
                f'{path}, line {number}: must look like {{"line": "...", "value": {{...}}}}'
            ) from error
