"""
Repositories that cannot be had: what is told, what goes on as before, and how it heals.

``web`` comes from the repository ``charts`` of a server that asks for a password, ``other`` from ``calm`` elsewhere.
Each row spoils the GitRepository ``charts``, its Secret or its server, sees what is said, sees that ``web`` stays as it
is and that ``other`` takes a new commit meanwhile, repairs, and sees ``web`` take a new commit.
"""

from __future__ import annotations

import pytest
import yaml
from scenario_match import Re
from scenario_scene import PROJECT, Scene

from hub.dev.gitserver import Fault, GitServer

pytestmark = pytest.mark.cluster

GIVEN = """
source: false
namespaces: {member1: ['${ns}', '${target}'], member2: ['${ns}', '${target}']}
---
apiVersion: v1
kind: Secret
metadata: {name: git}
stringData: {username: robot, password: wonderland-77}
---
kind: GitRepository
spec: {url: '${vault}', secretRef: {name: git}, timeout: 10s}
---
kind: GitRepository
metadata: {name: calm}
---
kind: HelmRelease
---
kind: HelmRelease
metadata: {name: other}
spec:
  kubeConfig: {secretRef: {name: member2}}
  chart: {spec: {sourceRef: {name: calm}}}
"""
PASSWORD = "wonderland-77"


class Bench:
    """The scene, and the server of ``charts``."""

    def __init__(self, scene, server):
        self.scene = scene
        self.server = server

    async def spec(self, **change):
        await self.scene.step("patch GitRepository/charts", {"spec": change})

    async def password(self, data):
        """Put another Secret in the place of the good one; None takes it away."""
        await self.scene.step("delete Secret/git")
        if data is not None:
            body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "git"}, "stringData": data}
            await self.scene.apply("hub", body)

    async def fault(self, fault):
        self.server.faults["charts"] = fault
        await self.scene.step("reconcile GitRepository/charts")

    async def repair(self):
        self.server.faults.clear()
        whole = yaml.safe_load(GIVEN.split("---")[2])["spec"] | {"ref": {"branch": "master", "semver": None}}
        gone = dict.fromkeys(("verify", "include", "recurseSubmodules", "sparseCheckout", "proxySecretRef", "provider"))
        await self.spec(**(gone | whole | {"url": self.server.url("charts")}))
        await self.password({"username": "robot", "password": PASSWORD})


@pytest.fixture(scope="class")  # not of the module: there is a limit to the events that one object may tell
async def bench(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vault")
    async with GitServer(folder, username="robot", password=PASSWORD) as server, Scene(world, "bad-git") as scene:
        await server.create("charts", PROJECT / "tests/scenarios/charts")
        await server.create("empty")
        scene.names["vault"] = server.url("charts")
        await scene.given(GIVEN)
        for name in ("web", "other"):
            await scene.expect({f"HelmRelease/{name}": {"conditions": {"Ready": "True InstallSucceeded"}}})
        yield Bench(scene, server)


def spec(**change):
    return lambda bench: bench.spec(**change)


def url(path):
    return lambda bench: bench.spec(url=f"{bench.server.address}/{path}")


def password(data):
    return lambda bench: bench.password(data)


def fault(which, **change):
    async def spoil(bench):
        if change:
            await bench.spec(**change)
        await bench.fault(which)

    return spoil


FAILED = "GitOperationFailed"
LIST = r"^failed to checkout and determine revision: unable to list remote for 'http://127\.0\.0\.1:\d+/\S+': "

CREDENTIALS = [
    pytest.param(
        password({"username": "robot", "password": "wrong-one-1"}),
        FAILED,
        LIST + ".*(401|denied|refused|Authentication failed)",
        id="wrong password",
    ),
    pytest.param(
        password(None),
        "AuthenticationFailed",
        "^failed to get secret '${ns}/git': secrets \"git\" not found$",
        id="secret missing",
    ),
    pytest.param(
        password({"password": PASSWORD}),
        "AuthenticationFailed",
        "^failed to configure authentication options: .*'password' requires 'username' to be set",
        id="no username",
    ),
    pytest.param(password({"other": "x"}), FAILED, LIST + "authentication required: name a Secret with", id="no keys"),
]

PLACES = [
    pytest.param(url("nowhere.git"), FAILED, LIST + ".*not found", id="repository missing"),
    pytest.param(url("empty.git"), "EmptyGitRepository", "^git repository is empty$", id="repository empty"),
    pytest.param(
        spec(ref={"branch": "gone"}),
        FAILED,
        r"^failed to checkout and determine revision: .*couldn't find remote ref.*gone.*branches there: master",
        id="branch missing",
    ),
    pytest.param(
        spec(ref={"semver": ">=1.0.0"}),
        FAILED,
        r"^failed to checkout and determine revision: .*no match found for semver: >=1\.0\.0",
        id="no tag matches",
    ),
    pytest.param(
        spec(url="http://127.0.0.1:1/charts.git"), FAILED, LIST + ".*([Cc]onnect|refused)", id="nobody listens"
    ),
    pytest.param(spec(url="https://"), "URLInvalid", "^failed to parse url 'https://': no host", id="no host"),
]

SERVERS = [
    pytest.param(fault(Fault.NOT_GIT), FAILED, LIST + ".*not (a git|valid|found)", id="not a git server"),
    pytest.param(fault(Fault.ERROR), FAILED, LIST + ".*500", id="internal error"),
    pytest.param(fault(Fault.HANG, timeout="1s"), FAILED, LIST + ".*1s", id="hangs"),
    pytest.param(fault(Fault.CUT), FAILED, LIST + ".+", id="cut short"),
]


async def see_it_through(bench, spoil, reason, message, name):
    scene, told = bench.scene, Re(message)
    before = (await scene.get("GitRepository/charts"))["status"]["artifact"]
    await scene.remember("member1:Deployment/web")
    await spoil(bench)
    stalled = {"Stalled": f"True {reason}"} if reason == "URLInvalid" else {}
    failed = {"status": "True", "reason": reason, "message": told}
    conditions = {"Ready": {"status": "False", "reason": reason, "message": told}, "FetchFailed": failed, **stalled}
    await scene.expect([
        {"GitRepository/charts": {"conditions": conditions}},
        {"events GitRepository/charts": {"type": "Warning", "reason": reason, "message": told}},
    ])  # fmt: skip
    await scene.push({"web/values.yaml": {"message": name}}, poke=False)
    await scene.step("reconcile GitRepository/calm")
    await scene.expect([
        {"member2:ConfigMap/web": {"data": {"message": name}}},
        {"HelmRelease/web": {"conditions": {"Ready": "True"}}},
        {"GitRepository/charts": {"status": {"artifact": before}}},
        {"same member1:Deployment/web": ["metadata.uid", "metadata.resourceVersion"]},
    ])  # fmt: skip
    seen = yaml.safe_dump(await scene.get("GitRepository/charts"))
    assert PASSWORD not in seen
    assert "wrong-one-1" not in seen

    commit = await bench.server.commit("charts", {"web/values.yaml": VALUES + f"message: {name}\n"})
    await bench.repair()
    await scene.step("reconcile GitRepository/charts")
    await scene.expect([
        {"GitRepository/charts": {"status": {"artifact": {"revision": f"master@sha1:{commit}"}}}},
        {"GitRepository/charts": {"conditions": {"Ready": "True Succeeded", "FetchFailed": None, "Stalled": None}}},
        {"member1:ConfigMap/web": {"data": {"message": name}}},
    ])  # fmt: skip


VALUES = "".join(
    line
    for line in (PROJECT / "tests/scenarios/charts/web/values.yaml").read_text().splitlines(keepends=True)
    if not line.startswith("message:")
)


class TestCredentials:
    @pytest.mark.parametrize(("spoil", "reason", "message"), CREDENTIALS)
    async def test_refused(self, bench, spoil, reason, message, request):
        await see_it_through(bench, spoil, reason, message, request.node.callspec.id)


class TestPlaces:
    @pytest.mark.parametrize(("spoil", "reason", "message"), PLACES)
    async def test_wrong(self, bench, spoil, reason, message, request):
        await see_it_through(bench, spoil, reason, message, request.node.callspec.id)


class TestServers:
    @pytest.mark.parametrize(("spoil", "reason", "message"), SERVERS)
    async def test_out_of_order(self, bench, spoil, reason, message, request):
        await see_it_through(bench, spoil, reason, message, request.node.callspec.id)
