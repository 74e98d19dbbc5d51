"""
Kubeconfig Secrets that cannot be used: what is told, what goes on as before, and how it heals.

One release ``web`` on member1, one ``other`` on member2. Each row spoils the Secret of ``web``, sees what it says, sees
``other`` upgrade meanwhile, repairs the Secret and sees ``web`` upgrade.
"""

from __future__ import annotations

import sys

import pytest
import yaml
from scenario_hub import HubProcess
from scenario_match import Re
from scenario_scene import Scene

pytestmark = pytest.mark.cluster

GIVEN = """
namespaces: {member1: ['${ns}', '${target}'], member2: ['${ns}', '${target}']}
---
kind: HelmRelease
---
kind: HelmRelease
metadata: {name: other}
spec: {kubeConfig: {secretRef: {name: member2}}}
"""


@pytest.fixture(scope="class")  # not of the module: there is a limit to the events that one object may tell
async def scene(world):
    async with Scene(world, "bad-kubeconfig") as scene:
        await scene.given(GIVEN)
        await scene.expect([
            {"HelmRelease/web": {"conditions": {"Ready": "True InstallSucceeded"}}},
            {"HelmRelease/other": {"conditions": {"Ready": "True InstallSucceeded"}}},
        ])  # fmt: skip
        yield scene


@pytest.fixture
def good(clusters):
    """The kubeconfig of member1, as a tree."""
    return yaml.safe_load(clusters.members[0].kubeconfig.read_text())


def secret(**data):
    data = {
        name.replace("_", "."): text if isinstance(text, str) else yaml.safe_dump(text) for name, text in data.items()
    }
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "member1"}, "stringData": data}


async def replace_secret(scene, new):
    """Put another Secret in the place of member1's; None leaves the place empty."""
    if new is None:
        await scene.step("delete Secret/member1")
        return
    old = await scene.get("Secret/member1")
    gone = dict.fromkeys((old or {}).get("data", {}))
    body = {"data": gone, "stringData": new["stringData"]} if old else None
    if body:
        ref = scene.ref("Secret/member1")
        await scene.world.sites["hub"].patch(ref, body)
    else:
        await scene.apply("hub", new)


def cluster(**change):
    """Return a function that spoils the cluster entry of a kubeconfig; None removes."""
    return lambda config: _changed(config, "clusters", "cluster", change)


def user(**change):
    return lambda config: _changed(config, "users", "user", change)


def _changed(config, section, inner, change):
    entry = config[section][0][inner]
    for name, value in change.items():
        entry.pop(name.replace("_", "-"), None)
        if value is not None:
            entry[name.replace("_", "-")] = value
    return secret(value=config)


PLUGIN = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/echo", "args": ["hello"]}

SECRETS = [
    pytest.param(
        lambda _: None,
        "could not get KubeConfig secret '${ns}/member1': secrets \"member1\" not found",
        id="secret missing",
    ),
    pytest.param(
        lambda config: secret(kubeconfig=config),
        "KubeConfig secret '${ns}/member1' does not contain a 'value' or 'value.yaml' key with data",
        id="key missing",
    ),
    pytest.param(lambda _: secret(value=""), "does not contain a 'value' or 'value.yaml' key", id="key empty"),
    pytest.param(lambda _: secret(value="{a: b: c"), "kubeconfig is not YAML (line 1)", id="not YAML"),
    pytest.param(lambda _: secret(value="hello"), "kubeconfig is not a mapping", id="not a mapping"),
    pytest.param(lambda _: secret(value="{}"), "kubeconfig has no current-context", id="empty"),
]  # fmt: skip

REFUSED = [
    pytest.param(
        user(exec=PLUGIN),
        "exec plugins are refused unless the hub runs with --insecure-kubeconfig-exec",
        id="exec plugin",
    ),
    pytest.param(
        cluster(certificate_authority_data=None, certificate_authority="/etc/passwd"),
        "certificate-authority is a path, which is refused; put the content into certificate-authority-data",
        id="path of the authority",
    ),
    pytest.param(
        user(client_key_data=None, client_key="/etc/passwd"),
        "client-key is a path, which is refused; put the content into client-key-data",
        id="path of the key",
    ),
    pytest.param(
        lambda config: _changed(config, "users", "user", {"tokenFile": "/etc/passwd"}),
        "tokenFile is a path, which is refused; put the token itself into token",
        id="path of the token",
    ),
    pytest.param(
        cluster(certificate_authority_data=None, insecure_skip_tls_verify=True),
        "insecure-skip-tls-verify is refused unless the hub runs with --insecure-kubeconfig-tls",
        id="insecure TLS",
    ),
    pytest.param(
        cluster(server="http://127.0.0.1:1"),
        "a server over plain http is refused unless the hub runs with --insecure-kubeconfig-tls",
        id="plain http",
    ),
    pytest.param(
        lambda config: secret(value={**config, "current-context": "nowhere"}),
        "there is no context 'nowhere' in contexts",
        id="no such context",
    ),
]  # fmt: skip


async def see_it_through(scene, spoilt, message, name):
    """Spoil, see what is told and what is not touched, repair."""
    told = Re(_escaped(message))
    await scene.remember("member1:Deployment/web")
    await replace_secret(scene, spoilt)
    refused = {"status": "False", "reason": "RESTClientError", "message": told}
    await scene.expect([
        {"HelmRelease/web": {"conditions": {"Ready": refused}}},
        {"events HelmRelease/web": {"type": "Warning", "reason": "RESTClientError", "message": told}},
    ])  # fmt: skip
    await upgrade(scene, "other", name)
    await upgraded(scene, "other", name)
    await scene.expect([{"same member1:Deployment/web": ["metadata.uid", "metadata.resourceVersion"]}])

    await upgrade(scene, "web", name)
    await replace_secret(scene, secret(value=good_text(scene)))
    await upgraded(scene, "web", name)


class TestSecret:
    """The Secret, its keys, its text."""

    @pytest.mark.parametrize(("spoil", "message"), SECRETS)
    async def test_unusable(self, scene, good, spoil, message, request):
        await see_it_through(scene, spoil(good), message, request.node.callspec.id)

    async def test_explicit_key(self, scene):
        """``secretRef.key`` names one key; the well-known ones are not looked at then."""
        told = Re("KubeConfig secret '.*/member1' does not contain a 'mine' key with data")
        await scene.step(
            "patch HelmRelease/web", {"spec": {"kubeConfig": {"secretRef": {"name": "member1", "key": "mine"}}}}
        )
        await scene.expect(
            {
                "HelmRelease/web": {
                    "conditions": {"Ready": {"status": "False", "reason": "RESTClientError", "message": told}}
                }
            }
        )
        await replace_secret(scene, secret(mine=good_text(scene), value="{a: b: c"))
        await scene.expect({"HelmRelease/web": {"conditions": {"Ready": "True UpgradeSucceeded"}}})
        await scene.step(
            "patch HelmRelease/web", {"spec": {"kubeConfig": {"secretRef": {"name": "member1", "key": None}}}}
        )
        await scene.expect(
            {"HelmRelease/web": {"conditions": {"Ready": {"status": "False", "reason": "RESTClientError"}}}}
        )
        await replace_secret(scene, secret(value_yaml=good_text(scene)))
        await scene.expect({"HelmRelease/web": {"conditions": {"Ready": "True UpgradeSucceeded"}}})


class TestContent:
    """What a kubeconfig may not ask of the hub."""

    @pytest.mark.parametrize(("spoil", "message"), REFUSED)
    async def test_unusable(self, scene, good, spoil, message, request):
        await see_it_through(scene, spoil(good), message, request.node.callspec.id)


async def test_allowed(own_world, clusters, good, tmp_path):
    """What is refused by default works with the hub's flags."""
    async with own_world("bad-kubeconfig-allowed") as scene:
        plugin = tmp_path / "plugin.py"
        plugin.write_text(PLUGIN_CODE.format(user=good["users"][0]["user"]))
        config = yaml.safe_load(yaml.safe_dump(good))
        config["users"][0]["user"] = {
            "exec": {"apiVersion": PLUGIN["apiVersion"], "command": sys.executable, "args": [str(plugin)]}
        }
        del config["clusters"][0]["cluster"]["certificate-authority-data"]
        config["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
        scene.world.hub = HubProcess(
            tmp_path, clusters.members[1].kubeconfig, clusters.helm.parent,
            f"--watch-namespace={scene.names['ns']}", "--insecure-kubeconfig-exec", "--insecure-kubeconfig-tls",
        )  # fmt: skip
        await scene.world.hub.start()
        await scene.given("kind: HelmRelease")
        await replace_secret(scene, secret(value=config))
        await scene.expect({"HelmRelease/web": {"conditions": {"Ready": "True InstallSucceeded"}}})
        await upgrade(scene, "web", "again")
        await upgraded(scene, "web", "again")


PLUGIN_CODE = """
import base64, json
user = {user!r}
text = lambda name: base64.b64decode(user[name]).decode()
status = {{"clientCertificateData": text("client-certificate-data"), "clientKeyData": text("client-key-data")}}
print(json.dumps({{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}}))
"""


def good_text(scene):
    return scene.world.sites["member1"].kubeconfig.read_text()


async def upgrade(scene, name, message):
    await scene.step(f"patch HelmRelease/{name}", {"spec": {"values": {"message": message}}})


async def upgraded(scene, name, message):
    wanted = {"conditions": {"Ready": "True UpgradeSucceeded"}, "spec": {"values": {"message": message}}}
    await scene.expect({f"HelmRelease/{name}": wanted})


def _escaped(message):
    """A pattern for a message in which ``${ns}`` is still to be filled in."""
    for special in "()?*+[]{}|.":
        message = message.replace(special, f"\\{special}")
    return message.replace("$\\{ns\\}", "${ns}")
