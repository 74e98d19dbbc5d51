"""
Google Cloud: access tokens, and what they open: registries and clusters (GKE).

Where to ask comes from the variables that Google's SDKs and gcloud read: ``GCE_METADATA_HOST``,
``GOOGLE_APPLICATION_CREDENTIALS``, ``CLOUDSDK_API_ENDPOINT_OVERRIDES_STS`` and the like.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from hub.content.cloud.ask import Answer, ask, fetch, read_token
from hub.content.cloud.identity import Held, Refused, Token, Workload, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ACCOUNT = "iam.gke.io/gcp-service-account"
PROVIDER = "gcp.auth.fluxcd.io/workload-identity-provider"
ALL = "https://www.googleapis.com/auth/cloud-platform"
_CLUSTER = re.compile(r"projects/[^/\s]{1,200}/(?:locations|zones)/[^/\s]{1,100}/clusters/[^/\s]{1,100}\Z")
_REGISTRY = re.compile(r"(?:(?:[a-z0-9-]+\.)?gcr\.io|[a-z0-9-]+-docker\.pkg\.dev)\Z")
_ACCOUNT = re.compile(r"[a-zA-Z0-9-]{1,100}@[a-zA-Z0-9-]{1,100}(?:\.[a-zA-Z0-9-]{1,100}){1,5}\Z")
_POOL = re.compile(
    r"projects/\d{1,30}/locations/global/workloadIdentityPools/[a-z0-9-]{4,32}/providers/[a-z0-9-]{4,32}\Z"
)
_JWT = "urn:ietf:params:oauth:token-type:jwt"
_ACCESS = "urn:ietf:params:oauth:token-type:access_token"


class Gcp:
    """
    Speaks to Google Cloud.

    Args:
        environ: Where Google's SDKs look.
        clock: Seconds since the epoch.
    """

    def __init__(self, environ: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._environ = environ
        self._clock = clock
        self._held = Held(clock)

    async def token(self, workload: Workload | None, proxy: str = "") -> Token:
        """Return an access token of whoever asks; None is the hub itself. Raises ``Refused``."""
        if workload is None:
            return await self._held.get(key_of(None, proxy), lambda: self._own(proxy))
        return await self._held.get(key_of(workload, proxy), lambda: self._of_workload(workload, proxy))

    async def token_of_key(self, key: str, proxy: str = "") -> Token:
        """Return an access token for the JSON key of a Google service account. Raises ``Refused``."""
        found = _document(key)
        return await self._held.get(key_of(None, "key", key, proxy), lambda: self._by_key(found, proxy))

    async def registry(self, host: str, workload: Workload | None, proxy: str = "") -> tuple[str, str]:
        """Return user name and password for a registry. Raises ``Refused``."""
        if _REGISTRY.match(host.partition(":")[0]) is None:
            raise Refused(f"'{host}' is no registry of Google (gcr.io, <location>-docker.pkg.dev)")
        return "oauth2accesstoken", (await self.token(workload, proxy)).value

    async def cluster(self, name: str, workload: Workload | None) -> tuple[str, bytes]:
        """Return address and authorities (PEM) of a GKE cluster. Raises ``Refused``."""
        token = await self.token(workload)
        url = f"{self._endpoint('container')}/v1/{checked_cluster(name)}"
        found = await ask("GET", url, headers={"Authorization": f"Bearer {token.value}"})
        return f"https://{found.text('endpoint')}", found.decoded("masterAuth", "clusterCaCertificate")

    async def _own(self, proxy: str) -> Token:
        """Return a token of this process."""
        if file := self._environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
            return await self._by_file(_document(await read_token(file)), proxy)
        try:
            found = json.loads(await self._metadata("instance/service-accounts/default/token"))
            return Token(str(found["access_token"]), self._clock() + float(found["expires_in"]))
        except (Refused, ValueError, LookupError, TypeError) as error:
            why = "this process has no Google identity: no GOOGLE_APPLICATION_CREDENTIALS, no metadata server"
            raise Refused(f"{why} ({error})" if isinstance(error, Refused) else why) from error

    async def _by_file(self, found: Answer, proxy: str) -> Token:
        kind = found.get("type")
        if kind == "service_account":
            return await self._by_key(found, proxy)
        if kind != "external_account":
            raise Refused(f"GOOGLE_APPLICATION_CREDENTIALS are of type '{kind}', which is not supported")
        subject = await read_token(found.text("credential_source", "file"))
        if field := found.get("credential_source", "format", "subject_token_field_name"):
            subject = _document(subject).text(field)
        return await self._exchange(
            found.text("audience"), subject, found.get("service_account_impersonation_url"), proxy,
            url=found.text("token_url"), kind=found.text("subject_token_type"),
        )  # fmt: skip

    async def _by_key(self, found: Answer, proxy: str) -> Token:
        """Sign who we are with a key of a service account."""
        import jwt  # noqa: PLC0415  loaded when somebody uses it

        now, url = int(self._clock()), found.get("token_uri") or "https://oauth2.googleapis.com/token"
        claims = {"iss": found.text("client_email"), "scope": ALL, "aud": url, "iat": now, "exp": now + 3600}
        headers = {"kid": found.get("private_key_id")}
        try:
            assertion = jwt.encode(claims, found.text("private_key"), algorithm="RS256", headers=headers)
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            if isinstance(error, Refused):
                raise
            raise Refused("'private_key' is not a private RSA key that can be read") from error
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
        given = await ask("POST", url, data=form, proxy=proxy)
        return Token(given.text("access_token"), self._clock() + given.seconds("expires_in"))

    async def _of_workload(self, workload: Workload, proxy: str) -> Token:
        """Exchange the token of a ServiceAccount: by a pool of identities, or that of the GKE cluster we are in."""
        if pool := workload.annotations.get(PROVIDER):
            if _POOL.match(pool) is None:
                shape = "projects/<number>/locations/global/workloadIdentityPools/<pool>/providers/<provider>"
                raise Refused(f"its annotation '{PROVIDER}' is not of the form {shape}")
            audience = subject = f"//iam.googleapis.com/{pool}"
        else:
            project = await self._metadata("project/project-id")
            place = await self._metadata("instance/attributes/cluster-location")
            name = await self._metadata("instance/attributes/cluster-name")
            subject = f"{project}.svc.id.goog"
            cluster = f"https://container.googleapis.com/v1/projects/{project}/locations/{place}/clusters/{name}"
            audience = f"identitynamespace:{subject}:{cluster}"
        url = ""
        if account := workload.annotations.get(ACCOUNT):
            if _ACCOUNT.match(account) is None:
                raise Refused(f"its annotation '{ACCOUNT}' is not the e-mail address of a service account")
            url = f"{self._endpoint('iamcredentials')}/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
        return await self._exchange(audience, await workload.mint((subject,)), url, proxy)

    async def _exchange(
        self, audience: str, subject: str, impersonation: str, proxy: str, *, url: str = "", kind: str = _JWT
    ) -> Token:
        """Exchange a token that somebody else made for one of Google's; then that for one of a service account."""
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "audience": audience,
            "scope": ALL,
            "requested_token_type": _ACCESS,
            "subject_token_type": kind,
            "subject_token": subject,
        }
        found = await ask("POST", url or f"{self._endpoint('sts')}/v1/token", data=form, proxy=proxy)
        token = found.text("access_token")
        if not impersonation:
            return Token(token, self._clock() + found.seconds("expires_in"))
        headers = {"Authorization": f"Bearer {token}"}
        given = await ask("POST", impersonation, json={"scope": [ALL]}, headers=headers, proxy=proxy)
        return Token(given.text("accessToken"), given.moment("expireTime"))

    async def _metadata(self, path: str) -> str:
        host = self._environ.get("GCE_METADATA_HOST") or "metadata.google.internal"
        url = f"http://{host}/computeMetadata/v1/{path}"
        return (await fetch("GET", url, nearby=True, headers={"Metadata-Flavor": "Google"})).decode(errors="replace")

    def _endpoint(self, service: str) -> str:
        given = self._environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{service.upper()}")
        return (given or f"https://{service}.googleapis.com").rstrip("/")


def checked_cluster(name: str) -> str:
    """Return the name of a cluster. Raises ``Refused`` when it is not one."""
    if _CLUSTER.match(name) is None:
        raise Refused(f"'{name}' is no cluster: projects/<project>/locations/<location>/clusters/<name> is expected")
    return name


def _document(text: str) -> Answer:
    try:
        found: Any = json.loads(text)
    except ValueError as error:
        raise Refused("the JSON key is not JSON") from error
    return Answer(found, "the JSON key")
