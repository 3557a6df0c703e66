"""Kills at random times, spread over a whole job."""

import random
import time
from collections.abc import Iterator

from crashed_job import CrashedJob

_EARLY = 0.1
_JITTER_S = 0.02
_POLL_S = 0.002
_SPARE_KILLS = 3


def kill_at_random(crashed: CrashedJob, kills: int, rng: random.Random) -> None:
    """Kill the job ``kills`` times, with about equally many answers between the kills.

    90 % of the kills come a random number of answers after the first answer of the run, plus a
    random time of up to 20 ms; the others at a random time between the start and the first answer.
    """
    warm_up_s = 1.0
    answered = crashed.answered()
    while crashed.tally.kills < kills:
        share = crashed.rows_left / (kills - crashed.tally.kills + _SPARE_KILLS)
        answers = rng.randint(1, max(1, round(2 * share)))
        before, started = next(answered), time.monotonic()
        crashed.start()
        if rng.random() < _EARLY:
            crashed.has_ended(rng.uniform(0, warm_up_s))
        else:
            _wait(crashed, answered, before + 1)
            warm_up_s = time.monotonic() - started
            _wait(crashed, answered, before + answers)
            crashed.has_ended(rng.uniform(0, _JITTER_S))
        crashed.kill()


def _wait(crashed: CrashedJob, answered: Iterator[int], count: int) -> None:
    """Wait until this number of requests is answered."""
    while next(answered) < count:
        assert not crashed.has_ended(_POLL_S), "the run ended before its kill"
