"""
What a registry can do to us::

    RegistryError
     +- RegistryUnreachable    no answer: refused, TLS, stalled, cut
     +- RegistryDenied         401 or 403: credentials are missing, wrong, or not enough
     +- RegistryNotFound       404: no such repository, tag or digest
     +- TooManyRequests        429: ask again after ``after`` seconds
     +- BadAnswer              not what a registry says: a web page, no JSON
     +- BadContent             other bytes than were promised: wrong digest or size, too large

All are transient with the reason ``RegistryFailed``; controllers wrap the message in words and a reason of their own.
"""

from __future__ import annotations

from hub.errors import Transient


class RegistryError(Transient):
    """
    A registry did not do what was asked; the message names it, never a credential.

    Attributes:
        status: HTTP status; 0 when there was none.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__("RegistryFailed", message)
        self.status = status


class RegistryUnreachable(RegistryError):
    """There was no answer, or it broke off."""


class RegistryDenied(RegistryError):
    """The registry wants credentials, other ones, or does not let these do it."""


class RegistryNotFound(RegistryError):
    """The repository, tag or digest is not there."""


class TooManyRequests(RegistryError):
    """
    The registry wants to be asked less often.

    Attributes:
        after: Seconds to wait, as the registry says; 60 when it does not.
    """

    def __init__(self, message: str, after: float) -> None:
        super().__init__(message, 429)
        self.after = after


class BadAnswer(RegistryError):
    """The answer is not one of a registry."""


class BadContent(RegistryError):
    """The content is not what its descriptor promises."""
