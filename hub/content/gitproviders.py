"""
Short-lived Git credentials from somebody else: a GitHub App, or the identity of this process in Azure or AWS.

Flux sources fact 24. A token is held until shortly before its end, so that everybody who uses the same identity has the
same credentials, and shares looks and fetches. Where to ask comes from the variables that the cloud's own SDKs read.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import ssl
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import aiohttp

from hub.content import digest as digests
from hub.content.gitauth import AuthInvalid, GitAuth
from hub.content.shared import Shared

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

_TIMEOUT = aiohttp.ClientTimeout(total=30)
_EARLY = 300.0
"""Seconds before its end at which a token is renewed."""
_AWS_LIFE = 600.0
"""Seconds that a signed password is used; CodeCommit takes it for 15 minutes."""
_MAX_ANSWER = 1 << 20
_PAGES = 20
_GITHUB = "https://api.github.com"
_AZURE_DEVOPS = "499b84ac-1321-427f-aa17-267ca6975798"  # the resource that stands for Azure DevOps everywhere


@dataclass(frozen=True, slots=True)
class _Token:
    auth: GitAuth
    until: float


class GitProviders:
    """Gets and holds tokens.

    Args:
        environ: Where the cloud's SDKs look; the environment of the process.
        clock: Seconds since the epoch.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ, clock: Callable[[], float] = time.time) -> None:
        self._environ = environ
        self._clock = clock
        self._held: dict[str, _Token] = {}
        self._asking: Shared[GitAuth] = Shared()

    async def auth(self, provider: str, url: str, data: Mapping[str, bytes], proxy: str = "") -> GitAuth:
        """
        Return credentials of a provider for a URL.

        Args:
            provider: ``github``, ``azure`` or ``aws``.
            url: Of the repository; AWS signs it.
            data: The Secret; the clouds need none.
            proxy: URL of the proxy that asks for us, too.

        Raises:
            AuthInvalid: The Secret lacks something, or nobody gave a token.
        """
        ask: dict[str, Callable[[], Awaitable[_Token]]] = {
            "github": lambda: self._github(data, proxy),
            "azure": lambda: self._azure(proxy),
            "aws": lambda: self._aws(url, proxy),
        }
        texts = [f"{key}={value.hex()}" for key, value in sorted(data.items())]
        key = digests.of_parts(provider, proxy, url if provider == "aws" else "", *texts)
        held = self._held.get(key)
        if held is not None and self._clock() < held.until:
            return held.auth

        async def renew() -> GitAuth:
            try:
                self._held[key] = token = await ask[provider]()
            except (
                aiohttp.ClientError,
                TimeoutError,
                OSError,
                ValueError,
                KeyError,
                TypeError,
                ET.ParseError,
            ) as error:
                why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                raise AuthInvalid(f"no token from provider '{provider}': {why[:300]}") from error
            now = self._clock()
            self._held = {name: one for name, one in self._held.items() if one.until > now}
            return token.auth

        return await self._asking.run(key, renew)

    async def _github(self, data: Mapping[str, bytes], proxy: str) -> _Token:
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
        async with _session(ca) as session:
            number = texts.get("githubAppInstallationID") or await _installation(session, base, texts, headers, proxy)
            url = f"{base}/app/installations/{number}/access_tokens"
            answer = await _ask(session, "POST", url, proxy, headers=headers)
        until = datetime.fromisoformat(answer["expires_at"]).timestamp() - _EARLY
        return _Token(GitAuth(username="x-access-token", password=answer["token"], ca=ca, proxy=proxy), until)

    async def _azure(self, proxy: str) -> _Token:
        environ = self._environ
        async with _session() as session:
            if file := environ.get("AZURE_FEDERATED_TOKEN_FILE"):
                host = environ.get("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/").rstrip("/")
                form = {
                    "grant_type": "client_credentials",
                    "client_id": environ["AZURE_CLIENT_ID"],
                    "scope": f"{_AZURE_DEVOPS}/.default",
                    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    "client_assertion": (await asyncio.to_thread(Path(file).read_text)).strip(),
                }
                url = f"{host}/{environ['AZURE_TENANT_ID']}/oauth2/v2.0/token"
                answer = await _ask(session, "POST", url, proxy, data=form)
            else:
                base = environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://169.254.169.254").rstrip("/")
                query = {"api-version": "2018-02-01", "resource": _AZURE_DEVOPS}
                if client := environ.get("AZURE_CLIENT_ID"):
                    query["client_id"] = client
                url = f"{base}/metadata/identity/oauth2/token"
                answer = await _ask(session, "GET", url, "", params=query, headers={"Metadata": "true"})
        until = self._clock() + float(answer["expires_in"]) - _EARLY
        return _Token(GitAuth(bearer_token=answer["access_token"], proxy=proxy), until)

    async def _aws(self, url: str, proxy: str) -> _Token:
        parts = urlsplit(url)
        labels = (parts.hostname or "").split(".")
        region = self._environ.get("AWS_REGION") or self._environ.get("AWS_DEFAULT_REGION") or ""
        if labels[0].startswith("git-codecommit") and len(labels) > 2:
            region = labels[1]
        if not region:
            raise AuthInvalid("no region in the URL's host or in AWS_REGION")
        identity = await self._aws_identity(region, proxy)
        now = datetime.fromtimestamp(self._clock(), UTC)
        password = sign_codecommit(parts.hostname or "", parts.path, region, identity["SecretAccessKey"], now)
        token = identity.get("Token", "")
        name = identity["AccessKeyId"] + (f"%{token}" if token else "")
        return _Token(GitAuth(username=name, password=password, proxy=proxy), self._clock() + _AWS_LIFE)

    async def _aws_identity(self, region: str, proxy: str) -> dict[str, str]:
        """Return ``AccessKeyId``, ``SecretAccessKey`` and ``Token``, in the order in which AWS's SDKs look."""
        environ = self._environ
        if environ.get("AWS_ACCESS_KEY_ID"):
            return {
                "AccessKeyId": environ["AWS_ACCESS_KEY_ID"],
                "SecretAccessKey": environ["AWS_SECRET_ACCESS_KEY"],
                "Token": environ.get("AWS_SESSION_TOKEN", ""),
            }
        async with _session() as session:
            if file := environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
                base = environ.get("AWS_ENDPOINT_URL_STS") or f"https://sts.{region}.amazonaws.com"
                form = {
                    "Action": "AssumeRoleWithWebIdentity",
                    "Version": "2011-06-15",
                    "RoleArn": environ["AWS_ROLE_ARN"],
                    "RoleSessionName": environ.get("AWS_ROLE_SESSION_NAME", "hub"),
                    "WebIdentityToken": (await asyncio.to_thread(Path(file).read_text)).strip(),
                }
                return _sts_credentials(await _fetch(session, "POST", base, proxy, data=form))
            if uri := environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
                token = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
                if file := environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
                    token = (await asyncio.to_thread(Path(file).read_text)).strip()
                found: dict[str, str] = await _ask(session, "GET", uri, "", headers={"Authorization": token})
                return found
        raise AuthInvalid("this process has no AWS identity: no web identity token, container credentials or keys")


def sign_codecommit(host: str, path: str, region: str, secret: str, now: datetime) -> str:
    """Return the password that AWS CodeCommit takes: a signature, version 4, of the pseudo verb GIT."""
    stamp = now.strftime("%Y%m%dT%H%M%S")
    scope = f"{stamp[:8]}/{region}/codecommit/aws4_request"
    request = hashlib.sha256(f"GIT\n{path}\n\nhost:{host}\n\nhost\n".encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{request}".encode(), "sha256").hex()
    return f"{stamp}Z{signature}"


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


async def _installation(
    session: aiohttp.ClientSession, base: str, texts: Mapping[str, str], headers: Mapping[str, str], proxy: str
) -> str:
    """Return the number of the installation that belongs to an owner."""
    owner = texts["githubAppInstallationOwner"].casefold()
    for page in range(1, _PAGES + 1):
        url = f"{base}/app/installations"
        found = await _ask(session, "GET", url, proxy, params={"per_page": "100", "page": str(page)}, headers=headers)
        for one in found:
            if str(one["account"]["login"]).casefold() == owner:
                return str(one["id"])
        if len(found) < 100:
            break
    raise AuthInvalid(f"the GitHub App is not installed for '{texts['githubAppInstallationOwner']}'")


@asynccontextmanager
async def _session(ca: str = "") -> AsyncIterator[aiohttp.ClientSession]:
    context = await asyncio.to_thread(ssl.create_default_context, cadata=ca or None)
    async with aiohttp.ClientSession(
        timeout=_TIMEOUT, trust_env=True, connector=aiohttp.TCPConnector(ssl=context)
    ) as session:
        yield session


async def _ask(session: aiohttp.ClientSession, method: str, url: str, proxy: str, **more: Any) -> Any:
    return json.loads(await _fetch(session, method, url, proxy, **more))


async def _fetch(session: aiohttp.ClientSession, method: str, url: str, proxy: str, **more: Any) -> bytes:
    """Return the body of an answer; one that says no is named by its status alone, never by what it says."""
    through = proxy if proxy.startswith("http") else None
    async with session.request(method, url, proxy=through, allow_redirects=False, **more) as response:
        body = await response.content.read(_MAX_ANSWER)
        if response.status >= 300:
            place = urlsplit(url)
            raise ValueError(f"{place.scheme}://{place.netloc}{place.path} answered {response.status}")
        return body


def _sts_credentials(body: bytes) -> dict[str, str]:
    root = ET.fromstring(body)  # noqa: S314  expat itself refuses what grows without end
    found = {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}
    return {
        "AccessKeyId": found["AccessKeyId"],
        "SecretAccessKey": found["SecretAccessKey"],
        "Token": found["SessionToken"],
    }
