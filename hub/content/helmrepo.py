"""
Helm repositories over HTTP: the index when it has changed, and packages.

Credentials go to the repository's own origin, and to others only with ``pass_credentials`` (fact 33).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit, urlunsplit

import aiohttp

from hub.content.http import Connection, TooLargeError, download, explain
from hub.content.provenance import MAX_SIZE, SUFFIX
from hub.content.remembered import Remembered
from hub.errors import Transient

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_INDEX = 100 << 20
"""Bytes of an index, unpacked."""
MAX_CHART = 20 << 20
"""Bytes of a packaged chart."""


class RepositoryFailed(Transient):
    """
    A repository did not give what it was asked for; the message names the URL, never a credential.

    Attributes:
        denied: It wants credentials, or other ones, or its certificate is not trusted.
    """

    def __init__(self, message: str, *, denied: bool = False) -> None:
        super().__init__("Failed", message)
        self.denied = denied


@dataclass(frozen=True, slots=True)
class HelmRepo:
    """
    A repository and how to log in to it.

    Attributes:
        url: Of the folder of ``index.yaml``.
    """

    url: str
    username: str = ""
    password: str = field(default="", repr=False)
    connection: Connection = field(default_factory=Connection)
    pass_credentials: bool = False

    @property
    def index_url(self) -> str:
        """Where the index is."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/index.yaml"))

    def absolute(self, url: str) -> str:
        """Return the address of a URL in the index; a relative one begins at the repository."""
        parts = urlsplit(self.url)
        base = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/", query="", fragment=""))
        found = urljoin(base, url)
        # A token in the query of the repository's address is part of logging in to it.
        same = urlsplit(found)
        return urlunsplit(same._replace(query=parts.query)) if parts.query and not same.query else found

    def login_for(self, url: str) -> dict[str, str]:
        """Return the headers that log in to the origin of a URL."""
        if not self.username or not (self.pass_credentials or _origin(url) == _origin(self.url)):
            return {}
        return {"Authorization": aiohttp.encode_basic_auth(self.username, self.password, "utf-8")}


class HelmRepos:
    """
    Asks repositories; remembers what identifies the index that each one sent last.

    Args:
        session: Returns the HTTP session of this process.
        max_index: Bytes of an index.
        max_chart: Bytes of a packaged chart.
    """

    def __init__(
        self,
        session: Callable[[], aiohttp.ClientSession],
        *,
        max_index: int = MAX_INDEX,
        max_chart: int = MAX_CHART,
    ) -> None:
        self._session = session
        self._max_index = max_index
        self._max_chart = max_chart
        self._tags: Remembered[HelmRepo, tuple[str, dict[str, str]]] = Remembered(4096)

    async def fetch_index(self, repo: HelmRepo, target: Path, have: str) -> str:
        """
        Write the index into a file, unless it is still the one that the caller has; return its digest.

        Args:
            repo: Whose index.
            target: Not written when the digest that is returned is ``have``.
            have: Digest of the caller's index; empty when it has none.

        Raises:
            RepositoryFailed: It cannot be had, or is too large.
            OSError: It cannot be written.
        """
        known, conditions = self._tags.find(repo) or ("", {})
        headers = conditions if known and known == have else {}
        answer, digest = await self._get(repo, repo.index_url, target, self._max_index, headers)
        if answer.status == 304:
            return have
        tags = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
        self._tags.put(repo, (digest, {tags[name]: answer.headers[name] for name in tags if name in answer.headers}))
        return digest

    async def fetch_chart(self, repo: HelmRepo, url: str, target: Path) -> str:
        """Write a package into a file and return its digest. Raises ``RepositoryFailed``, ``OSError``."""
        return (await self._get(repo, repo.absolute(url), target, self._max_chart, {}))[1]

    async def fetch_provenance(self, repo: HelmRepo, url: str, target: Path) -> None:
        """Write the provenance of a package into a file. Raises ``RepositoryFailed``, ``OSError``."""
        parts = urlsplit(repo.absolute(url))
        await self._get(repo, urlunsplit(parts._replace(path=parts.path + SUFFIX)), target, MAX_SIZE, {})

    async def _get(
        self, repo: HelmRepo, url: str, target: Path, max_size: int, headers: dict[str, str]
    ) -> tuple[aiohttp.ClientResponse, str]:
        shown, host = _shown(url), urlsplit(url).netloc.rpartition("@")[2]
        if urlsplit(url).scheme not in {"http", "https"}:
            raise RepositoryFailed(f"cannot fetch '{shown}': only http and https are supported")
        sent = headers | repo.login_for(url)
        try:
            async with self._session().get(
                url, headers=sent, max_redirects=5, **repo.connection.options()
            ) as response:  # fmt: skip
                if response.status == 304 and headers:
                    return response, ""
                if response.status in {401, 403}:
                    why = "the credentials are not accepted" if repo.username else "it wants credentials"
                    raise RepositoryFailed(f"failed to fetch {shown} : {response.status}: {why}", denied=True)
                if response.status != 200:
                    raise RepositoryFailed(
                        f"failed to fetch {shown} : {response.status} {response.reason or ''}".strip()
                    )
                return response, (await download(response, target, max_size))[1]
        except TooLargeError:
            raise RepositoryFailed(f"failed to fetch {shown} : it is larger than {max_size} bytes") from None
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            said = explain(error, host)
            denied = isinstance(error, aiohttp.ClientSSLError) or "certificate" in said
            raise RepositoryFailed(f"failed to fetch {shown} : {said}", denied=denied) from error


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2].lower()


def _shown(url: str) -> str:
    """Return a URL without credentials."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))
