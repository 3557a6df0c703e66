"""What a night costs at the least, for one who knows how long each batch will take."""

from night import Night
from played_night import BATCH, LIVE

GRID = 2_000


def oracle_cost(night: Night) -> float:
    """Return the cost of the best plan with batches of the job's size, all made at the start.

    Batches that end by the deadline are left alone. All others are cancelled as late as their rest
    can still be sent live; what they had answered costs half. If that is never possible, their rows
    are sent live at once.
    """
    late, cost, number = [], 0.0, 0
    rest = night.rows
    while rest:
        number += 1
        rows = min(rest, night.batch_rows)
        rest -= rows
        fate = night.fate(number, rows, 0.0)
        if fate.ends_s <= night.left_s:
            failed = int(rows * fate.failed)
            cost += BATCH * (rows - failed) + BATCH * failed
        else:
            late.append((rows, fate))
    if not late:
        return cost
    best = LIVE * sum(rows for rows, _ in late)
    for tick in range(GRID):
        at = night.left_s * tick / GRID
        answered = sum(
            fate.answered(rows, fate.ends_s if fate.ignores_cancel else at) for rows, fate in late
        )
        left = sum(rows for rows, _ in late) - answered
        ends = at + max(fate.cancel_s for _, fate in late)
        if ends + left / night.rows_per_s <= night.left_s:
            best = min(best, BATCH * answered + LIVE * left)
    return cost + best
