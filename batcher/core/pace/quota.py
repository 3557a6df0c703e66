"""How many retries there may be: a share of what succeeds."""

from dataclasses import dataclass, field

TOKENS = 100.0
EARNED = 0.5


@dataclass(slots=True)
class RetryQuota:
    """Retries cost a token, successes earn half of one, up to a hundred; it starts full.

    So retries are at most a third of the traffic in the long run, and trouble at the API is not
    answered with twice the load (as in gRPC's retry throttling and the SRE book's retry budgets).
    Without a token one retry at a time may still be on its way: rows are delayed,
    never dropped. Waits that a rate limit asked for are no retries. The end of an outage fills it:
    what had to wait then is sent again at the pace of the window.
    """

    level: float = field(default=TOKENS, init=False)
    _lone: int = field(default=0, init=False)

    def allows(self) -> bool:
        """Whether a retry may leave."""
        return self.level >= 1 or not self._lone

    def take(self) -> bool:
        """Let one leave; True when it leaves without a token, as the only one."""
        if self.level >= 1:
            self.level -= 1
            return False
        self._lone += 1
        return True

    def came_back(self, *, is_lone: bool) -> None:
        """Let another leave without a token."""
        self._lone -= is_lone

    def earn(self) -> None:
        """Count a success."""
        self.level = min(TOKENS, self.level + EARNED)

    def fill(self) -> None:
        """Begin anew after an outage."""
        self.level = TOKENS
