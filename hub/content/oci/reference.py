"""
Names of things in registries: ``ghcr.io/org/app``, ``nginx``, ``registry:5000/a/b@sha256:...``. Pure.

Docker Hub has three names: people write ``docker.io/nginx`` or ``nginx``, tools show ``index.docker.io/library/nginx``,
and the API is at ``registry-1.docker.io``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HUB_NAME = "index.docker.io"
_HUB_ALIASES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
_HUB_HOST = "registry-1.docker.io"

_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?\Z"
)
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


class BadReferenceError(ValueError):
    """A text that names nothing in a registry; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Repository:
    """
    A repository of a registry.

    Attributes:
        registry: ``host[:port]``, ``index.docker.io`` for Docker Hub.
        path: Below the registry, e.g. ``library/nginx``.
    """

    registry: str
    path: str

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}"

    @property
    def host(self) -> str:
        """``host[:port]`` where the API is."""
        return _HUB_HOST if self.registry == HUB_NAME else self.registry


@dataclass(frozen=True, slots=True)
class Reference:
    """A repository, and perhaps which tag or digest of it; a digest wins."""

    repository: Repository
    tag: str = ""
    digest: str = ""


def parse(text: str) -> Reference:
    """
    Read an image name, ``oci://`` in front allowed.

    Raises:
        BadReferenceError: It is none.
    """
    name, _, digest = text.removeprefix("oci://").partition("@")
    if digest and not _DIGEST.match(digest):
        raise BadReferenceError(f"'{digest}' is not a digest: sha256:<64 hex> is expected")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    if tag and not _TAG.match(tag):
        raise BadReferenceError(f"'{tag}' is not a tag")
    return Reference(parse_repository(f"{head}/{last}" if slash else last), tag, digest)


def parse_repository(text: str) -> Repository:
    """
    Read the name of a repository, without tag and digest, ``oci://`` in front allowed.

    Raises:
        BadReferenceError: It is none.
    """
    name = text.removeprefix("oci://")
    first, slash, rest = name.partition("/")
    if not slash or not _looks_like_host(first):
        first, rest = HUB_NAME, name
    rest = rest.rstrip("/")
    registry = HUB_NAME if first.lower() in _HUB_ALIASES else first.lower()
    if registry == HUB_NAME and "/" not in rest:
        rest = f"library/{rest}"
    if not _HOST.match(registry):
        raise BadReferenceError(f"'{first}' is not a host")
    if not _PATH.match(rest):
        raise BadReferenceError(
            f"could not parse reference: '{rest}' is not a repository: small letters, digits and . _ - / are allowed"
        )
    return Repository(registry, rest)


def is_tag(text: str) -> bool:
    """Tell whether a text may be a tag."""
    return bool(_TAG.match(text))


def is_digest(text: str) -> bool:
    """Tell whether a text is a digest of the one algorithm in use."""
    return bool(_DIGEST.match(text))


def _looks_like_host(text: str) -> bool:
    return "." in text or ":" in text or text == "localhost" or text.startswith("[")
