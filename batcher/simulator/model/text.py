"""Short plausible sentences, or one of the options that the prompt offers."""

import re
from collections.abc import Sequence

from batcher.simulator.model.seeded_random import SeededRandom

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
OFFER_LENGTH = 400
"""An offer begins at most this many characters before the last " of"."""
_OFFER = re.compile(
    r"(?:one|any|either) of(?: the following| these)?:?\s*([^\n.?!;]+)", re.IGNORECASE
)
_BETWEEN = re.compile(r"\s*(?:,\s*or\b|,|\||/|\bor\b)\s*", re.IGNORECASE)


def sentences(rng: SeededRandom, count: int) -> str:
    """Return ``count`` sentences."""
    return " ".join(sentence(rng) for _ in range(count))


def sentence(rng: SeededRandom) -> str:
    """Return a sentence of about a dozen words."""
    parts = (OPENINGS, SUBJECTS, VERBS, OBJECTS, ENDINGS)
    return " ".join(rng.pick(part) for part in parts)


def words(rng: SeededRandom, count: int) -> str:
    """Return ``count`` words."""
    return " ".join(rng.pick(WORDS) for _ in range(count))


def offered_options(prompt: str) -> Sequence[str]:
    """Return the options of the last phrase such as ``one of: a, b, c``; empty without one."""
    start = prompt.rfind(" of")
    if start < 0:
        return ()
    offers = list(_OFFER.finditer(prompt, max(0, start - OFFER_LENGTH)))
    if not offers:
        return ()
    options = [part.strip(" \"'`*()[]") for part in _BETWEEN.split(offers[-1][1])]
    options = [option for option in options if option]
    return options if len(options) > 1 else ()


def reply(prompt: str, rng: SeededRandom) -> str:
    """Return an answer to a request without a schema."""
    options = offered_options(prompt)
    return rng.pick(options) if options else sentences(rng, rng.between(1, 3))
