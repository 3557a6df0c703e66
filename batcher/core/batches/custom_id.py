"""The ids of the items of a batch: each names the attempt that the item is.

``<marker>-<attempt id in base 36>``: the marker belongs to one batch, so that the first line of its
results tells whose batch it is, and the rest finds the attempt without a table.
"""

import re
import string

MARKER_CHARACTERS = 12
_DIGITS = string.digits + string.ascii_lowercase
_MARKER = re.compile(rf"[a-z0-9]{{{MARKER_CHARACTERS}}}")
_NUMBER = re.compile(r"0|[1-9a-z][0-9a-z]{0,12}")
_LARGEST = 2**63 - 1


def custom_id(marker: str, attempt_id: int) -> str:
    """Return the id of an attempt in the batch with a marker."""
    if not _MARKER.fullmatch(marker) or not 0 <= attempt_id <= _LARGEST:
        raise ValueError("a marker has 12 letters and digits, an attempt's id fits into 64 bits")
    return f"{marker}-{_base36(attempt_id)}"


def attempt_of(text: str, marker: str) -> int | None:
    """Return the attempt that an id of a batch names; None for an id of another batch or origin."""
    own, _, number = text.partition("-")
    if own != marker or not _NUMBER.fullmatch(number):
        return None
    attempt_id = int(number, 36)
    return attempt_id if attempt_id <= _LARGEST else None


def _base36(number: int) -> str:
    digits = ""
    while number >= 36:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return _DIGITS[number] + digits
