"""A heartbeat beats at once and repeatedly, and never after it was stopped."""

import threading

from batcher.runner.record.heartbeat import Heartbeat


def test_it_beats_until_it_is_stopped() -> None:
    """After ``stop`` its thread is gone, so nothing can beat any more."""
    beats: list[int] = []
    enough = threading.Event()

    def beat() -> None:
        beats.append(1)
        if len(beats) >= 3:
            enough.set()

    pulse = Heartbeat(beat, every_s=0.001)
    pulse.start()
    assert enough.wait(10)
    pulse.stop()
    assert not any(thread.name == "pulse" for thread in threading.enumerate())


def test_it_stops_at_once_between_two_beats() -> None:
    """``stop`` does not wait for the next beat."""
    beaten = threading.Event()
    pulse = Heartbeat(beaten.set, every_s=3600)
    pulse.start()
    assert beaten.wait(10)
    pulse.stop()
    pulse.stop()


def test_a_full_disk_is_skipped() -> None:
    """A beat that cannot write does not end the others."""
    beats: list[int] = []
    enough = threading.Event()

    def beat() -> None:
        beats.append(1)
        if len(beats) < 3:
            raise OSError(28, "No space left on device")
        enough.set()

    pulse = Heartbeat(beat, every_s=0.001)
    pulse.start()
    assert enough.wait(10)
    pulse.stop()


def test_stopping_what_never_began_is_nothing() -> None:
    """A run that fails before its first beat has nothing to stop."""
    Heartbeat(lambda: None).stop()
