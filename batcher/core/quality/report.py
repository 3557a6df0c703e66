"""The quality of labels in words, for the end of a run: no line has more than 80 characters."""

from collections.abc import Iterator

from batcher.core.quality.confidence import Confidence
from batcher.core.quality.drift import Drift
from batcher.core.quality.gold_comparison import ClassFigures, GoldComparison
from batcher.core.quality.numbers import Numbers
from batcher.core.quality.votes import Agreement

_CLASSES_SHOWN = 12
_CONFUSIONS_SHOWN = 5
_NAME_WIDTH = 28


def comparison_lines(name: str, found: GoldComparison) -> Iterator[str]:
    """Say how labels compare with the gold column.

    The headline, the classes that do worst, and what was mixed up most often.
    """
    accuracy = found.accuracy
    if accuracy is None:
        yield f"{shortened(name)}: no row has both a label and a gold label"
        yield from _missing(found)
        return
    yield (
        f"{shortened(name)}: accuracy {percent(accuracy.value)} "
        f"({accuracy.low * 100:.1f} to {accuracy.high * 100:.1f}) of {found.total:,} rows"
    )
    if found.is_open:
        yield "  it has too many different values to be told class by class"
    else:
        kappa = "not defined: one class" if found.kappa is None else f"{found.kappa:.3f}"
        macro, weighted = found.macro_f1 or 0.0, found.weighted_f1 or 0.0
        yield f"  macro F1 {macro:.3f}, weighted F1 {weighted:.3f}, kappa {kappa}"
    yield from _missing(found)
    yield from _table(found.classes())
    yield from _confusions(found)
    if len(found.names) > _CLASSES_SHOWN:
        yield "  all classes and confusions: quality.gold in run.json"


def _missing(found: GoldComparison | Numbers) -> Iterator[str]:
    """The rows that are in no figure."""
    if found.unlabelled:
        wanted = found.total + found.unlabelled
        yield f"  not counted: {found.unlabelled:,} of {wanted:,} rows with gold have no label"
    if found.ungolden:
        yield f"  not counted: {found.ungolden:,} labels without gold"


def _table(classes: list[ClassFigures]) -> Iterator[str]:
    """The classes by F1, the worst first; a figure that nothing says is a dash."""
    if not classes:
        return
    worst = sorted(classes, key=lambda one: (one.f1, -one.support, one.name))
    shown, others = worst[:_CLASSES_SHOWN], worst[_CLASSES_SHOWN:]
    width = max(len("class"), *(len(shortened(one.name)) for one in shown))
    yield ""
    yield f"  {'class':{width}}  {'gold':>7}  {'precision':>9}  {'recall':>6}  {'F1':>5}"
    for one in shown:
        precision = f"{one.precision:.3f}" if one.answers else "-"
        recall = f"{one.recall:.3f}" if one.support else "-"
        yield (
            f"  {shortened(one.name):{width}}  {one.support:7,}  {precision:>9}  {recall:>6}  "
            f"{one.f1:.3f}"
        )
    if others:
        yield f"  and {len(others):,} more, F1 {others[0].f1:.3f} or better"


def _confusions(found: GoldComparison) -> Iterator[str]:
    """What was taken for what, most often."""
    confused = list(found.confusions())
    if not confused:
        return
    shown = confused[:_CONFUSIONS_SHOWN]
    width = max(len("gold"), *(len(shortened(gold)) for gold, _, _ in shown))
    other = max(len("taken for"), *(len(shortened(label)) for _, label, _ in shown))
    yield ""
    yield f"  {'gold':{width}}  {'taken for':{other}}  {'rows':>7}"
    for gold, label, number in shown:
        yield f"  {shortened(gold):{width}}  {shortened(label):{other}}  {number:7,}"
    left = sum(number for _, _, number in confused[_CONFUSIONS_SHOWN:])
    if left:
        yield f"  and {left:,} more rows, at most {confused[_CONFUSIONS_SHOWN][2]:,} of one kind"


def number_lines(name: str, found: Numbers) -> Iterator[str]:
    """Say how numbers compare with the gold column."""
    error, bias = found.mean_absolute_error, found.mean_error
    if error is None or bias is None:
        yield f"{shortened(name)}: no row has both a number and a gold number"
    else:
        follows = "not defined" if found.correlation is None else f"{found.correlation:.3f}"
        yield f"{shortened(name)}: off by {error:.4g} at the mean of {found.total:,} rows"
        yield f"  mean error {bias:+.4g}, correlation {follows}"
    yield from _missing(found)


def confidence_lines(name: str, found: Confidence) -> Iterator[str]:
    """Say whether stated confidence is how often answers are right, bin by bin."""
    error = found.expected_error
    if error is None:
        yield f"{shortened(name)}: no answer states a confidence from 0 to 1"
        return
    yield (
        f"{shortened(name)}: off by {percent(error)} from how often answers are right "
        f"({found.total:,} answers)"
    )
    if found.unusable:
        yield f"  not counted: {found.unusable:,} that are no number from 0 to 1"
    yield ""
    yield f"  {'confidence':>10}  {'right':>7}  {'answers':>9}"
    for one in found.bins():
        yield f"  {one.confidence:10.3f}  {percent(one.accuracy):>7}  {one.rows:9,}"


def drift_lines(name: str, found: Drift) -> Iterator[str]:
    """Say how the labels have moved since the last run."""
    yield f"{shortened(name)}: {percent(found.distance)} of labels moved since the last run"
    width = max(len("class"), *(len(shortened(one.name)) for one in found.moved))
    yield f"  {'class':{width}}  {'then':>7}  {'now':>7}"
    for one in found.moved:
        yield f"  {shortened(one.name):{width}}  {percent(one.then):>7}  {percent(one.now):>7}"


def agreement_lines(name: str, found: Agreement) -> Iterator[str]:
    """Say how far several answers to a row agree."""
    share = found.mean_share
    if share is None:
        yield f"{shortened(name)}: no row has two answers"
        return
    yield f"{shortened(name)}: answers agree by {percent(share)} over {found.rows:,} rows"
    alpha = "not defined" if found.alpha is None else f"{found.alpha:.3f}"
    ties = f"{found.ties:,} tie{'' if found.ties == 1 else 's'}"
    yield f"  {found.unanimous:,} unanimous, {ties} (no label), alpha {alpha}"
    if found.single:
        yield f"  not counted: {found.single:,} rows with a single answer"


def percent(share: float) -> str:
    """A share with one decimal, which is 100.0 or 0.0 for all and none only."""
    tenths = round(share * 1000)
    if 0 < share < 1:
        tenths = min(999, max(1, tenths))
    return f"{tenths / 10:.1f} %"


def shortened(name: str) -> str:
    """A name on one line, with what cannot be printed replaced and its end cut off."""
    plain = "".join(char if char.isprintable() else "?" for char in name) or '""'
    return plain if len(plain) <= _NAME_WIDTH else f"{plain[: _NAME_WIDTH - 3]}..."
