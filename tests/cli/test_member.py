"""``hubctl member`` on real clusters: the hub's objects, and a member that is really asked. No hub runs."""

from __future__ import annotations

import base64

import pytest
import yaml

from hub.api.fleet import Member
from hub.api.helm import HelmRelease
from hub.api.meta import SECRETS
from hub.cli.member_show import described
from hub.errors import NotFound
from hub.kube.config import parse_kubeconfig
from hub.members.expiry import expiry_of


@pytest.fixture
def there(clusters):
    """Words that name the member's own kubeconfig."""
    return ["--from-kubeconfig", str(clusters.members[0].kubeconfig)]


@pytest.fixture
async def account(clusters, namespace):
    """A service account that goes with its rights."""
    yield f"{namespace}/hub"
    clusters.members[0].kubectl("delete", "clusterrolebinding", f"hub-{namespace}-hub", "--ignore-not-found")


async def kubeconfig(objects, name="edge"):
    secret = await objects.client.get(SECRETS, name, objects.namespace)
    return parse_kubeconfig(base64.b64decode(secret["data"]["value"]))


@pytest.mark.cluster
async def test_add_with_the_credentials_there_are(hubctl, objects, there, clusters):
    ran = await hubctl("member", "add", "edge", *there, "--label", "region=eu", "--no-wait")
    assert ran.code == 0, ran.err
    assert "answers, Kubernetes v1." in ran.err
    member = Member.parse(await objects.read(Member.KIND, "edge"))
    assert member.metadata.labels == {"region": "eu"}
    assert member.spec.kube_config.secret_ref.name == "edge"
    stored, own = await kubeconfig(objects), yaml.safe_load(clusters.members[0].kubeconfig.read_text())
    assert stored.server == own["clusters"][0]["cluster"]["server"]
    assert stored.client_cert

    again = await hubctl("member", "add", "edge", *there, "--no-wait")
    assert again.code == 1
    assert "exists: 'hubctl member rotate' exchanges" in again.err


@pytest.mark.cluster
async def test_a_service_account_and_its_token(hubctl, objects, there, account):
    ran = await hubctl(
        "member", "add", "edge", *there, "--service-account", account, "--token-duration", "1h", "--no-wait"
    )
    assert ran.code == 0, ran.err
    first = await kubeconfig(objects)
    assert (first.client_cert, expiry_of(first).what) == (b"", "token")

    ran = await hubctl("member", "check", "edge")
    assert ran.code == 0, ran.err
    assert "may watch secrets in all namespaces" in ran.err

    ran = await hubctl("member", "rotate", "edge", "--token-duration", "2h")
    assert ran.code == 0, ran.err
    second = await kubeconfig(objects)
    assert expiry_of(second).at > expiry_of(first).at


@pytest.mark.cluster
async def test_an_account_of_one_namespace(hubctl, objects, there, account, namespace):
    ran = await hubctl(
        "member", "add", "edge", *there, "--service-account", account, "--role", "admin", "--in-namespace", namespace,
        "--no-wait",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    everywhere = await hubctl("member", "check", "edge")
    assert everywhere.code == 1
    assert "may not list secrets in all namespaces" in everywhere.err
    here = await hubctl("member", "check", "edge", "--in-namespace", namespace)
    assert here.code == 0, here.err
    assert "may not create namespaces" in here.err
    ran = await hubctl("member", "rotate", "edge")
    assert ran.code == 0, ran.err


@pytest.mark.cluster
async def test_nobody_can_renew_what_was_handed_over(hubctl, objects, there):
    assert (await hubctl("member", "add", "edge", *there, "--no-wait")).code == 0
    ran = await hubctl("member", "rotate", "edge")
    assert ran.code == 1
    assert "was not added with --service-account" in ran.err
    assert (await hubctl("member", "rotate", "edge", *there)).code == 0


@pytest.mark.cluster
async def test_remove(hubctl, objects, there, namespace):
    assert (await hubctl("member", "add", "edge", *there, "--no-wait")).code == 0
    await objects.make(HelmRelease.KIND, "web", kubeConfig={"secretRef": {"name": "edge"}})
    ran = await hubctl("member", "remove", "edge")
    assert ran.code == 1
    assert "releases go to member edge: web" in ran.err
    await objects.client.delete(HelmRelease.KIND.api, "web", namespace)
    asked = await hubctl("member", "remove", "edge")
    assert (asked.code, asked.err.splitlines()[-1]) == (1, "✗ nothing was changed: there is nobody to ask; say --yes")
    assert f"Secret {namespace}/edge: the kubeconfig of it" in asked.err
    assert (await hubctl("member", "remove", "edge", "--yes")).code == 0
    for api in (Member.KIND.api, SECRETS):
        with pytest.raises(NotFound):
            await objects.client.get(api, "edge", namespace)


@pytest.mark.cluster
async def test_a_member_that_does_not_answer_is_not_added(hubctl, objects, tmp_path, clusters):
    document = yaml.safe_load(clusters.members[0].kubeconfig.read_text())
    document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(document))
    ran = await hubctl("member", "add", "edge", "--from-kubeconfig", str(file), "--no-wait")
    assert ran.code == 1
    assert "cannot reach the member: 127.0.0.1:1 refused the connection" in ran.err
    with pytest.raises(NotFound):
        await objects.client.get(SECRETS, "edge", objects.namespace)


@pytest.mark.cluster
async def test_list(hubctl, there):
    assert (await hubctl("member", "add", "edge", *there, "--no-wait")).code == 0
    listed, got = await hubctl("member", "list"), await hubctl("get", "members")
    assert listed.out == got.out
    assert listed.lines[1].split()[0] == "edge"


@pytest.mark.cluster
async def test_an_unknown_member(hubctl):
    ran = await hubctl("member", "show", "nobody")
    assert (ran.code, "Member object 'nobody' not found" in ran.err) == (1, True)


def test_what_is_shown():
    member = Member.parse({
        "metadata": {"name": "edge", "namespace": "apps", "labels": {"region": "eu"}},
        "spec": {"kubeConfig": {"secretRef": {"name": "edge"}}},
        "status": {
            "version": "v1.36.3", "breaker": "closed", "lastSeen": "2026-01-01T00:00:00Z", "latency": "3ms",
            "releases": {"total": 1, "ready": 0},
            "credentials": {"what": "token", "expires": "2026-02-01T00:00:00Z"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "Reachable", "message": "it answers"}],
        },
    })  # fmt: skip
    lines = described(member, [HelmRelease.parse({"metadata": {"name": "web", "namespace": "apps"}})])
    assert [" ".join(line.split()) for line in lines] == [
        "Name: apps/edge", "Labels: region=eu", "Secret: edge", "Version: v1.36.3", "Breaker: closed",
        "Last seen: 2026-01-01T00:00:00Z (3ms)", "Records watched: None",
        "Credentials: token until 2026-02-01T00:00:00Z", "Releases: 0 of 1 ready",
        "", "Conditions:", "Ready=True Reachable: it answers", "", "Releases:", "web not ready: not seen yet",
    ]  # fmt: skip
