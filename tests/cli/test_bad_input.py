"""
What goes wrong before the hub is asked: one line on stderr, exit code 1; 2 for ``diff``, whose 1 means "different".
"""

from __future__ import annotations

import json
import uuid

import pytest
from cli_kit import Hubctl, Objects

from hub.api.helm import HelmRelease
from hub.kube.client import Client
from hub.kube.config import load_kubeconfig

pytestmark = pytest.mark.cluster

RELEASE = HelmRelease.KIND
ON_A_RELEASE = {
    "get": ["get", "hr", "web"],
    "reconcile": ["reconcile", "hr", "web"],
    "suspend": ["suspend", "hr", "web"],
    "resume": ["resume", "hr", "web"],
    "rollback": ["rollback", "hr", "web", "--yes"],
    "history": ["history", "hr", "web"],
    "why": ["why", "hr", "web"],
    "diff": ["diff", "hr", "web"],
    "values explain": ["values", "explain", "hr/web"],
    "delete": ["delete", "hr", "web", "--yes"],
    "export": ["export", "hr", "web"],
    "build": ["build", "helmrelease", "web"],
    "tree": ["tree", "hr", "web"],
    "events": ["events", "--for", "hr/web"],
    "debug": ["debug", "hr", "web", "--show-status"],
}
"""Every verb on one object, as it is typed."""
ON_A_MEMBER = {verb: ["member", verb, "edge"] for verb in ("show", "check", "rotate", "remove")}
MORE = {
    "status": ["status"],
    "stats": ["stats"],
    "trace": ["trace", "deployment", "web"],
    "create": ["create", "source", "git", "x", "--url", "https://git.example.com/x.git"],
    "create secret": ["create", "secret", "git", "x", "--username", "me", "--password", "hush"],
    "image preview": ["image", "preview", "x"],
    "check": ["check"],
    "version": ["version"],
    "logs": ["logs"],
}
EVERY = ON_A_RELEASE | {f"member {verb}": words for verb, words in ON_A_MEMBER.items()} | MORE
CHANGING = ("reconcile", "suspend", "resume", "rollback")


@pytest.fixture(scope="module")
async def there(clusters):
    """A namespace with a release that cannot go."""
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    await clusters.hub.kubectl_async("create", "namespace", namespace)
    client = Client(load_kubeconfig(clusters.hub.kubeconfig))
    objects = Objects(client, namespace)
    await objects.make(RELEASE, "web")
    finalizers = {"metadata": {"finalizers": ["example.com/keep"]}}
    await client.patch(RELEASE.api, "web", namespace, finalizers)
    await client.delete(RELEASE.api, "web", namespace)
    yield namespace
    await client.patch(RELEASE.api, "web", namespace, {"metadata": {"finalizers": None}})
    await client.aclose()
    await clusters.hub.kubectl_async("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def hubctl(clusters, there, forks):
    return Hubctl(clusters.hub.kubeconfig, there, forks)


def failed(ran, words):
    """Return the one line."""
    assert ran.code == (2 if words[0] == "diff" else 1), ran.err
    assert (ran.out, ran.err[:2], ran.err.count("\n")) == ("", "✗ ", 1), ran.err
    assert "Traceback" not in ran.err
    assert "hush" not in ran.err
    return ran.err


@pytest.fixture
def unreachable(tmp_path):
    """The kubeconfig of a server that is not there."""
    context = {"name": "x", "context": {"cluster": "x", "user": "x"}}
    cluster = {"name": "x", "cluster": {"server": "https://127.0.0.1:1"}}
    config = {
        "clusters": [cluster],
        "users": [{"name": "x", "user": {}}],
        "contexts": [context],
        "current-context": "x",
    }
    path = tmp_path / "config"
    path.write_text(json.dumps(config))
    return path


@pytest.mark.parametrize("verb", EVERY)
async def test_nobody_answers(hubctl, unreachable, verb):
    line = failed(await hubctl(*EVERY[verb], kubeconfig=unreachable), EVERY[verb])
    assert "cannot reach the hub's API server: 127.0.0.1:1 refused the connection" in line


@pytest.mark.parametrize("verb", sorted(set(EVERY) - {"version", "check"}))
async def test_who_may_not(hubctl, verb):
    """Which verb, on which resource; what cannot be told without is not guessed."""
    line = failed(await hubctl(*EVERY[verb], "--as", "jane"), EVERY[verb])
    assert 'User "jane" cannot ' in line
    assert "ask whoever runs the hub for a role that may" in line


@pytest.mark.parametrize("verb", [*ON_A_RELEASE, *(f"member {one}" for one in ON_A_MEMBER), "create", "create secret"])
async def test_no_such_namespace(hubctl, verb):
    words = EVERY[verb]
    line = failed(await hubctl(*words, "-n", "nowhere-at-all"), words)
    assert "nowhere-at-all" in line
    assert "not found" in line or "there is no namespace" in line


@pytest.mark.parametrize("verb", ON_A_RELEASE)
async def test_a_name_that_was_not_meant(hubctl, verb):
    words = [word.replace("web", "wbe") for word in ON_A_RELEASE[verb]]
    line = failed(await hubctl(*words), words)
    assert "HelmRelease object 'wbe' not found in" in line
    assert "did you mean 'web'?" in line


async def test_a_name_of_another_namespace(clusters, there, forks):
    line = failed(await Hubctl(clusters.hub.kubeconfig, "default", forks)("get", "hr", "web"), ["get"])
    assert f"there is one in namespace {there}" in line


@pytest.mark.parametrize("verb", CHANGING)
async def test_what_is_being_deleted(hubctl, there, verb):
    line = failed(await hubctl(*ON_A_RELEASE[verb]), ON_A_RELEASE[verb])
    assert f"HelmRelease {there}/web is being deleted since" in line
    assert "kept by example.com/keep" in line


@pytest.mark.parametrize("verb", sorted(set(ON_A_RELEASE) - {"values explain", "build"}))
async def test_a_kind_that_was_not_meant(hubctl, verb):
    words = ["hrx" if word == "hr" else word.replace("hr/", "hrx/") for word in ON_A_RELEASE[verb]]
    line = failed(await hubctl(*words), words)
    assert "unknown kind 'hrx" in line
    assert "did you mean 'hr'?" in line


@pytest.mark.parametrize("verb", sorted(set(EVERY) - {"version", "check", "create secret", "logs"}))
async def test_a_cluster_without_the_kinds(hubctl, clusters, verb):
    words = EVERY[verb]
    line = failed(await hubctl(*words, "-n", "default", kubeconfig=clusters.members[0].kubeconfig), words)
    assert "'hubctl install' installs" in line


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(["get", "hr", "-l", "app in web"], "this is no label selector", id="label selector"),
        pytest.param(["member", "list", "-l", "a=b=c"], "this is no label selector", id="label selector of members"),
        pytest.param(["delete", "hr", "web", "--yes", "--timeout", "5"], "'5' is not a duration", id="duration"),
        pytest.param(["diff", "hr", "web", "--path", "/none"], "/none", id="folder of a diff"),
        pytest.param(["export", "hr", "we/b"], "cannot be the name of a HelmRelease", id="a name that is a path"),
        pytest.param(["get", "hr", "--kubeconfig", "/etc/hostname"], "/etc/hostname", id="no kubeconfig"),
        pytest.param(["get", "hr", "--context", "nowhere"], "there is no context 'nowhere'", id="context"),
        pytest.param(["install", "--values", "/none"], "/none", id="values file"),
    ],
)
async def test_malformed(hubctl, words, says):
    ran = await hubctl(*words)
    assert (ran.code in (1, 2), ran.err.count("\n"), says in ran.err) == (True, 1, True), ran.err
    assert ran.code == (2 if words[0] in ("diff", "install") else 1)
