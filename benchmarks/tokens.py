"""Compares the tokens estimated from a text's characters with the counts of real tokenizers.

    python benchmarks/tokens.py TEXTS TOKENIZER.json [TOKENIZER.json ...] [--prose KIND.NAME ...]

TEXTS is a folder of UTF-8 files named KIND.NAME.txt. TOKENIZER.json is a file for the package
``tokenizers``, which only this script needs. Each tokenizer is scaled so that it agrees with the
estimate on the English prose (guide.en by default). Prints two tables as Markdown: the tokens of a
character of each class, fitted to all texts, in multiples of an English letter; and by kind of text
and script, the mean and root mean square of the natural logarithm of real over estimated tokens.

Line ends get a high value, because in lists they come before words without a space.

Texts and tokenizers are not part of this repository. Debian packages hold manuals, installation
guides and message catalogues in a hundred languages (installation-guide-amd64, manpages-*,
iso-codes, apt, debconf); the wheel of the Python SDK anthropic 0.38 holds the tokenizer of Claude
2, and several npm packages those of other makers, each as a tokenizer.json. Keep 4 to 120 kB of
each text.
"""

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batcher.core.estimate.tokens import CLASSES, CharacterClass, marked_classes, text_tokens

ROUNDS = 3_000
PIECE = 2_000  # characters, about as long as a row
MIN_SHARE = 0.002  # the rate of a class that is rarer than this in all texts means nothing


@dataclass(frozen=True, slots=True)
class Text:
    """One file: its kind, its characters by class, its estimate and its tokens by tokenizer."""

    name: str
    kind: str
    classes: tuple[int, ...]
    estimated: float
    is_other: bool
    tokens: Mapping[str, int]


def main() -> int:
    """Measure and print; return 2 when the package ``tokenizers`` is not installed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path)
    parser.add_argument("tokenizers", type=Path, nargs="+")
    parser.add_argument("--prose", nargs="+", default=["guide.en"])
    options = parser.parse_args()
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415 - only this development tool needs it
    except ImportError:
        print("error: pip install tokenizers first", file=sys.stderr)
        return 2
    counters = {path.stem: Tokenizer.from_file(str(path)) for path in options.tokenizers}
    texts = [read(path, counters) for path in sorted(options.texts.glob("*.txt"))]
    scales = {name: scale(texts, name, options.prose) for name in counters}
    print_rates(texts, list(counters))
    print_errors(texts, scales)
    return 0


def read(path: Path, counters: Mapping[str, Any]) -> Text:
    """Read one file, and count its characters and its tokens."""
    text = path.read_text("utf-8")
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    marked = marked_classes(text)
    estimate = text_tokens(text, "old")
    tokens = {
        name: sum(
            len(piece.ids) for piece in counter.encode_batch(pieces, add_special_tokens=False)
        )
        for name, counter in counters.items()
    }
    return Text(
        name=path.stem,
        kind=path.stem.partition(".")[0],
        classes=tuple(marked.count(each.mark) for each in CLASSES),
        estimated=estimate.total,
        is_other=estimate.other > estimate.total / 2,
        tokens=tokens,
    )


def scale(texts: Iterable[Text], tokenizer: str, prose: Sequence[str]) -> float:
    """Return the logarithm of the factor from a tokenizer's count of the prose to the estimate."""
    chosen = [text for text in texts if text.name in prose]
    return mean(math.log(text.estimated / text.tokens[tokenizer]) for text in chosen)


def fitted(texts: Sequence[Text], tokenizer: str) -> list[float]:
    """Return the tokens per character of each class: least squares of relative errors, none < 0."""
    rows = [[n / text.tokens[tokenizer] for n in text.classes] for text in texts]
    rates = [each.tokens for each in CLASSES]
    targets = [sum(column) for column in zip(*rows, strict=True)]
    for _ in range(ROUNDS):
        sums = [sum(a * b for a, b in zip(row, rates, strict=True)) for row in rows]
        current = [
            sum(row[index] * total for row, total in zip(rows, sums, strict=True))
            for index in range(len(rates))
        ]
        rates = [
            rate * target / value if value else rate
            for rate, target, value in zip(rates, targets, current, strict=True)
        ]
    return rates


def estimated(each: CharacterClass) -> float:
    """Return the estimated tokens of one character of a class."""
    first = each.firsts[0]
    following = 0 if first < 0x80 else 1 if first < 0xE0 else 2 if first < 0xF0 else 3
    raw = bytes([first, *b"\xa0\x80\x80"[:following]])
    return text_tokens(raw.decode(), "old").total


def print_rates(texts: Sequence[Text], names: Sequence[str]) -> None:
    """Print the tokens of each class: the estimate, and the fit of each tokenizer."""
    total = sum(sum(text.classes) for text in texts)
    columns = [[estimated(each) for each in CLASSES], *(fitted(texts, name) for name in names)]
    print(f"| tokens per character, letter = 1 | estimate | {' | '.join(names)} |")
    print("|---|" + "---|" * len(columns))
    for index, each in enumerate(CLASSES):
        if sum(text.classes[index] for text in texts) < MIN_SHARE * total:
            continue
        shown = (f"{column[index] / column[0]:.1f}" for column in columns)
        print(f"| {each.name} | {' | '.join(shown)} |")
    print()


def print_errors(texts: Iterable[Text], scales: Mapping[str, float]) -> None:
    """Print the errors by kind of text and script."""
    kinds: dict[tuple[bool, str], list[Text]] = defaultdict(list)
    for text in texts:
        kinds[text.is_other, text.kind].append(text)
    print(
        f"| mean, root mean square of ln(real / estimated) | texts | {' | '.join(scales)} | all |"
    )
    print("|---|" + "---|" * (len(scales) + 2))
    for (is_other, kind), group in sorted(kinds.items()):
        errors = [
            [math.log(text.tokens[name] / text.estimated) + level for text in group]
            for name, level in scales.items()
        ]
        errors.append([error for column in errors for error in column])
        shown = (f"{mean(e):+.2f}, {math.sqrt(mean(x * x for x in e)):.2f}" for e in errors)
        script = "other scripts" if is_other else "Latin"
        print(f"| {kind}, {script} | {len(group)} | {' | '.join(shown)} |")


def mean(values: Iterable[float]) -> float:
    """Return the mean; raise ZeroDivisionError when there are no values."""
    numbers = list(values)
    return sum(numbers) / len(numbers)


if __name__ == "__main__":
    sys.exit(main())
