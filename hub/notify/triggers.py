"""What else brings a Receiver back besides its own changes, and how a call finds it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.api.meta import SECRETS, Key, Resource
from hub.api.notification import Receiver

if TYPE_CHECKING:
    from collections.abc import Iterable


def secret_of(receiver: Resource) -> Iterable[Key]:
    """Return the Secret with the token of a Receiver."""
    if isinstance(receiver, Receiver) and receiver.spec.secret_ref is not None:
        yield Key(SECRETS.kind, receiver.metadata.namespace, receiver.spec.secret_ref.name)


def path_of(receiver: Resource) -> Iterable[str]:
    """Return the path at which a Receiver is called."""
    if isinstance(receiver, Receiver) and receiver.status.webhook_path:
        yield receiver.status.webhook_path
