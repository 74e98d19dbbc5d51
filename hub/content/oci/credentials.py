"""
Credentials for registries, as Docker keeps them: ``.dockerconfigjson``. Pure.

A key of ``auths`` is a host, a host with a path (the longest path that fits wins, as Kubernetes has it), or a URL; a
host may hold ``*`` for one of its labels. Docker Hub is known by all of its names.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from hub.content.oci.reference import HUB_NAME

if TYPE_CHECKING:
    from hub.content.oci.reference import Repository

_HUB_NAMES = ("index.docker.io", "docker.io", "registry-1.docker.io", "registry.hub.docker.com")
# What comes after a host in the URLs that Docker itself writes.
_API_PATHS = frozenset({"", "v1", "v2"})


class BadDockerConfigError(ValueError):
    """A text that is no Docker configuration; the message never quotes it."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """
    How to log in to a registry.

    Attributes:
        identity_token: Is exchanged for access tokens, in place of a password.
        registry_token: Is an access token already.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """Value of an ``Authorization`` header."""
        pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return f"Basic {pair}"


@dataclass(frozen=True, slots=True)
class DockerConfig:
    """Credentials by what they are for: ``(host, path)``."""

    entries: tuple[tuple[str, str, Credentials], ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> DockerConfig:
        """
        Read ``.dockerconfigjson``, or its inner part (``.dockercfg``).

        Raises:
            BadDockerConfigError: It is not one.
        """
        try:
            found = json.loads(data)
        except ValueError as error:
            raise BadDockerConfigError("it is not JSON") from error
        auths = found.get("auths", found) if isinstance(found, dict) else None
        if not isinstance(auths, dict):
            raise BadDockerConfigError("it has no 'auths'")
        return cls(tuple((*_place(key), _credentials(key, entry)) for key, entry in auths.items()))

    def __add__(self, other: DockerConfig) -> DockerConfig:
        """Return both; the first one wins where they speak of the same."""
        return DockerConfig(self.entries + other.entries)

    def find(self, repository: Repository) -> Credentials | None:
        """Return the credentials for a repository; None when there are none."""
        names = _HUB_NAMES if repository.registry == HUB_NAME else (repository.registry,)
        fitting = [
            (len(path), credentials)
            for host, path, credentials in self.entries
            if any(_host_fits(name, host) for name in names) and _path_fits(repository.path, path)
        ]
        return max(fitting, key=lambda one: one[0], default=(0, None))[1]


def _place(key: str) -> tuple[str, str]:
    bare = key.removeprefix("https://").removeprefix("http://")
    host, _, path = bare.partition("/")
    path = path.strip("/")
    return host.lower(), "" if path in _API_PATHS else path


def _credentials(key: str, entry: Any) -> Credentials:
    if not isinstance(entry, dict):
        raise BadDockerConfigError(f"the entry of '{key}' is not a mapping")
    texts = {name: value for name, value in entry.items() if isinstance(value, str)}
    username, password = texts.get("username", ""), texts.get("password", "")
    if texts.get("auth") and not username:
        try:
            username, _, password = base64.b64decode(texts["auth"], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise BadDockerConfigError(f"'auth' of '{key}' is not base64") from error
    return Credentials(
        username,
        password.rstrip("\0"),
        identity_token=texts.get("identitytoken", ""),
        registry_token=texts.get("registrytoken", ""),
    )


def _host_fits(host: str, pattern: str) -> bool:
    if host == pattern:
        return True
    names, patterns = host.split("."), pattern.split(".")
    # Label by label: "*.example.com" is not "a.b.example.com".
    return "*" in pattern and len(names) == len(patterns) and all(map(fnmatchcase, names, patterns))


def _path_fits(path: str, prefix: str) -> bool:
    return not prefix or path == prefix or path.startswith(f"{prefix}/")
