"""Converts transport failures to the error types that users see.

Before a status line (NoResponse):

    client.dns              the host's name has no address                       never sent
    client.connect          refused, unreachable, or no TLS on the other side    never sent
    client.tls              the certificate does not verify; fatal               never sent
    client.connect_timeout  no connection within 10 s or the whole timeout       never sent
    client.proxy            the proxy refuses to connect us                      never sent
    client.open_files       this process has no open file left for a connection  never sent
    client.pool             the slot's connection is in use by another request   never sent
    client.timeout          no status line within the whole timeout              sent
    client.read             the connection broke before a response               sent
    client.write            the connection broke while the request was written   sent
    client.protocol         the reply is not HTTP, or the server hung up         sent

"Sent" means that a part of the request's body may have been sent; a body that was surely not sent
to its end is free all the same. When a kept connection turns out to be closed before the body is
sent, the request counts as never sent: a server needs the whole body to respond.

After a status line (the fault of a Response):

    client.cut_short          the connection broke, or the body is shorter than announced
    client.timeout            the whole timeout passed
    client.stalled            no byte came for the idle timeout; a stream's pings are bytes
    client.answer_too_large   the decoded body is larger than the cap; its beginning is kept
    client.undecodable        an unknown or damaged content encoding
    client.stream_error       an error event; the body is that error
    client.stream_broken      the events do not form a message
    client.stream_incomplete  the stream ended without message_stop

A cut that HTTP cannot detect (no length, or a length that is too short) looks like success; it is
detected when the message is parsed.
"""

import errno
import os
import socket
import ssl
from collections.abc import Iterator

from batcher.core.answers.response import NoResponse

OPEN_FILES = "client.open_files"


class TransportFailure(Exception):  # noqa: N818 - they are values of an attempt, raised only here
    """A connection broke before a response; its own text is never shown, as it may quote content.

    ``is_unsent``: no request can have been sent.
    """

    error_type = "client.read"
    message = "the connection broke before a response"
    is_unsent = False


class CouldNotConnect(TransportFailure):
    """There is no connection to the server."""

    error_type, message, is_unsent = "client.connect", "could not connect", True


class NoConnectionInTime(TransportFailure):
    """There was no connection within the time for connecting."""

    error_type, message, is_unsent = "client.connect_timeout", "no connection in time", True


class ConnectionBusy(TransportFailure):
    """The slot's connection is in use by another request."""

    error_type, message, is_unsent = "client.pool", "the connection is in use", True


class ProxyRefused(TransportFailure):
    """The proxy does not connect us."""

    error_type, message, is_unsent = "client.proxy", "the proxy refused to connect", True


class WriteFailed(TransportFailure):
    """The connection broke while the request was written."""

    error_type, message = "client.write", "the connection broke while sending"


class NotHttp(TransportFailure):
    """The reply is not HTTP, or the server hung up."""

    error_type, message = "client.protocol", "the server hung up or did not speak HTTP"


def no_response(
    error: Exception, *, was_sent: bool, latency_s: float, was_whole: bool = True
) -> NoResponse:
    """Return a failure before a status line.

    ``was_sent``: the body was being written; ``was_whole``: it was written to its end.
    """
    was_sent = was_sent and not (isinstance(error, TransportFailure) and error.is_unsent)
    error_type, message = _named(error)
    if error_type == "client.timeout" and not was_sent:
        error_type, message = "client.connect_timeout", "no connection in time"
    is_cut = was_sent and not was_whole
    if is_cut:
        message += ", while the request was being sent"
    is_fatal = error_type == "client.tls"
    return NoResponse(error_type, message, was_sent, latency_s, is_fatal, is_cut=is_cut)


def body_fault(error: Exception, *, is_idle: bool) -> str:
    """Return the fault for a failure after the status; ``is_idle``: by the idle timeout."""
    if not isinstance(error, TimeoutError):
        return "client.cut_short"
    return "client.stalled" if is_idle else "client.timeout"


def _named(error: Exception) -> tuple[str, str]:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "client.tls", f"the certificate does not verify: {cause.verify_message}"
        if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE):
            return OPEN_FILES, "no open file is left for a connection (ulimit -n)"
        if isinstance(cause, socket.gaierror):
            return "client.dns", "the host's name has no address"
    if isinstance(error, TimeoutError):
        return "client.timeout", "no response in time" + _system_reason(error)
    failure = error if isinstance(error, TransportFailure) else TransportFailure
    return failure.error_type, failure.message + _system_reason(error)


def _system_reason(error: Exception) -> str:
    """Return the operating system's reason, such as ": Connection refused"."""
    numbers = [c.errno for c in _causes(error) if isinstance(c, OSError) and c.errno]
    is_tls = any(isinstance(cause, ssl.SSLError) for cause in _causes(error))
    if is_tls:
        return ": no TLS on the other side"
    return f": {os.strerror(numbers[-1])}" if numbers and numbers[-1] > 0 else ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and all its causes, the nearest first."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop(0)
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__]
        if isinstance(cause, BaseExceptionGroup):
            waiting += cause.exceptions
