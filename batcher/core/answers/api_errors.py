"""What the API's errors mean, as data: about the account, about the row, transient.

The first list has the errors about the account, the organization or a gateway's budget: no request
can succeed. An entry fits an error by its code, by its type, by how its message starts, or by what
it says outside of quotations. The wording of messages is not stable, so a phrase is as short as it
can be without fitting an error about a row; messages are compared in lower case. An error that is
missing here is still noticed, later: when it is all that comes back (``core.pace.suspects``).

Sources: [errors] the API's documentation of errors and spend limits, and the codes of its SDK
(October and November 2026); [reports] public reports of users, 2024 to 2026, with the response as
they received it; [gateway] the source and the documentation of gateways that speak the API.
"""

import re
from dataclasses import dataclass

from batcher.core.answers.gateway import TIMEOUTS_4XX
from batcher.core.answers.message import ApiError

_CREDIT = "buy credits on the billing page of the console; then run the same command again"
_SPEND_LIMIT = "the spend limit is reached; raise it in the console, then run again"
_BILLING = "see the billing page of the console; then run again"
_ORGANIZATION = "the organization is on hold or disabled; see the console, then run again"
_GATEWAY_BUDGET = (
    "the gateway's budget is used up; raise it there or wait for its next period, then run the "
    "same command again"
)
_PROVIDER_QUOTA = "the quota of the account is used up; raise it there, then run again"

_QUOTED = re.compile(r"(['\"`]).*?\1")  # an error about a row may quote the row


@dataclass(frozen=True, slots=True)
class AccountError:
    """One error: its code, type or a part of its message; what to do; its source."""

    advice: str
    source: str
    code: str = ""
    type: str = ""
    starts: str = ""
    says: str = ""

    def fits(self, error: ApiError) -> bool:
        """Return whether an error of the API is this one."""
        if self.code:
            return error.error_code == self.code
        if self.type:
            return error.type == self.type
        message = error.message.lower()
        if self.starts:
            return message.startswith(self.starts)
        return self.says in _QUOTED.sub("", message)


ACCOUNT_ERRORS = (
    AccountError(_SPEND_LIMIT, "errors, 429", code="enforced_spend_limit_reached"),
    AccountError(_SPEND_LIMIT, "errors, 429", code="contract_spend_limit_reached"),
    AccountError(_SPEND_LIMIT, "errors, 429", code="linked_organization_spend_limit_reached"),
    AccountError(_BILLING, "errors, 400", code="linked_organization_billing_unavailable"),
    AccountError(_ORGANIZATION, "errors, 400", code="organization_on_hold"),
    AccountError(_BILLING, "errors, 402", type="billing_error"),
    AccountError(_SPEND_LIMIT, "errors, 400", starts="you have reached your specified api usage"),
    AccountError(
        _SPEND_LIMIT, "errors, 400", starts="you have reached your specified workspace api usage"
    ),
    AccountError(_CREDIT, "reports, 400", says="credit balance is too low"),
    AccountError(_ORGANIZATION, "reports, 400 and 403", says="organization has been disabled"),
    AccountError(_ORGANIZATION, "reports, 403", says="account has been disabled"),
    AccountError(_ORGANIZATION, "reports, 403", says="account has been suspended"),
    AccountError(_GATEWAY_BUDGET, "gateway, 400 and 429", type="budget_exceeded"),
    AccountError(_GATEWAY_BUDGET, "gateway, 400", says="budget has been exceeded"),
    AccountError(_GATEWAY_BUDGET, "gateway, 400", says="exceededbudget:"),
    AccountError(_GATEWAY_BUDGET, "gateway, 429", says="exceeded budget for"),
    AccountError(_GATEWAY_BUDGET, "gateway, 412", says="usage limits exceeded"),
    AccountError(_PROVIDER_QUOTA, "gateway, 429", code="insufficient_quota"),
    AccountError(_PROVIDER_QUOTA, "gateway, 429", type="insufficient_quota"),
    AccountError(_PROVIDER_QUOTA, "gateway, 402 and 403", says="insufficient credits"),
    AccountError(_PROVIDER_QUOTA, "gateway, 402 and 403", says="insufficient balance"),
    AccountError(_PROVIDER_QUOTA, "gateway, 429", says="exceeded your current quota"),
    AccountError(_BILLING, "gateway, 400", code="billing_hard_limit_reached"),
    AccountError(_BILLING, "gateway, 429", code="billing_not_active"),
)


def account_error(error: ApiError) -> AccountError | None:
    """Return the entry that an error fits, or None for an error about something else."""
    return next((known for known in ACCOUNT_ERRORS if known.fits(error)), None)


ROW_ERRORS = (
    "prompt is too long",
    "input is too long",
    "exceed context limit",
    "maximum context length",
    "output blocked by content filtering",
    "content filtering policy",
    "could not process image",
    "image exceeds",
    "image dimensions",
    "could not process pdf",
    "pdf pages",
    "text content blocks must be",
    "must have non-empty content",
    "invalid base64",
)
"""What an error of the API says when the row explains it: its length, its words or its files."""


def is_about_row(error: ApiError) -> bool:
    """Return whether the row explains an error of the API."""
    message = error.message.lower()
    return error.type == "request_too_large" or any(text in message for text in ROW_ERRORS)


ADVICE_BY_STATUS = {
    401: "check the key: it may be wrong, expired or for another server",
    402: "see the billing page of the console; then run again",
    403: "ask for permission, or use another key or model; then run again",
    404: "check request.model and api.base_url: the model may be retired or the address wrong",
}
"""What to do when an error with this status, and no entry above, concerns every request."""

ACCESS_STATUSES = frozenset({401, 403, 404})
"""Statuses that usually concern every request; a firewall may give one for a row's words."""

STATUS_OF_STREAM_ERROR = {
    "overloaded_error": 529,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "conflict_error": 409,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
}
"""The status that an error would have had, if it did not come after a 200."""


def is_transient(status: int, error: ApiError) -> bool:
    """Return whether another attempt of the same request may succeed."""
    is_timeout = error.error_code == "request_body_timeout"
    return status in {*TIMEOUTS_4XX, 409, 429} or status >= 500 or is_timeout
