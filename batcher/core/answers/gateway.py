"""Which errors may hide an answer that was billed: those of a gateway in front of the API."""

from batcher.core.answers.message import ApiError

# A gateway got no answer, or stopped waiting for one; 52x and 530 are Cloudflare's, 598 and 599 are
# those of other proxies. 529 is the API's own. A 504 with the API's own error is a request that the
# API worked on until its time was up.
_GAVE_UP = frozenset({502, 504, *range(520, 529), 530, 598, 599})

TIMEOUTS_4XX = frozenset({408, 460, 499})
"""A 4xx that gateways write when an answer took too long, or when they believe that the client has
gone; 408 may also be the API's own."""


def may_be_billed(status: int, error: ApiError) -> bool:
    """Return whether an attempt that ended in an error may have been billed nevertheless.

    The API does not bill its own errors. A gateway's error says nothing about the API: the gateway
    may have given up on an answer that was generated and billed. A refusal (a 4xx that is no
    timeout) is free, because a refused request is not answered.
    """
    if status in _GAVE_UP:
        return True
    return (status >= 500 or status in TIMEOUTS_4XX) and not error.has_api_form
