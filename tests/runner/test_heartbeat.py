"""A heartbeat beats at once and then regularly, until it is stopped."""

import threading

from batcher.runner.record.heartbeat import Heartbeat


def test_a_heartbeat_beats_until_it_is_stopped() -> None:
    """``stop`` ends the thread, so no beat can follow."""
    beats: list[int] = []
    enough = threading.Event()

    def beat() -> None:
        beats.append(1)
        if len(beats) >= 3:
            enough.set()

    heartbeat = Heartbeat(beat, every_s=0.001)
    heartbeat.start()
    assert enough.wait(10)
    heartbeat.stop()
    assert not any(thread.name == "heartbeat" for thread in threading.enumerate())


def test_a_heartbeat_stops_at_once_between_two_beats() -> None:
    """``stop`` does not wait for the next beat, and may be called twice."""
    has_beaten = threading.Event()
    heartbeat = Heartbeat(has_beaten.set, every_s=3600)
    heartbeat.start()
    assert has_beaten.wait(10)
    heartbeat.stop()
    heartbeat.stop()


def test_a_full_disk_is_skipped() -> None:
    """A beat that raises OSError does not end the heartbeat."""
    beats: list[int] = []
    enough = threading.Event()

    def beat() -> None:
        beats.append(1)
        if len(beats) < 3:
            raise OSError(28, "No space left on device")
        enough.set()

    heartbeat = Heartbeat(beat, every_s=0.001)
    heartbeat.start()
    assert enough.wait(10)
    heartbeat.stop()


def test_a_heartbeat_that_never_began_can_be_stopped() -> None:
    """A run that fails before its first beat calls ``stop`` as well."""
    Heartbeat(lambda: None).stop()
