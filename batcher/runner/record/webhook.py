"""Posts the notice of a run to the webhook of its job."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from batcher.api.transport import TransportFactory, transport_factory
from batcher.core.job import Job
from batcher.core.job.server import address_problem
from batcher.core.notice import NotDelivered, Notice
from batcher.outputs.notices.webhook import Sleep, check_token, post


@dataclass(frozen=True, slots=True)
class Webhook:
    """The address that a notice is posted to, and its token; both are secrets."""

    url: httpx.URL = field(repr=False)
    token: str | None = field(repr=False)
    open_transport: TransportFactory = field(repr=False)


def webhook_of(job: Job, environ: Mapping[str, str]) -> Webhook:
    """Read the webhook of a job from the environment.

    Raises NotDelivered when a variable is not set or its value cannot be used, and
    ConfigurationError for wrong proxy or certificate settings. No message contains a secret.
    """
    names = (job.notify.webhook_env, job.notify.token_env)
    for name in names:
        if name is not None and not environ.get(name, "").strip():
            raise NotDelivered(f"{name} is not set")
    address, token_env = environ[str(job.notify.webhook_env)].strip(), job.notify.token_env
    problem = address_problem(address, takes_query=True)
    if problem is not None:
        raise NotDelivered(f"{job.notify.webhook_env} {problem}")
    token = None if token_env is None else environ[token_env].strip()
    if token is not None:
        check_token(token)
    url = httpx.URL(address)
    return Webhook(url, token, transport_factory(url))


def post_notice(
    job: Job, environ: Mapping[str, str], notice: Notice, sleep: Sleep | None = None
) -> None:
    """Post a notice; ``sleep`` waits between tries. Raises as ``webhook_of``, and NotDelivered."""
    asyncio.run(_post(webhook_of(job, environ), notice, sleep or asyncio.sleep))


async def _post(webhook: Webhook, notice: Notice, sleep: Sleep) -> None:
    async with webhook.open_transport() as transport:
        await post(transport, webhook.url, webhook.token, notice.content(), sleep)
