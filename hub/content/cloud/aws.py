"""
AWS: keys of whoever asks, and what they open: registries (ECR) and clusters (EKS).

Where to ask comes from the variables that AWS's SDKs read: ``AWS_ENDPOINT_URL_STS`` and the like,
``AWS_EC2_METADATA_SERVICE_ENDPOINT``.
"""

from __future__ import annotations

import base64
import math
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from hub.content.cloud.ask import ask, fetch, moment, read_token
from hub.content.cloud.identity import Held, Refused, Token, Workload, key_of
from hub.content.cloud.sigv4 import AwsKeys, Scope, presigned_url, signed_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hub.content.cloud.ask import Answer

ROLE = "eks.amazonaws.com/role-arn"
AUDIENCE = "sts.amazonaws.com"
_PUBLIC = "public.ecr.aws"
_ECR = re.compile(
    r"\d{12}\.(?:dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?|dkr-ecr(?:-fips)?\.([a-z0-9-]+)\.on\.aws)\Z"
)
_EKS = re.compile(r"arn:aws[a-z-]*:eks:([a-z0-9-]+):\d{12}:cluster/([A-Za-z0-9_-]{1,100})\Z")
_STS = re.compile(r"https://(?:[a-z0-9-]+\.)*(?:amazonaws\.com(?:\.cn)?|api\.aws)\Z")
_STS_VERSION = "2011-06-15"
_EKS_LIFE = 900.0
"""Seconds that EKS takes a signed URL for, whatever the URL says."""
_NOBODY = (
    "this process has no AWS identity: no keys, no web identity token, no container credentials, no instance profile"
)


@dataclass(frozen=True, slots=True)
class Way:
    """
    To a service of AWS.

    Attributes:
        region: Where it is; that of this process when empty.
        proxy: URL of the proxy on the way.
        sts: Address of the token service, when it is another one.
    """

    region: str = ""
    proxy: str = ""
    sts: str = ""


class Aws:
    """
    Speaks to AWS.

    Args:
        environ: Where AWS's SDKs look.
        clock: Seconds since the epoch.
    """

    def __init__(self, environ: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._environ = environ
        self._clock = clock
        self._held = Held(clock)

    @property
    def region(self) -> str:
        """The one that this process is in, as far as it was told; empty otherwise."""
        return self._environ.get("AWS_REGION") or self._environ.get("AWS_DEFAULT_REGION") or ""

    async def keys(self, workload: Workload | None, way: Way) -> Token:
        """
        Return :class:`AwsKeys` of whoever asks, in the order in which AWS's SDKs look.

        Args:
            workload: None for the hub itself.
            way: To the token service.

        Raises:
            Refused: Nobody gave any.
        """
        environ, way = self._environ, way if way.region else replace(way, region=self.region)
        if workload is None and environ.get("AWS_ACCESS_KEY_ID"):
            access, secret = environ["AWS_ACCESS_KEY_ID"], environ.get("AWS_SECRET_ACCESS_KEY", "")
            return Token(AwsKeys(access, secret, environ.get("AWS_SESSION_TOKEN", "")), math.inf)

        async def renew() -> Token:
            if workload is None:
                return await self._own(way)
            role, session = workload.annotation(ROLE), f"{workload.name}.{workload.namespace}.hub"[:64]
            return await self._assume(await workload.mint((AUDIENCE,)), role, session, way)

        return await self._held.get(key_of(workload, "keys", way.region, way.proxy, way.sts), renew)

    async def registry(self, host: str, workload: Workload | None, proxy: str = "") -> tuple[str, str]:
        """Return user name and password for a registry. Raises ``Refused``."""
        way = Way(ecr_region(host), proxy)
        token = await self._held.get(key_of(workload, "ecr", host, proxy), lambda: self._ecr(host, workload, way))
        name, _, password = token.value.partition(":")
        return name, password

    async def cluster(self, arn: str, workload: Workload | None) -> tuple[str, bytes]:
        """Return address and authorities (PEM) of an EKS cluster. Raises ``Refused``."""
        region, name = eks_name(arn)
        url = f"{self._endpoint('eks', region)}/clusters/{quote(name, safe='')}"
        found = await self._call(_Call("GET", url, "eks"), workload, Way(region))
        return found.text("cluster", "endpoint"), found.decoded("cluster", "certificateAuthority", "data")

    async def cluster_token(self, arn: str, workload: Workload | None) -> Token:
        """Return a token for an EKS cluster: a signed URL that tells it who we are. Raises ``Refused``."""
        region, name = eks_name(arn)
        keys = (await self.keys(workload, Way(region))).value
        url = f"{self._endpoint('sts', region)}/?Action=GetCallerIdentity&Version={_STS_VERSION}"
        signed = presigned_url(url, {"x-k8s-aws-id": name}, keys=keys, scope=self._scope(region, "sts"), seconds=60)
        text = base64.urlsafe_b64encode(signed.encode()).decode().rstrip("=")
        return Token(f"k8s-aws-v1.{text}", self._clock() + _EKS_LIFE)

    async def ldap(self, endpoint: str, username: str, password: str, proxy: str, ca: str) -> Token:
        """Return :class:`AwsKeys` from a token service that knows people by LDAP. Raises ``Refused``."""
        form = {
            "Action": "AssumeRoleWithLDAPIdentity",
            "Version": _STS_VERSION,
            "LDAPUsername": username,
            "LDAPPassword": password,
        }

        async def renew() -> Token:
            return _keys_of(await fetch("POST", endpoint, data=form, proxy=proxy, ca=ca), "LDAP")

        return await self._held.get(key_of(None, "ldap", endpoint, username, password, proxy, ca), renew)

    async def _own(self, way: Way) -> Token:
        """Return the keys of this process."""
        environ = self._environ
        if file := environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
            role, session = environ.get("AWS_ROLE_ARN", ""), environ.get("AWS_ROLE_SESSION_NAME", "hub")
            return await self._assume(await read_token(file), role, session, way)
        uri = environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
        if relative := environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
            uri = f"http://169.254.170.2{relative}"
        if uri:
            token = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
            if file := environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
                token = await read_token(file)
            headers = {"Authorization": token} if token else {}
            return _document(await ask("GET", uri, nearby=True, headers=headers), self._clock())
        return await self._instance()

    async def _instance(self) -> Token:
        """Return the keys of the machine: its metadata server gives them to those who fetched a token first."""
        environ = self._environ
        if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            raise Refused(_NOBODY)
        base = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254").rstrip("/")
        try:
            life = {"X-aws-ec2-metadata-token-ttl-seconds": "300"}
            token = (await fetch("PUT", f"{base}/latest/api/token", nearby=True, headers=life)).decode("ascii")
            headers = {"X-aws-ec2-metadata-token": token}
            url = f"{base}/latest/meta-data/iam/security-credentials/"
            role = (await fetch("GET", url, nearby=True, headers=headers)).decode().split()
            if not role:
                raise Refused("no role")
        except (Refused, UnicodeDecodeError) as error:
            raise Refused(f"{_NOBODY} ({error})") from error
        return _document(await ask("GET", url + quote(role[0]), nearby=True, headers=headers), self._clock())

    async def _assume(self, token: str, role: str, session: str, way: Way) -> Token:
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": _STS_VERSION,
            "RoleArn": role,
            "RoleSessionName": session,
            "WebIdentityToken": token,
        }
        usual = self._endpoint("sts", way.region)
        url = way.sts.rstrip("/") or usual
        if url != usual and _STS.match(url) is None:
            raise Refused(f"'{way.sts}' is no token service of AWS: it would be given our token")
        return _keys_of(await fetch("POST", url, data=form, proxy=way.proxy), role)

    async def _ecr(self, host: str, workload: Workload | None, way: Way) -> Token:
        public = host.partition(":")[0] == _PUBLIC
        service = "ecr-public" if public else "ecr"
        target = "SpencerFrontendService" if public else "AmazonEC2ContainerRegistry_V20150921"
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"{target}.GetAuthorizationToken"}
        url = f"{self._endpoint(service, way.region)}/"
        found = await self._call(_Call("POST", url, service, headers, b"{}"), workload, way)
        path: tuple[str | int, ...] = ("authorizationData",) if public else ("authorizationData", 0)
        login = found.decoded(*path, "authorizationToken").decode(errors="replace")
        return Token(login, _ends(found, *path, "expiresAt"))

    async def _call(self, call: _Call, workload: Workload | None, way: Way) -> Answer:
        """Send a signed request."""
        keys = (await self.keys(workload, way)).value
        scope = self._scope(way.region, call.service)
        sent = signed_headers(call.method, call.url, call.headers, call.body, keys=keys, scope=scope)
        more: dict[str, Any] = {"data": call.body} if call.body else {}
        return await ask(call.method, call.url, headers=sent, proxy=way.proxy, **more)

    def _scope(self, region: str, service: str) -> Scope:
        return Scope(region, service, datetime.fromtimestamp(self._clock(), UTC))

    def _endpoint(self, service: str, region: str) -> str:
        environ = self._environ
        given = environ.get(f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}") or environ.get("AWS_ENDPOINT_URL")
        if given:
            return given.rstrip("/")
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        name = {"ecr": "api.ecr", "ecr-public": "api.ecr-public"}.get(service, service)
        return f"https://{name}.{region}.{suffix}" if region else f"https://{name}.{suffix}"


@dataclass(frozen=True, slots=True)
class _Call:
    """What is asked of a service."""

    method: str
    url: str
    service: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def _ends(found: Answer, *path: str | int) -> float:
    """Return when a registry's token ends: the private ones give seconds, the public one may give a time."""
    try:
        return float(found.text(*path))
    except ValueError:
        return found.moment(*path)


def ecr_region(host: str) -> str:
    """Return the region of a registry. Raises ``Refused`` when it is not one of AWS: it would get our password."""
    name = host.partition(":")[0]
    if name == _PUBLIC:
        return "us-east-1"
    if (found := _ECR.match(name)) is None:
        raise Refused(f"'{host}' is no registry of AWS (<account>.dkr.ecr.<region>.amazonaws.com, {_PUBLIC})")
    return found[1] or found[2]


def eks_name(arn: str) -> tuple[str, str]:
    """Return region and name of a cluster. Raises ``Refused``."""
    if (found := _EKS.match(arn)) is None:
        raise Refused(f"'{arn}' is no cluster: arn:aws:eks:<region>:<account>:cluster/<name> is expected")
    return found[1], found[2]


def _document(found: Answer, now: float) -> Token:
    """Read keys as containers and machines are given them."""
    keys = AwsKeys(found.text("AccessKeyId"), found.text("SecretAccessKey"), found.get("Token"))
    until = found.get("Expiration")
    return Token(keys, moment(until) if until else now + _EKS_LIFE)


def _keys_of(body: bytes, role: str) -> Token:
    """Read keys as token services give them."""
    try:
        root = ET.fromstring(body)  # noqa: S314  expat itself refuses what grows without end
    except ET.ParseError as error:
        raise Refused("the token service does not answer in XML") from error
    found = {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}
    if not found.get("AccessKeyId") or not found.get("SecretAccessKey") or not found.get("Expiration"):
        raise Refused(f"the token service gave no keys for '{role}'")
    keys = AwsKeys(found["AccessKeyId"], found["SecretAccessKey"], found.get("SessionToken", ""))
    return Token(keys, moment(found["Expiration"]))
