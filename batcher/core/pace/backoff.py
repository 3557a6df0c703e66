"""How long to wait before the next attempt."""

RETRY_AFTER_SPREAD = 0.1


def full_jitter_s(failures: int, max_wait_s: float, random: float) -> float:
    """Wait a random share of an exponentially growing limit: ``random x min(max_wait, 2^n)``.

    ``failures`` counts from 1, ``random`` is uniform in [0, 1). Full jitter spreads clients that
    failed together better than a fixed delay does (M. Brooker, "Exponential Backoff and Jitter").
    """
    exponent = min(failures - 1, 30)
    return random * min(max_wait_s, float(2**exponent))


def obeyed_s(retry_after_s: float, random: float) -> float:
    """Wait what the server asked for, never less, and up to a tenth more, so waiters spread out."""
    return retry_after_s * (1 + RETRY_AFTER_SPREAD * random)
