"""The quality of labels as text for the end of a run; no line is longer than 80 characters."""

from collections.abc import Iterator

from batcher.core.plural import counted
from batcher.core.quality.calibration import Calibration
from batcher.core.quality.drift import Drift
from batcher.core.quality.gold_comparison import ClassFigures, GoldComparison
from batcher.core.quality.gold_numbers import NumberComparison
from batcher.core.quality.votes import Agreement

_CLASSES_SHOWN = 12
_CONFUSIONS_SHOWN = 5
_NAME_WIDTH = 28


def comparison_lines(name: str, comparison: GoldComparison) -> Iterator[str]:
    """Report a comparison with gold labels: headline, worst classes, most frequent confusions."""
    accuracy = comparison.accuracy
    if accuracy is None:
        yield f"{shortened(name)}: no row has both an answer and a gold label"
        yield from _not_counted(comparison)
        return
    yield (
        f"{shortened(name)}: accuracy {percent(accuracy.value)} "
        f"({accuracy.low * 100:.1f} to {accuracy.high * 100:.1f}) "
        f"over {counted(comparison.total, 'row')}"
    )
    if not comparison.has_classes:
        yield "  no figures by class: free text, numbers or too many different values"
    else:
        kappa = "not defined: one class" if comparison.kappa is None else f"{comparison.kappa:.3f}"
        macro, weighted = comparison.macro_f1 or 0.0, comparison.weighted_f1 or 0.0
        yield f"  macro F1 {macro:.3f}, weighted F1 {weighted:.3f}, kappa {kappa}"
    yield from _not_counted(comparison)
    yield from _class_table(comparison.classes())
    yield from _confusion_table(comparison)
    if len(comparison.names) > _CLASSES_SHOWN:
        yield "  all classes and confusions: quality.gold in run.json"


def _not_counted(comparison: GoldComparison | NumberComparison) -> Iterator[str]:
    """Report the rows that the figures do not include."""
    if comparison.unlabelled:
        with_gold = comparison.total + comparison.unlabelled
        rows, verb = counted(with_gold, "row"), "has" if comparison.unlabelled == 1 else "have"
        yield (
            f"  not counted: {comparison.unlabelled:,} of {rows} with a gold label {verb} no answer"
        )
    if comparison.without_gold:
        answers = counted(comparison.without_gold, "answer")
        yield f"  not counted: {answers} without a gold label"


def _class_table(classes: list[ClassFigures]) -> Iterator[str]:
    """Report the classes by F1, lowest first; a dash stands for a figure that is not defined."""
    if not classes:
        return
    worst = sorted(classes, key=lambda entry: (entry.f1, -entry.support, entry.name))
    shown, others = worst[:_CLASSES_SHOWN], worst[_CLASSES_SHOWN:]
    width = max(len("class"), *(len(shortened(entry.name)) for entry in shown))
    yield ""
    yield f"  {'class':{width}}  {'gold':>7}  {'precision':>9}  {'recall':>6}  {'F1':>5}"
    for entry in shown:
        precision = f"{entry.precision:.3f}" if entry.answers else "-"
        recall = f"{entry.recall:.3f}" if entry.support else "-"
        yield (
            f"  {shortened(entry.name):{width}}  {entry.support:7,}  {precision:>9}  {recall:>6}  "
            f"{entry.f1:.3f}"
        )
    if others:
        yield f"  and {len(others):,} more, F1 {others[0].f1:.3f} or better"


def _confusion_table(comparison: GoldComparison) -> Iterator[str]:
    """Report the most frequent pairs of a gold label and a different answer."""
    confusions = list(comparison.confusions())
    if not confusions:
        return
    shown = confusions[:_CONFUSIONS_SHOWN]
    gold_width = max(len("gold"), *(len(shortened(gold)) for gold, _, _ in shown))
    answer_width = max(len("answer"), *(len(shortened(answer)) for _, answer, _ in shown))
    yield ""
    yield f"  {'gold':{gold_width}}  {'answer':{answer_width}}  {'rows':>7}"
    for gold, answer, rows in shown:
        yield f"  {shortened(gold):{gold_width}}  {shortened(answer):{answer_width}}  {rows:7,}"
    left = sum(rows for _, _, rows in confusions[_CONFUSIONS_SHOWN:])
    if left:
        largest = confusions[_CONFUSIONS_SHOWN][2]
        yield f"  and {counted(left, 'more row')}, at most {largest:,} of one pair"


def number_lines(name: str, comparison: NumberComparison) -> Iterator[str]:
    """Report how numbers compare with the gold column."""
    error, bias = comparison.mean_absolute_error, comparison.mean_error
    if error is None or bias is None:
        yield f"{shortened(name)}: no row has both a number and a gold number"
    else:
        defined = comparison.correlation is not None
        correlation = f"{comparison.correlation:.3f}" if defined else "not defined"
        rows = counted(comparison.total, "row")
        yield f"{shortened(name)}: mean absolute error {error:.4g} over {rows}"
        yield f"  mean error {bias:+.4g}, correlation {correlation}"
    yield from _not_counted(comparison)


def calibration_lines(name: str, calibration: Calibration) -> Iterator[str]:
    """Report whether stated confidence agrees with accuracy, bin by bin."""
    error = calibration.expected_error
    if error is None:
        yield f"{shortened(name)}: no answer states a confidence from 0 to 1"
        return
    yield (
        f"{shortened(name)}: differs from accuracy by {percent(error)} on average "
        f"({counted(calibration.total, 'answer')})"
    )
    if calibration.unusable:
        values = counted(calibration.unusable, "value that is", "values that are")
        yield f"  not counted: {values} not from 0 to 1"
    yield ""
    yield f"  {'confidence':>10}  {'correct':>7}  {'answers':>9}"
    for entry in calibration.bins():
        yield f"  {entry.confidence:10.3f}  {percent(entry.accuracy):>7}  {entry.answers:9,}"


def drift_lines(name: str, drift: Drift) -> Iterator[str]:
    """Report how the distribution of labels changed since the last run."""
    yield f"{shortened(name)}: distribution differs by {percent(drift.distance)} from the last run"
    width = max(len("class"), *(len(shortened(change.name)) for change in drift.changes))
    yield f"  {'class':{width}}  {'before':>7}  {'now':>7}"
    for change in drift.changes:
        yield (
            f"  {shortened(change.name):{width}}  {percent(change.before):>7}  "
            f"{percent(change.now):>7}"
        )


def agreement_lines(name: str, agreement: Agreement) -> Iterator[str]:
    """Report how far several answers to a row agree."""
    share = agreement.mean_agreement
    if share is None:
        yield f"{shortened(name)}: no row has two answers"
        return
    rows = counted(agreement.rows, "row")
    yield f"{shortened(name)}: mean agreement {percent(share)} over {rows}"
    alpha = "not defined" if agreement.alpha is None else f"{agreement.alpha:.3f}"
    ties = f"{agreement.ties:,} tie{'' if agreement.ties == 1 else 's'}"
    yield f"  {agreement.unanimous:,} unanimous, {ties} (no majority label), alpha {alpha}"
    if agreement.single_answers:
        yield f"  not counted: {counted(agreement.single_answers, 'row')} with a single answer"


def percent(share: float) -> str:
    """Return a share in percent with one decimal; only exact ends become 0.0 and 100.0."""
    tenths = round(share * 1000)
    if 0 < share < 1:
        tenths = min(999, max(1, tenths))
    return f"{tenths / 10:.1f} %"


def shortened(name: str) -> str:
    """Return a name on one line: unprintable characters replaced, a long end cut off."""
    printable = "".join(char if char.isprintable() else "?" for char in name) or '""'
    return printable if len(printable) <= _NAME_WIDTH else f"{printable[: _NAME_WIDTH - 3]}..."
