"""What can be wrong with the usage that a response reports, as errors that name the field."""

from collections.abc import Collection


class UsageError(ValueError):
    """A usage object contradicts itself or its documented types; ``field`` says where."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field[:120]
        super().__init__(f"usage field {self.field!r} {reason}")


class UnknownUsageError(UsageError):
    """A usage field may cost money, and its price is not known.

    The job file can declare ``field``, and all ``others`` with it, free with
    ``[prices] free_usage_fields``.
    """

    def __init__(
        self,
        field: str,
        reason: str = "may cost money and has no known price",
        others: Collection[str] = (),
    ) -> None:
        names = ", ".join(repr(other[:120]) for other in others)
        super().__init__(field, f"{reason}; so may {names}" if names else reason)


class ImpossibleUsageError(UsageError):
    """A count is one that no request can have."""


class MissingUsageError(UsageError):
    """A response has no usage object."""

    def __init__(self) -> None:
        ValueError.__init__(self, "the response reports no usage")
        self.field = "usage"
