"""Short plausible text, and a choice among options the prompt itself offers."""

import re
from collections.abc import Sequence

from batcher.simulator.model.seeded_random import Dice

OPENINGS = (
    "In short,", "Overall,", "On balance,", "Judging by the text,", "At first sight,",
    "Taken together,", "As far as one can tell,", "Put simply,",
)  # fmt: skip
SUBJECTS = (
    "the item", "the text", "this entry", "the description", "the package", "the record",
    "the example", "the passage",
)  # fmt: skip
VERBS = (
    "describes", "concerns", "provides", "covers", "explains", "mentions", "supports", "lists",
)  # fmt: skip
OBJECTS = (
    "a small command line tool", "a library for developers", "an everyday task",
    "a well known idea", "data for other programs", "a graphical application",
    "several related topics", "a service that runs in the background",
)  # fmt: skip
ENDINGS = (
    "with few details.", "in plain words.", "for a general audience.", "without giving numbers.",
    "and says what it is for.", "and little else.",
)  # fmt: skip
WORDS = (
    "amber", "basil", "cedar", "delta", "ember", "fjord", "grove", "heron", "indigo", "jasper",
    "kelp", "linen", "maple", "north", "ochre", "pearl", "quartz", "river", "slate", "tidal",
)  # fmt: skip
OPTIONS_SHOWN_WITHIN = 400
_OFFER = re.compile(
    r"(?:one|any|either) of(?: the following| these)?:?\s*([^\n.?!;]+)", re.IGNORECASE
)
_BETWEEN = re.compile(r"\s*(?:,\s*or\b|,|\||/|\bor\b)\s*", re.IGNORECASE)


def sentences(dice: Dice, count: int) -> str:
    """So many sentences."""
    return " ".join(sentence(dice) for _ in range(count))


def sentence(dice: Dice) -> str:
    """One sentence of about a dozen words."""
    parts = (OPENINGS, SUBJECTS, VERBS, OBJECTS, ENDINGS)
    return " ".join(dice.pick(part) for part in parts)


def words(dice: Dice, count: int) -> str:
    """So many words."""
    return " ".join(dice.pick(WORDS) for _ in range(count))


def offered_options(prompt: str) -> Sequence[str]:
    """Read the options of the last phrase like ``one of: a, b, c``; else nothing."""
    start = prompt.rfind(" of")
    if start < 0:
        return ()
    found = list(_OFFER.finditer(prompt, max(0, start - OPTIONS_SHOWN_WITHIN)))
    if not found:
        return ()
    options = [part.strip(" \"'`*()[]") for part in _BETWEEN.split(found[-1][1])]
    options = [option for option in options if option]
    return options if len(options) > 1 else ()


def reply(prompt: str, dice: Dice) -> str:
    """Say something as the model does without a schema."""
    options = offered_options(prompt)
    return dice.pick(options) if options else sentences(dice, dice.between(1, 3))
