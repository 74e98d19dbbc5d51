"""Members that a ConfigMap names: clusters that trust the hub's own tokens, on real API servers; those of clouds."""

from __future__ import annotations

import base64
import json
import ssl

import pytest
from aiohttp import ClientSession, web
from cloud_kit import AKS, CLIENT, CLUSTER, GKE, ROLE, TENANT, CloudServer

from hub.api.meta import CONFIG_MAPS, SERVICE_ACCOUNTS, Api, KubeConfig
from hub.content.cloud.clouds import Clouds
from hub.dev.certs import Authority
from hub.errors import Forbidden, Transient, Unauthorized
from hub.kube.client import Client
from hub.kube.config import load_kubeconfig
from hub.members.pool import Pool
from hub.runtime.secrets import SecretReader
from hub.settings import RunSettings, SecuritySettings

pytestmark = pytest.mark.cluster
REVIEW = Api("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews")
ISSUER = "https://kubernetes.default.svc"
NAMED = KubeConfig.model_validate({"configMapRef": {"name": "remote"}})


@pytest.fixture
async def hub(clusters):
    client = Client(load_kubeconfig(clusters.hub.kubeconfig))
    yield client
    await client.aclose()


@pytest.fixture
async def cloud():
    async with CloudServer() as server:
        yield server


@pytest.fixture
async def pool(hub, cloud, tmp_path):
    (tmp_path / "azure.json").write_text(json.dumps({"resourceManagerEndpoint": cloud.url}))
    environ = cloud.environ | {"AZURE_ENVIRONMENT_FILEPATH": str(tmp_path / "azure.json")}
    pool = Pool(hub, SecretReader(hub), SecuritySettings(), RunSettings(), clouds=Clouds(environ))
    yield pool
    await pool.aclose()


@pytest.fixture
def put(hub, namespace):
    """Write the ConfigMap; the generic one leads back to the hub's cluster."""

    async def put(**data):
        texts = {key: value for key, value in data.items() if value is not None}
        meta = {"name": "remote", "namespace": namespace}
        await hub.apply(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": texts})

    return put


@pytest.fixture
def generic(hub):
    config = hub.config
    return {"provider": "generic", "address": config.server, "ca.crt": config.ca.decode(), "audiences": f"{ISSUER}\n"}


async def account(hub, namespace, name, annotations=None):
    meta = {"name": name, "namespace": namespace, "annotations": annotations or {}}
    await hub.apply(SERVICE_ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})


async def who(member):
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await member.call(lambda client: client.create(REVIEW, body))
    return answer["status"]["userInfo"]["username"]


@pytest.mark.parametrize(("named", "name"), [("deployer", "deployer"), (None, "default")])
async def test_a_cluster_that_trusts_the_hubs_tokens(*, hub, pool, put, generic, namespace, named, name):
    await account(hub, namespace, name)
    await put(**generic, serviceAccountName=named)
    member = await pool.find(namespace, NAMED)
    assert member.name == f"{namespace}/remote (ConfigMap)"
    assert await who(member) == f"system:serviceaccount:{namespace}:{name}"


async def test_the_account_of_those_who_name_none(hub, put, generic, namespace):
    await account(hub, namespace, "tenant")
    await put(**generic)
    pool = Pool(hub, SecretReader(hub), SecuritySettings(), RunSettings(), default_service_account="tenant")
    try:
        member = await pool.find(namespace, NAMED)  # which acts as that account, too, as everywhere
        with pytest.raises(Forbidden, match=f'User "system:serviceaccount:{namespace}:tenant" cannot impersonate'):
            await who(member)
    finally:
        await pool.aclose()


async def test_who_else_it_is_to_act_as(hub, pool, put, generic, namespace):
    await account(hub, namespace, "deployer")
    await put(**generic, serviceAccountName="deployer")
    member = await pool.find(namespace, NAMED, "other")
    with pytest.raises(Forbidden, match=f'User "system:serviceaccount:{namespace}:deployer" cannot impersonate'):
        await who(member)


async def test_a_member_is_made_once_and_anew_when_its_content_changes(hub, pool, put, generic, namespace):
    for name in ("one", "two"):
        await account(hub, namespace, name)
    await put(**generic, serviceAccountName="one")
    member = await pool.find(namespace, NAMED)
    first = member.digest
    await put(**generic, serviceAccountName="one", more="nothing that matters")
    assert (await pool.find(namespace, NAMED), member.digest) == (member, first)
    await put(**generic, serviceAccountName="two")
    assert await pool.find(namespace, NAMED) is member
    assert member.digest != first
    assert await who(member) == f"system:serviceaccount:{namespace}:two"


async def test_a_token_that_is_refused_is_renewed(hub, pool, put, generic, namespace):
    await account(hub, namespace, "deployer")
    await put(**generic, serviceAccountName="deployer")
    member = await pool.find(namespace, NAMED)
    await who(member)
    await hub.delete(SERVICE_ACCOUNTS, "deployer", namespace)
    await account(hub, namespace, "deployer")  # the token that was given is that of another account now
    assert await who(member) == f"system:serviceaccount:{namespace}:deployer"


async def test_an_audience_that_the_cluster_does_not_have(hub, pool, put, generic, namespace):
    await account(hub, namespace, "deployer")
    await put(**generic | {"audiences": None}, serviceAccountName="deployer")
    member = await pool.find(namespace, NAMED)  # its address is the audience
    with pytest.raises(Unauthorized):
        await who(member)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"provider": None}, "it has no 'provider': aws, azure, gcp or generic", id="no provider"),
        pytest.param({"provider": "oracle"}, "its provider 'oracle' is not one of", id="unknown provider"),
        pytest.param({"address": None}, "it has no 'address', which the generic provider needs", id="no address"),
        pytest.param({"address": "10.0.0.1"}, "server is not a URL of the form https://host:port", id="no URL"),
        pytest.param({"address": "http://10.0.0.1"}, "a server over plain http is refused", id="no TLS"),
        pytest.param({"ca.crt": "x"}, "certificate-authority-data ", id="no authority"),
        pytest.param({"provider": "aws"}, "it has no 'cluster': the aws provider needs", id="EKS without name"),
        pytest.param({"provider": "gcp", "ca.crt": None}, "it has no 'cluster', or 'address' and", id="GKE no name"),
        pytest.param({"provider": "gcp"}, "which the hub's own identity needs", id="the hub itself, anywhere"),
        pytest.param(
            {"provider": "gcp", "cluster": GKE}, "and that of the cluster is 'https://10.0.0.1'", id="anywhere else"
        ),
        pytest.param(
            {"provider": "aws", "cluster": "prod", "address": None}, "'prod' is no cluster: arn:aws:eks", id="no ARN"
        ),
        pytest.param(
            {"provider": "gcp", "cluster": "../x", "address": None}, "'../x' is no cluster: projects/", id="GKE path"
        ),
        pytest.param({"provider": "azure", "cluster": "/x", "address": None}, "is no cluster: /subsc", id="AKS path"),
        pytest.param(
            {"provider": "gcp", "cluster": GKE, "ca.crt": None}, "and that of the cluster is 'https://10.0.0.1'",
            id="another address",
        ),
        pytest.param(
            {"provider": "aws", "cluster": CLUSTER, "serviceAccountName": "nobody"},
            "failed to get service account", id="no account",
        ),
    ],
)  # fmt: skip
async def test_what_a_bad_config_map_gets(*, pool, put, generic, namespace, change, message):
    await put(**generic | change)
    with pytest.raises(Transient) as failed:
        await pool.find(namespace, NAMED)
    assert failed.value.reason == "RESTClientError"
    assert failed.value.message.startswith(f"KubeConfig configmap '{namespace}/remote' cannot be used: ")
    assert message in failed.value.message


async def test_what_a_missing_config_map_gets(pool, namespace):
    with pytest.raises(Transient) as failed:
        await pool.find(namespace, NAMED)
    why = f"""could not get KubeConfig configmap '{namespace}/remote': configmaps "remote" not found"""
    assert (failed.value.reason, failed.value.message) == ("RESTClientError", why)


@pytest.fixture
async def managed(cloud, tmp_path):
    """An API server of a cloud: it takes the tokens that its cloud gave, and knows their users."""
    authority = Authority(tmp_path, "cloud")
    pair = authority.server("api", ["127.0.0.1"])

    async def answer(request):
        token = request.headers["Authorization"].removeprefix("Bearer ")
        if token.startswith("k8s-aws-v1."):
            text = token.removeprefix("k8s-aws-v1.")
            url = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
            async with ClientSession() as session, session.get(url, headers={"x-k8s-aws-id": "prod"}) as found:
                if found.status != 200:
                    return web.json_response({"kind": "Status", "reason": "Unauthorized"}, status=401)
        elif token not in cloud.given:
            return web.json_response({"kind": "Status", "reason": "Unauthorized"}, status=401)
        return web.json_response({"gitVersion": "v1.36.0"})

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    ca = authority.pair.cert.read_bytes()
    cloud.clusters = (f"https://127.0.0.1:{runner.addresses[0][1]}", base64.b64encode(ca).decode())
    yield cloud.clusters[0]
    await runner.cleanup()


ANNOTATIONS = {
    "eks.amazonaws.com/role-arn": ROLE,
    "azure.workload.identity/client-id": CLIENT,
    "azure.workload.identity/tenant-id": TENANT,
}


@pytest.mark.parametrize("name", [None, "deployer"])
@pytest.mark.parametrize(("provider", "cluster"), [("aws", CLUSTER), ("azure", AKS), ("gcp", GKE)])
async def test_a_cluster_of_a_cloud(*, hub, pool, put, namespace, cloud, managed, provider, cluster, name):
    class Anybody:
        def __contains__(self, token):
            return token.count(".") == 2

    cloud.trusted = Anybody()
    await account(hub, namespace, "deployer", ANNOTATIONS)
    await put(provider=provider, cluster=cluster, serviceAccountName=name)
    member = await pool.find(namespace, NAMED)
    assert member.client.config.server == managed
    assert (await member.call(lambda client: client.read("/version")))["gitVersion"] == "v1.36.0"
    asked = len(cloud.asked)
    assert await pool.find(namespace, NAMED) is member
    assert len(cloud.asked) == asked, "an unchanged one asks nobody"


async def test_a_cloud_that_gives_nothing(pool, put, namespace, cloud):
    cloud.fail = 500
    await put(provider="gcp", cluster=GKE)
    with pytest.raises(Transient) as failed:
        await pool.find(namespace, NAMED)
    assert "cannot be used: no token from provider 'gcp': this process has no Google identity" in failed.value.message
    assert "s3cret" not in failed.value.message
