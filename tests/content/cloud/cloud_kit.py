"""
A server that speaks as the clouds' endpoints do: it checks what it is sent, and gives tokens for it.

It is a proxy, too, so that names such as ``<account>.dkr.ecr.<region>.amazonaws.com`` lead to it; what it is asked
below ``/v2/`` goes on to a real registry, for those who log in with what it gave.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

import aiohttp
import jwt
from aiohttp import web

from hub.content.cloud.identity import Workload

ROLE = "arn:aws:iam::123456789012:role/pull"
CLUSTER = "arn:aws:eks:eu-west-1:123456789012:cluster/prod"
TENANT, CLIENT = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"
AKS = f"/subscriptions/{TENANT}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod"
GKE = "projects/acme/locations/europe-west1/clusters/prod"
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
STS = (
    '<{0}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{0}Result><Credentials><AccessKeyId>{1}'
    "</AccessKeyId><SecretAccessKey>{2}</SecretAccessKey><SessionToken>{3}</SessionToken><Expiration>{4}</Expiration>"
    "</Credentials></{0}Result></{0}Response>"
)


class CloudServer:
    """
    All clouds in one.

    Attributes:
        asked: ``METHOD path`` of each request.
        trusted: Tokens of ServiceAccounts and files that are exchanged.
        registry: Address of the real registry behind it.
        fail: Status of every answer, when it is not 0.
        life: Seconds that a token lives.
        clusters: Address and authority (base64) that the clouds name for their clusters.
    """

    def __init__(self):
        self.asked = []
        self.trusted = {"federated"}
        self.registry = ""
        self.fail = 0
        self.life = 3600
        self.clusters = ("https://10.0.0.1", base64.b64encode(b"PEM").decode())
        self.given = set()
        self.secrets = {}

    async def __aenter__(self):
        self._runner = web.ServerRunner(web.Server(self._answer))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.address = f"127.0.0.1:{self._runner.addresses[0][1]}"
        self.url = f"http://{self.address}"
        self._session = aiohttp.ClientSession(auto_decompress=False)
        return self

    async def serve_tls(self, pair):
        """Answer over TLS too; return the port."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pair.cert, pair.key)
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context).start()
        return self._runner.addresses[-1][1]

    async def __aexit__(self, *_):
        await self._session.close()
        await self._runner.cleanup()

    @property
    def environ(self):
        """What leads SDKs to this server."""
        services = ("STS", "ECR", "ECR_PUBLIC", "EKS")
        return {f"AWS_ENDPOINT_URL_{name}": self.url for name in services} | {
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.url,
            "AZURE_AUTHORITY_HOST": self.url,
            "AZURE_POD_IDENTITY_AUTHORITY_HOST": self.url,
            "GCE_METADATA_HOST": self.address,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_STS": self.url,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS": self.url,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER": self.url,
        }

    def count(self, what):
        """Return how many requests had this in them."""
        return sum(what in one for one in self.asked)

    def give(self, kind):
        """Make a token of a kind, and remember it."""
        token = f"{kind}-{len(self.given)}"
        self.given.add(token)
        return token

    async def _answer(self, request):
        self.asked.append(f"{request.method} {request.path_qs}")
        if request.path.startswith("/v2/"):
            return await self._registry(request)
        if self.fail:
            return web.Response(status=self.fail, text="s3cret details")
        try:
            return await self._endpoint(request)
        except (AssertionError, KeyError, jwt.PyJWTError) as error:
            return web.Response(status=403, text=f"s3cret {error!r}")

    async def _endpoint(self, request):
        body = await request.read()
        form = dict(parse_qsl(body.decode())) if body[:1] not in {b"{", b""} else {}
        path = request.path
        if "X-Amz-Target" in request.headers:
            return self._ecr(request, body)
        if "Action" in form:
            return self._sts(form)
        if request.query.get("Action") == "GetCallerIdentity":
            self.check_presigned(request)
            return web.json_response({"who": request.headers["x-k8s-aws-id"]})
        if path.startswith("/clusters/"):
            self.check_signature(request, body)
            address, authority = self.clusters
            return web.json_response({"cluster": {"endpoint": address, "certificateAuthority": {"data": authority}}})
        if path.startswith("/latest/"):
            return self._instance(request)
        if path.startswith(("/computeMetadata/", "/v1/")) or path == "/token":
            return self._google(request, form, body)
        return self._azure(request, form)

    def _sts(self, form):
        assert form["Version"] == "2011-06-15"
        if form["Action"] == "AssumeRoleWithLDAPIdentity":
            assert (form["LDAPUsername"], form["LDAPPassword"]) == ("bob", "pass")
        else:
            assert form["RoleArn"] == ROLE
            assert form["RoleSessionName"]
            assert form["WebIdentityToken"] in self.trusted
        until = f"{datetime.now(UTC) + timedelta(seconds=self.life):%Y-%m-%dT%H:%M:%SZ}"
        return web.Response(text=STS.format(form["Action"], *self.keys(), until), content_type="text/xml")

    def keys(self):
        """Make keys that end."""
        access = f"ASIA{len(self.secrets)}"
        self.secrets[access] = (f"secret/{access}", f"session+{access}")
        return access, *self.secrets[access]

    def _instance(self, request):
        if request.path == "/latest/api/token":
            assert request.method == "PUT"
            assert int(request.headers["X-aws-ec2-metadata-token-ttl-seconds"]) > 0
            return web.Response(text=self.give("imds"))
        assert request.headers["X-aws-ec2-metadata-token"] in self.given
        if request.path.endswith("/security-credentials/"):
            return web.Response(text="node\n")
        assert request.path.endswith("/security-credentials/node")
        access, secret, token = self.keys()
        until = f"{datetime.now(UTC) + timedelta(seconds=self.life):%Y-%m-%dT%H:%M:%SZ}"
        found = {"AccessKeyId": access, "SecretAccessKey": secret, "Token": token, "Expiration": until}
        return web.json_response(found)

    def _ecr(self, request, body):
        self.check_signature(request, body)
        public = request.headers["X-Amz-Target"] == "SpencerFrontendService.GetAuthorizationToken"
        assert public or request.headers["X-Amz-Target"] == (
            "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
        )
        login = base64.b64encode(f"AWS:{self.give('ecr')}".encode()).decode()
        data = {"authorizationToken": login, "expiresAt": time.time() + 12 * 3600}
        return web.json_response({"authorizationData": data if public else [data]})

    def _azure(self, request, form):
        path = request.path
        if path.startswith("/metadata/identity"):
            assert request.headers["Metadata"] == "true"
            return web.json_response({"access_token": self.give("aad"), "expires_in": str(self.life)})
        if path.endswith("/oauth2/v2.0/token"):
            assert path == f"/{TENANT}/oauth2/v2.0/token"
            assert (form["grant_type"], form["client_id"]) == ("client_credentials", CLIENT)
            assert form["scope"].endswith("/.default")
            if "client_secret" in form:
                assert form["client_secret"] == "hush"
            else:
                assert form["client_assertion_type"].endswith(":jwt-bearer")
                assert form["client_assertion"] in self.trusted or self.is_signed(form["client_assertion"], path)
            return web.json_response({"access_token": self.give("aad"), "expires_in": self.life})
        if path == "/oauth2/exchange":
            assert (form["grant_type"], form["service"]) == ("access_token", request.host)
            assert form["access_token"] in self.given
            refresh = jwt.encode({"exp": int(time.time()) + 3 * 3600, "jti": len(self.given)}, "k" * 32)
            self.given.add(refresh)
            return web.json_response({"refresh_token": refresh})
        assert path == f"{AKS}/listClusterUserCredential"
        self._bearer(request)
        address, authority = self.clusters
        kubeconfig = {
            "current-context": "a",
            "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": address, "certificate-authority-data": authority}}],
            "users": [{"name": "u", "user": {"exec": {"command": "kubelogin", "apiVersion": "v1"}}}],
        }
        value = base64.b64encode(json.dumps(kubeconfig).encode()).decode()
        return web.json_response({"kubeconfigs": [{"name": "clusterUser", "value": value}]})

    def _google(self, request, form, body):
        path = request.path.removeprefix("/computeMetadata/v1/")
        if path != request.path:
            assert request.headers["Metadata-Flavor"] == "Google"
            if path == "instance/service-accounts/default/token":
                return web.json_response({"access_token": self.give("google"), "expires_in": self.life})
            texts = {
                "project/project-id": "acme",
                "instance/attributes/cluster-location": "europe-west1",
                "instance/attributes/cluster-name": "prod",
            }
            return web.Response(text=texts[path])
        if path == "/token":
            assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
            assert self.is_signed(form["assertion"], path)
            return web.json_response({"access_token": self.give("google"), "expires_in": self.life})
        if path == "/v1/token":
            assert form["subject_token"] in self.trusted
            self.audience = form["audience"]
            return web.json_response({"access_token": self.give("google"), "expires_in": self.life})
        self._bearer(request)
        if path.endswith(":generateAccessToken"):
            assert json.loads(body)["scope"]
            self.impersonated = path.rpartition("/")[2].partition(":")[0]
            until = f"{datetime.now(UTC) + timedelta(seconds=self.life):%Y-%m-%dT%H:%M:%SZ}"
            return web.json_response({"accessToken": self.give("impersonated"), "expireTime": until})
        assert path == f"/v1/{GKE}"
        address, authority = self.clusters
        found = {"endpoint": address.removeprefix("https://"), "masterAuth": {"clusterCaCertificate": authority}}
        return web.json_response(found)

    def is_signed(self, assertion, path):
        """Whether a JWT was signed with the key that ``public_key`` belongs to, for this address."""
        audience = f"{self.url}{path}"
        claims = jwt.decode(assertion, self.public_key, algorithms=["RS256", "PS256"], audience=audience)
        return claims["exp"] > time.time()

    def _bearer(self, request):
        assert request.headers["Authorization"].removeprefix("Bearer ") in self.given

    def check_signature(self, request, body, content=""):
        """Compute the signature of a request as it arrived, and compare."""
        kind, _, rest = request.headers["Authorization"].partition(" ")
        assert kind == "AWS4-HMAC-SHA256"
        parts = dict(one.split("=", 1) for one in rest.split(", "))
        access, _, scope = parts["Credential"].partition("/")
        secret, token = self.secrets[access]
        assert request.headers.get("X-Amz-Security-Token", "") == token
        assert {"host", "x-amz-date"} <= set(parts["SignedHeaders"].split(";"))
        content = content or hashlib.sha256(body).hexdigest()
        date = request.headers["X-Amz-Date"]
        ours = _signature(request, parts["SignedHeaders"], content, secret=secret, scope=scope, date=date)
        assert ours == parts["Signature"]

    def check_presigned(self, request):
        """The same for a URL that was signed."""
        query = request.query
        access, _, scope = query["X-Amz-Credential"].partition("/")
        secret, token = self.secrets[access]
        assert query.get("X-Amz-Security-Token", "") == token
        assert "x-k8s-aws-id" in query["X-Amz-SignedHeaders"].split(";")
        content = hashlib.sha256(b"").hexdigest()
        names, date = query["X-Amz-SignedHeaders"], query["X-Amz-Date"]
        ours = _signature(request, names, content, secret=secret, scope=scope, date=date)
        assert ours == query["X-Amz-Signature"]

    async def _registry(self, request):
        """Be the registry of a cloud."""
        login = request.headers.get("Authorization", "").removeprefix("Basic ")
        password = base64.b64decode(login).decode().partition(":")[2]
        if password not in self.given:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="cloud"'})
        headers = {name: value for name, value in request.headers.items() if name in {"Accept", "Host"}}
        url = f"http://{self.registry}{request.path_qs}"
        async with self._session.request(request.method, url, headers=headers) as found:
            kept = {"Content-Type", "Docker-Content-Digest", "Content-Length"}
            more = {name: value for name, value in found.headers.items() if name in kept}
            body = await found.read()
            if request.method == "HEAD":
                return web.Response(status=found.status, headers=more)
            more.pop("Content-Length", None)
            return web.Response(status=found.status, headers=more, body=body)


def _signature(request, names, content, *, secret, scope, date):
    lines = [f"{name}:{request.headers[name].strip()}" for name in names.split(";")]
    pairs = [
        f"{quote(name, safe='')}={quote(value, safe='')}"
        for name, value in request.query.items()
        if name != "X-Amz-Signature"
    ]
    canonical = "\n".join([request.method, request.path, "&".join(sorted(pairs)), *lines, "", names, content])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def workload(*, token="federated", asked=None, **annotations):
    """A ServiceAccount whose annotations are keys with underscores for dots, dashes and slashes."""

    async def mint(audiences):
        if asked is not None:
            asked.append(audiences)
        return token

    return Workload("apps", "puller", annotations, mint)
