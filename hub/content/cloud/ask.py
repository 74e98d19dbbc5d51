"""Requests to token endpoints. One that says no is named by its address and status, never by what it says."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from hub.content.cloud.identity import Refused
from hub.content.http import BadTlsError, Tls, TooLargeError, explain, tls_context, whole

_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=10)
_NEARBY = aiohttp.ClientTimeout(total=5, sock_connect=2)
"""For the servers beside a machine: where there are none, nobody answers."""
_MAX_ANSWER = 1 << 20


async def fetch(method: str, url: str, *, proxy: str = "", nearby: bool = False, ca: str = "", **more: Any) -> bytes:
    """
    Return the body of an answer.

    Args:
        method: Of HTTP.
        url: Where.
        proxy: URL of the proxy on the way; one for sockets (socks5) is for Git alone, and not used.
        nearby: It is a metadata server, to which no proxy leads.
        ca: PEM of who is trusted beside the system's authorities.
        more: For aiohttp.

    Raises:
        Refused: There is no answer, or one that says no.
    """
    through = proxy if proxy.startswith("http") else None
    place = urlsplit(str(url))
    where = f"{place.scheme}://{place.netloc}{place.path}"
    try:
        async with (
            aiohttp.ClientSession(timeout=_NEARBY if nearby else _TIMEOUT, trust_env=not nearby) as session,
            session.request(
                method, url, ssl=tls_context(Tls(ca.encode())), proxy=through, allow_redirects=False, **more
            ) as response,
        ):
            if response.status >= 300:
                raise Refused(f"{where} answered {response.status}")
            return await whole(response, _MAX_ANSWER)
    except TooLargeError as error:
        raise Refused(f"{where} answered more than {_MAX_ANSWER} bytes") from error
    except BadTlsError as error:
        raise Refused(str(error)) from error
    except aiohttp.InvalidURL as error:
        raise Refused(f"'{where}' cannot be asked") from error
    except (aiohttp.ClientError, OSError) as error:
        raise Refused(explain(error, place.netloc)) from error


async def ask(method: str, url: str, **more: Any) -> Answer:
    """Return the JSON object that answers; takes and raises what :func:`fetch` does."""
    body = await fetch(method, url, **more)
    place = urlsplit(str(url))
    try:
        found = json.loads(body)
    except ValueError as error:
        raise Refused(f"{place.netloc}{place.path} does not answer in JSON") from error
    return Answer(found, f"{place.netloc}{place.path}")


class Answer:
    """A JSON document from somewhere; complains by name of what is not in it."""

    def __init__(self, found: Any, where: str) -> None:
        self._found = found
        self._where = where

    def __len__(self) -> int:
        return len(self._found) if isinstance(self._found, list) else 0

    def text(self, *path: str | int) -> str:
        """Return what stands at a path, as text. Raises ``Refused``."""
        found = self._found
        for step in path:
            try:
                found = found[step]
            except (LookupError, TypeError) as error:
                raise Refused(f"{self._where} gave no '{step}'") from error
        if isinstance(found, dict | list) or found in {None, ""}:
            raise Refused(f"{self._where} gave no '{path[-1]}'")
        return str(found)

    def seconds(self, *path: str | int) -> float:
        """Return what stands at a path, as a number. Raises ``Refused``."""
        try:
            return float(self.text(*path))
        except ValueError as error:
            raise Refused(f"{self._where} gave a '{path[-1]}' that is no number") from error

    def moment(self, *path: str | int) -> float:
        """Return the time that stands at a path, in seconds since the epoch. Raises ``Refused``."""
        return moment(self.text(*path))

    def decoded(self, *path: str | int) -> bytes:
        """Return what the base64 at a path stands for. Raises ``Refused``."""
        try:
            return base64.b64decode(self.text(*path), validate=True)
        except binascii.Error as error:
            raise Refused(f"{self._where} gave a '{path[-1]}' that is not base64") from error

    def get(self, *path: str | int) -> str:
        """Return the text at a path; empty when there is none."""
        try:
            return self.text(*path)
        except Refused:
            return ""


def moment(text: str) -> float:
    """Return the seconds since the epoch of an RFC 3339 time. Raises ``Refused``."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise Refused("the token says no time at which it ends") from error


async def read_token(file: str) -> str:
    """Return the token in a file. Raises ``Refused``."""
    try:
        return (await asyncio.to_thread(Path(file).read_text, encoding="utf-8")).strip()
    except OSError as error:
        raise Refused(f"cannot read '{file}': {error.strerror}") from error
