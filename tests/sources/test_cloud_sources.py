"""Sources that log in to registries of clouds, with tokens that a real API server made of their ServiceAccounts."""

from __future__ import annotations

import json
import socket

import aiohttp
import jwt
import pytest
from aiohttp.abc import AbstractResolver
from cloud_kit import CLIENT, ECR, ROLE, TENANT, CloudServer
from repository_kit import Pusher, targz
from sources_harness import CHART, OCI, Sources, condition

from hub.api.image import ImageRepository
from hub.content.cloud.clouds import Clouds
from hub.content.cloud.identity import NoToken
from hub.content.oci.manifest import FLUX_CONTENT
from hub.dev.certs import Authority
from hub.images.scan import open_registry
from hub.kube.client import Client
from hub.runtime.workloads import Workloads

pytestmark = pytest.mark.cluster
HOSTS = {"aws": ECR, "azure": "acme.azurecr.io", "gcp": "europe-docker.pkg.dev"}
ANNOTATIONS = {
    "eks.amazonaws.com/role-arn": ROLE,
    "azure.workload.identity/client-id": CLIENT,
    "azure.workload.identity/tenant-id": TENANT,
    "iam.gke.io/gcp-service-account": "pull@acme.iam.gserviceaccount.com",
}
AUDIENCES = {"sts.amazonaws.com", "api://AzureADTokenExchange", "acme.svc.id.goog"}


class Trust:
    """Tokens of one ServiceAccount for a cloud, checked with the keys that the API server publishes."""

    def __init__(self, keys, subject):
        self.keys = {one.key_id: one.key for one in jwt.PyJWKSet.from_dict(keys).keys}
        self.subject = subject

    def __contains__(self, token):
        key = self.keys[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(token, key, algorithms=["RS256", "ES256"], audience=list(AUDIENCES))
        return claims["sub"] == self.subject and len(claims["aud"]) == 1


class Here(AbstractResolver):
    """Every name is this machine's."""

    async def resolve(self, host, port=0, family=socket.AF_INET):
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": family, "proto": 0, "flags": 0}]

    async def close(self):
        pass


@pytest.fixture
async def cloud(registry_server):
    async with CloudServer() as server:
        server.registry = registry_server.address
        yield server


@pytest.fixture
async def sources(clusters, namespace, tmp_path, cloud):
    async with Sources(clusters.hub, namespace, tmp_path / "storage", clouds=Clouds(cloud.environ)) as running:
        keys = json.loads(await running.kubectl("get", "--raw=/openid/v1/jwks"))
        cloud.trusted = Trust(keys, f"system:serviceaccount:{namespace}:puller")
        for name, annotations in {"puller": ANNOTATIONS, "other": ANNOTATIONS, "bare": {}}.items():
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
            account["metadata"]["annotations"] = annotations
            await running.kubectl("apply", "-f", "-", input=json.dumps(account))
        await running.secret("proxy", address=cloud.url)
        yield running


@pytest.fixture
async def digest(sources, registry_server, tmp_path):
    name = registry_server.repository(f"{sources.namespace}/app")
    return await Pusher(sources.session, tmp_path).push(name, "1.0.0", targz({"a": "1"}), FLUX_CONTENT)


@pytest.fixture
async def trusted(sources, cloud, tmp_path):
    """The port at which the cloud's registry speaks TLS, with an authority that is in the Secret ``ca``."""
    authority = Authority(tmp_path, "cloud")
    await sources.secret("ca", **{"ca.crt": authority.pair.cert.read_text()})
    return await cloud.serve_tls(authority.server("registry", [ECR]))


def spec(sources, provider, host="", **more):
    url = f"oci://{host or HOSTS[provider]}/{sources.namespace}/app"
    reach = {"insecure": True, "proxySecretRef": {"name": "proxy"}, "provider": provider, "ref": {"tag": "1.0.0"}}
    return {"url": url} | reach | more


@pytest.mark.parametrize("provider", HOSTS)
async def test_a_service_account_opens_a_registry(sources, cloud, digest, provider):
    await sources.apply("OCIRepository", "app", spec(sources, provider, serviceAccountName="puller"))
    await sources.ready(OCI, "app", f"1.0.0@{digest}")
    exchanges = [one for one in cloud.asked if "/v2/" not in one]
    await sources.apply("OCIRepository", "more", spec(sources, provider, serviceAccountName="puller"))
    await sources.ready(OCI, "more", f"1.0.0@{digest}")
    assert [one for one in cloud.asked if "/v2/" not in one] == exchanges, "the second one asks nobody"


async def test_a_secret_comes_first(sources, digest):
    auths = {"auths": {ECR: {"username": "AWS", "password": "wrong"}}}
    await sources.secret("pull", **{".dockerconfigjson": json.dumps(auths)})
    await sources.apply("OCIRepository", "app", spec(sources, "aws", secretRef={"name": "pull"}))
    found = await sources.failed(OCI, "app", "OCIArtifactPullFailed")
    assert "does not accept the credentials" in condition(found, "Ready")["message"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"insecure": True}, "is not used with spec.insecure", id="no TLS"),
        pytest.param(
            {"certSecretRef": {"name": "ca"}, "proxySecretRef": {"name": "proxy"}},
            "is not used with spec.certSecretRef together with spec.proxySecretRef",
            id="somebody in between",
        ),
    ],
)
async def test_where_the_hubs_own_identity_is_not_used(*, sources, cloud, trusted, change, message):
    url = f"oci://{ECR}:{trusted}/{sources.namespace}/app"
    await sources.apply("OCIRepository", "app", {"url": url, "provider": "aws"} | change)
    found = await sources.failed(OCI, "app", "AuthenticationFailed")
    assert message in condition(found, "Ready")["message"]
    assert cloud.asked == []


@pytest.mark.parametrize(
    ("account", "host", "message"),
    [
        pytest.param("bare", "", "it has no annotation 'eks.amazonaws.com/role-arn'", id="no annotation"),
        pytest.param("nobody", "", 'serviceaccounts "nobody" not found', id="no account"),
        pytest.param("other", "", "answered 403", id="not trusted"),
        pytest.param("puller", "ghcr.io", "'ghcr.io' is no registry of AWS", id="not of that cloud"),
    ],
)
async def test_accounts_that_open_nothing(*, sources, digest, account, host, message):
    await sources.apply("OCIRepository", "app", spec(sources, "aws", serviceAccountName="puller"))
    before = await sources.ready(OCI, "app", f"1.0.0@{digest}")
    await sources.apply("OCIRepository", "app", spec(sources, "aws", host, serviceAccountName=account))
    found = await sources.failed(OCI, "app", "AuthenticationFailed")
    assert message in condition(found, "Ready")["message"]
    assert "eyJ" not in condition(found, "Ready")["message"], "as every token begins"
    assert found["status"]["artifact"] == before["status"]["artifact"]
    await sources.event("app", "Warning", "AuthenticationFailed")


async def test_the_hub_itself(*, sources, cloud, trusted, registry_server, digest, tmp_path):
    """An artifact and a chart of the same registry: one login."""
    await Pusher(sources.session, tmp_path).chart(registry_server.repository(sources.namespace))
    await sources.session.close()
    sources.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Here()))
    url = f"oci://{ECR}:{trusted}/{sources.namespace}"
    reach = {"provider": "aws", "certSecretRef": {"name": "ca"}}
    await sources.apply("OCIRepository", "app", {"url": f"{url}/app", "ref": {"tag": "1.0.0"}} | reach)
    await sources.ready(OCI, "app", f"1.0.0@{digest}")
    await sources.apply("HelmRepository", "charts", {"type": "oci", "url": url} | reach)
    source = {"kind": "HelmRepository", "name": "charts"}
    await sources.apply("HelmChart", "web", {"chart": "web", "version": "1.0.0", "sourceRef": source})
    await sources.ready(CHART, "web", "1.0.0")
    assert cloud.count("/security-credentials/node") == 1
    assert cloud.count("POST /") == 1


@pytest.mark.parametrize("provider", HOSTS)
async def test_the_tags_of_an_image(sources, digest, provider):
    """A scan logs in the same way; a Secret does not count then."""
    image = {
        "metadata": {"name": "app", "namespace": sources.namespace},
        "spec": {
            "image": f"{HOSTS[provider]}/{sources.namespace}/app",
            "interval": "1m",
            "provider": provider,
            "serviceAccountName": "puller",
            "secretRef": {"name": "nowhere"},
            "proxySecretRef": {"name": "proxy"},
            "insecure": True,
        },
    }
    registry = await open_registry(sources.origins, ImageRepository.model_validate(image))
    assert await registry.tags() == ["1.0.0"]


async def test_without_the_right_to_make_tokens(sources):
    """The chart gives it only when asked to: the error says where."""
    account = f"system:serviceaccount:{sources.namespace}:bare"
    client = Client(sources.client.config, impersonate=account)
    try:
        with pytest.raises(NoToken, match=r"with rbac\.serviceAccountTokens=true$"):
            await Workloads(client).token(sources.namespace, "puller", ("x",))
        with pytest.raises(NoToken, match=r"with rbac\.serviceAccountTokens=true$"):
            await Workloads(client).find(sources.namespace, "puller")
    finally:
        await client.aclose()
