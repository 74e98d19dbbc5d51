"""
Short-lived Git credentials from somebody else: a GitHub App, or the identity of this process in Azure or AWS.

Flux sources fact 24. A token is held until shortly before its end, so that everybody who uses the same identity has the
same credentials, and shares looks and fetches. Where to ask comes from the variables that the cloud's own SDKs read.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hub.content.cloud.ask import ask
from hub.content.cloud.aws import Way
from hub.content.cloud.azure import DEVOPS
from hub.content.cloud.clouds import Clouds
from hub.content.cloud.identity import Held, NoToken, Refused, Token, asking, key_of
from hub.content.cloud.sigv4 import Scope, sign_text
from hub.content.gitauth import AuthInvalid, GitAuth

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from hub.content.cloud.identity import Workload
    from hub.content.cloud.sigv4 import AwsKeys

_AWS_LIFE = 600.0
"""Seconds that a signed password is used; CodeCommit takes it for 15 minutes."""
_PAGES = 20
_DEVOPS_HOST = re.compile(r"(?:^|\.)(?:dev\.azure\.com|visualstudio\.com)\Z")
_GITHUB = "https://api.github.com"


class GitProviders:
    """Gets and holds tokens.

    Args:
        environ: Where the cloud's SDKs look; the environment of the process.
        clock: Seconds since the epoch.
        clouds: Gives identities; made of the others when not given.
    """

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.time,
        clouds: Clouds | None = None,
    ) -> None:
        self._clouds = clouds or Clouds(environ, clock)
        self._clock = clock
        self._held = Held(clock)

    async def auth(
        self, provider: str, url: str, data: Mapping[str, bytes], proxy: str = "", workload: Workload | None = None
    ) -> GitAuth:
        """
        Return credentials of a provider for a URL.

        Args:
            provider: ``github``, ``azure`` or ``aws``.
            url: Of the repository; AWS signs it.
            data: The Secret; the clouds need none.
            proxy: URL of the proxy that asks for us, too.
            workload: Whose identity in a cloud it is; None is the hub itself.

        Raises:
            AuthInvalid: The Secret lacks something, or nobody gave a token.
        """
        renew: dict[str, Callable[[], Awaitable[Token]]] = {
            "github": lambda: self._github(data, proxy),
            "azure": lambda: self._azure(workload, url, proxy),
            "aws": lambda: self._aws(workload, url, proxy),
        }
        texts = [f"{key}={value.hex()}" for key, value in sorted(data.items())]
        key = key_of(workload, provider, proxy, "" if provider == "github" else url, *texts)
        try:
            with asking(provider, workload):
                found: GitAuth = (await self._held.get(key, renew[provider])).value
        except NoToken as error:
            raise AuthInvalid(error.message) from error
        return found

    async def _github(self, data: Mapping[str, bytes], proxy: str) -> Token:
        import jwt  # noqa: PLC0415  loaded when somebody uses it

        texts = {key: value.decode(errors="replace").strip() for key, value in data.items()}
        app, base = _app_of(texts)
        now = int(self._clock())
        claims = {"iat": now - 60, "exp": now + 540, "iss": app}
        try:
            ticket = jwt.encode(claims, texts["githubAppPrivateKey"], algorithm="RS256")
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise AuthInvalid(
                "'githubAppPrivateKey' of the Secret is not a private RSA key that can be read"
            ) from error
        headers = {"Authorization": f"Bearer {ticket}", "Accept": "application/vnd.github+json"}
        ca = texts.get("ca.crt") or texts.get("caFile", "")
        more = {"headers": headers, "proxy": proxy, "ca": ca}
        number = texts.get("githubAppInstallationID") or await _installation(base, texts, more)
        answer = await ask("POST", f"{base}/app/installations/{number}/access_tokens", **more)
        auth = GitAuth(username="x-access-token", password=answer.text("token"), ca=ca, proxy=proxy)
        return Token(auth, answer.moment("expires_at"))

    async def _azure(self, workload: Workload | None, url: str, proxy: str) -> Token:
        place = urlsplit(url)
        known = place.scheme != "http" and _DEVOPS_HOST.search(place.hostname or "")
        if workload is None and not known:
            raise Refused("the URL is not one of Azure DevOps over https, and it would be given the hub's own token")
        token = await self._clouds.azure.token(DEVOPS, workload, proxy)
        return Token(GitAuth(bearer_token=token.value, proxy=proxy), token.until)

    async def _aws(self, workload: Workload | None, url: str, proxy: str) -> Token:
        parts = urlsplit(url)
        labels = (parts.hostname or "").split(".")
        region = self._clouds.aws.region
        if labels[0].startswith("git-codecommit") and len(labels) > 2:
            region = labels[1]
        if not region:
            raise Refused("no region in the URL's host or in AWS_REGION")
        keys: AwsKeys = (await self._clouds.aws.keys(workload, Way(region, proxy))).value
        now = datetime.fromtimestamp(self._clock(), UTC)
        password = sign_codecommit(parts.hostname or "", parts.path, region, keys.secret, now)
        name = keys.access + (f"%{keys.token}" if keys.token else "")
        return Token(GitAuth(username=name, password=password, proxy=proxy), self._clock() + _AWS_LIFE)


def sign_codecommit(host: str, path: str, region: str, secret: str, now: datetime) -> str:
    """Return the password that AWS CodeCommit takes: a signature, version 4, of the pseudo verb GIT."""
    scope, stamp = Scope(region, "codecommit", now), now.strftime("%Y%m%dT%H%M%S")
    request = hashlib.sha256(f"GIT\n{path}\n\nhost:{host}\n\nhost\n".encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{request}"
    return f"{stamp}Z{sign_text(secret, str(scope), text)}"


def has_app_data(data: Mapping[str, bytes]) -> bool:
    """Whether a Secret is one for a GitHub App."""
    return "githubAppID" in data


def _app_of(texts: Mapping[str, str]) -> tuple[str, str]:
    """Return the App's ID and the API's address."""
    for key in ("githubAppID", "githubAppPrivateKey"):
        if not texts.get(key):
            raise AuthInvalid(f"the Secret lacks '{key}'")
    named = [key for key in ("githubAppInstallationOwner", "githubAppInstallationID") if texts.get(key)]
    if len(named) != 1:
        raise AuthInvalid("the Secret has to have one of 'githubAppInstallationOwner' and 'githubAppInstallationID'")
    return texts["githubAppID"], (texts.get("githubAppBaseURL") or _GITHUB).rstrip("/")


async def _installation(base: str, texts: Mapping[str, str], more: Mapping[str, Any]) -> str:
    """Return the number of the installation that belongs to an owner."""
    owner = texts["githubAppInstallationOwner"].casefold()
    for page in range(1, _PAGES + 1):
        found = await ask("GET", f"{base}/app/installations", params={"per_page": "100", "page": str(page)}, **more)
        for number in range(len(found)):
            if found.text(number, "account", "login").casefold() == owner:
                return found.text(number, "id")
        if len(found) < 100:
            break
    raise AuthInvalid(f"the GitHub App is not installed for '{texts['githubAppInstallationOwner']}'")
