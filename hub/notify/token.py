"""The token of a Receiver, and the path that follows from it. Follows Flux notification facts 19 and 20."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hub.errors import ApiError, Transient
from hub.kube.client import Unreachable

if TYPE_CHECKING:
    from hub.api.notification import Receiver
    from hub.runtime.secrets import Data, SecretReader

PREFIX = "/hook/"
NOT_FOUND = "TokenNotFound"


def path_for(receiver: Receiver, token: bytes) -> str:
    """Return where a Receiver is called: nobody guesses it, and another token gives another path."""
    meta = receiver.metadata
    return PREFIX + hashlib.sha256(token + meta.name.encode() + meta.namespace.encode()).hexdigest()


async def read(secrets: SecretReader, receiver: Receiver) -> dict[str, bytes]:
    """
    Return the content of the Secret of a Receiver; nothing for a type that has none.

    Raises:
        Transient: It cannot be read, or has no token (reason ``TokenNotFound``).
    """
    if receiver.spec.type == "generic-oidc":
        return {}
    namespace = receiver.metadata.namespace
    name = receiver.spec.secret_ref.name if receiver.spec.secret_ref is not None else ""
    try:
        data: Data = await secrets.get(namespace, name)
    except (ApiError, Unreachable) as error:
        message = f"unable to read token from secret '{namespace}/{name}' error: {error.message}"
        raise Transient(NOT_FOUND, message) from error
    if not data.data.get("token"):  # anybody could sign with an empty one
        raise Transient(NOT_FOUND, f"invalid '{namespace}/{name}' secret data: required fields 'token'")
    return data.data


def token_of(data: dict[str, bytes]) -> bytes:
    """Return the token in the content of a Secret; the empty one for a type that has none."""
    return data.get("token", b"")
