"""Ctrl-C, as the terminal sends it, at the worst moment: nothing is left half done."""

from __future__ import annotations

import asyncio
import signal

import pytest
import yaml
from cli_checkpoint import Checkpoint
from cli_kit import Hubctl

from hub.api.fleet import Member
from hub.api.meta import SECRETS
from hub.api.source import GitRepository
from hub.errors import NotFound

pytestmark = pytest.mark.cluster

INTERRUPTED = 130
CREATE = ["create", "source", "git", "repo", "--url", "https://git.example.com/x.git"]


@pytest.fixture
async def checkpoint(clusters, tmp_path):
    async with Checkpoint(clusters.hub.kubeconfig, tmp_path).serving() as checkpoint:
        yield checkpoint


@pytest.fixture
def interrupted(checkpoint, namespace):
    """Run a command, interrupt it while its request is held, let that through; return exit code and stderr."""

    async def run(*words):
        process = await Hubctl(checkpoint.kubeconfig, namespace).start(*words)
        async with asyncio.timeout(60):
            await checkpoint.arrived.wait()
            process.send_signal(signal.SIGINT)
            await asyncio.sleep(0)
            checkpoint.release()
            _, err = await process.communicate()
        return process.returncode, err.decode()

    return run


async def there(objects, api, name):
    try:
        return await objects.client.get(api, name, objects.namespace)
    except NotFound:
        return None


async def test_create_before_the_server_saw_it(interrupted, checkpoint, objects):
    checkpoint.hold("POST /apis/source.toolkit.fluxcd.io")
    code, err = await interrupted(*CREATE)
    assert (code, err.strip()) == (INTERRUPTED, "")


async def test_create_while_it_waits(interrupted, checkpoint, objects):
    checkpoint.hold("GET /apis/source.toolkit.fluxcd.io")
    code, err = await interrupted(*CREATE)
    assert (code, "Traceback" in err) == (INTERRUPTED, False)
    made = await there(objects, GitRepository.KIND.api, "repo")
    assert made["spec"]["url"] == CREATE[-1]


SECRET = "POST /api/v1/namespaces/{ns}/secrets"
MEMBER = "PATCH /apis/fleet.hubctl.io/v1alpha1/namespaces/{ns}/members/edge"


@pytest.mark.parametrize(
    "held",
    [
        pytest.param((SECRET, False), id="before the Secret is made"),
        pytest.param((SECRET, True), id="when the Secret is made"),
        pytest.param((MEMBER, False), id="before the Member is made"),
        pytest.param((MEMBER, True), id="when the Member is made"),
    ],
)
async def test_member_add_makes_both(interrupted, checkpoint, objects, clusters, held):
    checkpoint.hold(held[0].format(ns=objects.namespace), after=held[1])
    code, err = await interrupted("member", "add", "edge", "--from-kubeconfig", str(clusters.members[0].kubeconfig))
    assert (code, "Traceback" in err) == (INTERRUPTED, False)
    found = [await there(objects, api, "edge") for api in (SECRETS, Member.KIND.api)]
    assert [one is not None for one in found] == [True, True]


async def test_a_member_that_may_not_be_made_leaves_no_secret(hubctl, objects, clusters, namespace):
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "delete"]}]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "jane"}, "rules": rules}
    subjects = [{"kind": "User", "name": "jane", "apiGroup": "rbac.authorization.k8s.io"}]
    reference = {"kind": "Role", "name": "jane", "apiGroup": "rbac.authorization.k8s.io"}
    bound = {**role, "kind": "RoleBinding", "roleRef": reference, "subjects": subjects}
    bound.pop("rules")
    await clusters.hub.kubectl_async("create", "-n", namespace, "-f", "-", input=yaml.safe_dump_all([role, bound]))
    source = ["--from-kubeconfig", str(clusters.members[0].kubeconfig)]
    ran = await hubctl("member", "add", "edge", *source, "--as", "jane", "--no-wait")
    assert (ran.code, 'User "jane" cannot patch resource "members"' in ran.err) == (1, True)
    assert await there(objects, SECRETS, "edge") is None
