"""
Every exception of the hub, in one tree. An error says what happens next; :mod:`hub.runtime.steps` is its one reader.

::

    HubError
     +- Stalled(reason)             needs a new spec or a force: Stalled=True, not tried again by itself
     +- Waiting(reason, after)      something else must happen first: tried again after a while, no warning
     +- Transient(reason)           tried again with capped exponential backoff: Ready=False and a Warning event
         +- MemberUnreachable       the member does not answer: counts for its health, never for the release's failures
         +- ToolFailed              helm or git said no: exit code and the redacted tail of what it printed
         +- ApiError                an API server said no: HTTP status, Kubernetes reason and message
             +- NotFound  Conflict  Invalid  Forbidden  Unauthorized  Expired
"""

from __future__ import annotations

from typing import Any, ClassVar


class HubError(Exception):
    """Base of every error that the hub raises on purpose.

    Attributes:
        reason: CamelCase word for the condition and the event.
        message: Sentence for people; names the object and the cause, never a secret.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Stalled(HubError):
    """The object itself is at fault; only a new spec, a force or a reset gets it further."""


class Waiting(HubError):
    """Something else has to happen first.

    Attributes:
        after: Seconds until the next look when no event comes before.
        quiet: Tell nobody: the condition, or an earlier event, says enough.
    """

    def __init__(self, reason: str, message: str, after: float = 30.0, *, quiet: bool = False) -> None:
        super().__init__(reason, message)
        self.after = after
        self.quiet = quiet


class Transient(HubError):
    """The outside failed in a way that may pass."""


class MemberUnreachable(Transient):
    """A member cluster could not be reached or did not answer in time.

    Attributes:
        member: Name of the member, as users know it.
    """

    def __init__(self, member: str, message: str) -> None:
        super().__init__("MemberUnreachable", message)
        self.member = member


class ToolFailed(Transient):
    """A command line tool ended with an error.

    Attributes:
        tool: Name of the tool, e.g. ``helm``.
        returncode: Its exit code; negative when a signal ended it.
        tail: The last lines that it wrote to stderr, redacted.
    """

    def __init__(self, tool: str, returncode: int, tail: str) -> None:
        super().__init__("ToolFailed", tail or f"{tool} ended with exit code {returncode}")
        self.tool = tool
        self.returncode = returncode
        self.tail = tail


class ApiError(Transient):
    """A Kubernetes API server refused a request.

    Attributes:
        status: HTTP status code.
        body: The ``Status`` object the server sent, or an empty mapping.
    """

    STATUS: ClassVar[int] = 0

    def __init__(self, status: int, reason: str, message: str, body: dict[str, Any] | None = None) -> None:
        super().__init__(reason or "ApiError", message)
        self.status = status
        self.body = body or {}


class NotFound(ApiError):
    """404: the object, or its kind, does not exist."""

    STATUS = 404


class Conflict(ApiError):
    """409: somebody wrote in between, or the object exists already."""

    STATUS = 409


class Invalid(ApiError):
    """422: the object breaks the rules of its kind."""

    STATUS = 422


class Forbidden(ApiError):
    """403: our user may not do this."""

    STATUS = 403


class Unauthorized(ApiError):
    """401: our credentials are not accepted (any more)."""

    STATUS = 401


class Expired(ApiError):
    """410: the resource version of a watch or a list page is gone; list again."""

    STATUS = 410


_BY_STATUS: dict[int, type[ApiError]] = {
    c.STATUS: c for c in (NotFound, Conflict, Invalid, Forbidden, Unauthorized, Expired)
}


def api_error(status: int, reason: str, message: str, body: dict[str, Any] | None = None) -> ApiError:
    """Return the :class:`ApiError` subclass that stands for an HTTP status code."""
    return _BY_STATUS.get(status, ApiError)(status, reason, message, body)
