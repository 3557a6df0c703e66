"""The prepaid credit of the organisation."""

from decimal import Decimal

from batcher.simulator.api_error import ApiError

TOO_LOW = (
    "Your credit balance is too low to access the Anthropic API. "
    "Please go to Plans & Billing to upgrade or purchase credits."
)


class Credit:
    """What is left in USD; None is unlimited. The last answer may cost more than what is left."""

    def __init__(self, usd: Decimal | None) -> None:
        self.left = usd

    def check(self) -> None:
        """Raise the API's error when nothing is left."""
        if self.left is not None and self.left <= 0:
            raise ApiError(400, TOO_LOW)

    def charge(self, usd: Decimal) -> None:
        """Take the cost of an answer."""
        if self.left is not None:
            self.left -= usd

    def add(self, usd: Decimal) -> None:
        """Buy more."""
        if self.left is not None:
            self.left += usd
