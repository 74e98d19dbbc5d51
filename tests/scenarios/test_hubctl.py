"""``hubctl`` on releases of a real hub: what it tells of them, and a rollback that stays until the next change."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
import yaml
from cli_golden import check, page
from cli_kit import Forks, Hubctl
from scenario_scene import Scene

pytestmark = pytest.mark.cluster

CHART = re.compile(r"web@1\.0\.0\+[0-9a-f]{12}")


GIVEN = """
kind: HelmRelease
---
kind: HelmRelease
metadata: {name: sick}
spec:
  releaseName: sick
  targetNamespace: ${ns}
  timeout: 2s
  values: {podAnnotations: {hubctl.io/kwok-never-ready: "true"}}
"""


PAGES = {
    "live-why": ["why", "hr", "web"],
    "live-tree": ["tree", "source", "git", "charts"],
    "live-trace": ["trace", "deployment", "web", "-n", "{target}"],
    "live-history": ["history", "hr", "web"],
    "live-diff-same": ["diff", "hr", "web"],
    "live-diff-path": ["diff", "hr", "--all", "--path", "{here}"],
    "live-values-explain": ["values", "explain", "hr/sick"],
    "live-build": ["build", "helmrelease", "web"],
    "live-debug-values": ["debug", "hr", "sick", "--show-values"],
}


@pytest.fixture(scope="module")
async def scene(world):
    """A release of a chart, and one whose Pods do not get ready."""
    async with Scene(world, "hubctl") as scene:
        await scene.given(GIVEN)
        await scene.expect({"HelmRelease/web": {"conditions": {"Ready": "True InstallSucceeded"}}})
        await scene.expect(
            {"HelmRelease/sick": {"conditions": {"Ready": {"status": "False", "reason": "InstallFailed"}}}}
        )
        yield scene


@pytest.fixture
def hubctl(scene):
    return Hubctl(scene.world.sites["hub"].kubeconfig, scene.names["ns"])


@pytest.fixture(scope="module")
async def pages(scene, tmp_path_factory):
    """The page of each command that only looks, before anything else happens to the releases."""
    folder, ns = tmp_path_factory.mktemp("pages"), scene.names["ns"]
    names = {"here": written(scene, folder / "here", replicas=5), "target": scene.names["target"]}
    async with Forks(folder) as forks:
        hubctl = Hubctl(scene.world.sites["hub"].kubeconfig, ns, forks)

        async def one(words):
            filled = [word.format(**names) for word in words]
            return page(words, await hubctl(*filled), await hubctl.on_a_terminal(*filled), ns)

        return dict(zip(PAGES, await asyncio.gather(*map(one, PAGES.values())), strict=True))


@pytest.mark.parametrize("name", PAGES)
async def test_page(pages, name):
    check(name, pages[name])


async def test_what_is_there(hubctl, scene):
    """Everything that only looks, at once: each is a process of its own."""
    ns, target = scene.names["ns"], scene.names["target"]
    history, tree, made, trace, why, shown = await asyncio.gather(
        hubctl("history", "hr", "web", "-o", "json"),
        hubctl("tree", "hr", "web"),
        hubctl("tree", "source", "git", "charts", "-o", "yaml"),
        hubctl("trace", "deployment", "web", "-n", target),
        hubctl("why", "hr", "web"),
        hubctl("debug", "hr", "sick", "--show-values"),
    )
    one = json.loads(history.out)[0]
    assert (one["revision"], one["status"], one["description"]) == (1, "deployed", "Install complete")
    assert CHART.fullmatch(one["chart"])
    objects = [f"{kind}/{target}/web" for kind in ("ConfigMap", "Service", "Deployment")]
    branches = ["├── ", "├── ", "└── "]
    assert tree.lines == [f"HelmRelease/{ns}/web", *map(str.__add__, branches, objects)]
    charts = yaml.safe_load(made.out)["resources"]
    assert [one["resource"]["name"] for one in charts] == [f"{ns}-sick", f"{ns}-web"]
    assert charts[0]["resources"][0]["note"] == "not ready: InstallFailed"
    titles = [
        line.split(":")[0]
        for line in trace.lines
        if line.split(":")[0] in ("HelmRelease", "HelmChart", "GitRepository")
    ]
    assert titles == ["HelmRelease", "HelmChart", "GitRepository"]
    assert why.out.count("✔") == 7
    assert yaml.safe_load(shown.out) == {"podAnnotations": {"hubctl.io/kwok-never-ready": "true"}}
    assert {ran.code for ran in (history, tree, made, trace, why, shown)} == {0}


async def test_why_stops_at_what_is_wrong_and_tells_the_way_out(hubctl, scene):
    ran = await hubctl("why", "hr", "sick")
    assert [line[:11].split() for line in ran.lines if line[0] in "✔✗"][-1] == ["✗", "release"]
    assert "InstallFailed: Helm install failed" in ran.out
    assert f"on the member now: Pod/{scene.names['ns']}/web-" in ran.out
    assert f"hubctl reconcile hr sick -n {scene.names['ns']} --force" in ran.out


async def test_status(hubctl, scene):
    ran = await hubctl("status")
    ns = scene.names["ns"]
    rows = [line.split() for line in ran.lines]
    assert ["HelmRelease", "2", "1", "ready,", "1", "failing"] in rows
    assert [f"{ns}/member1", "2", "1", "ready,", "1", "failing"] in rows
    assert [row[0] for row in rows if row][-1] == f"HelmRelease/{ns}/sick"


def written(scene, folder, **changes):
    """Write the scene's repository into a folder, with the chart's values changed."""
    for path, text in scene.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    values = yaml.safe_load((folder / "web/values.yaml").read_text())
    (folder / "web/values.yaml").write_text(yaml.safe_dump(values | changes))
    return str(folder)


async def test_diff(hubctl, scene, tmp_path):
    """What is there, a folder, a folder with what the member refuses, and what cannot be had: each as its exit code."""
    target, member = scene.names["target"], f"{scene.names['ns']}/member1"
    commit = scene.names["commit"]
    here, bad = written(scene, tmp_path / "here", replicas=5), written(scene, tmp_path / "bad", serviceType="Nope")
    same, changed, refused, known, unknown, nobody = await asyncio.gather(
        hubctl("diff", "hr", "web"),
        hubctl("diff", "hr", "web", "--path", here),
        hubctl("diff", "hr", "web", "--path", bad),
        hubctl("diff", "hr", "web", "--revision", commit),
        hubctl("diff", "hr", "web", "--revision", "nowhere"),
        hubctl("diff", "hr", "nobody"),
    )
    nothing = f"member {member}: 0 of 1 release would change; no change\n"
    assert (same.code, same.out, same.err) == (0, nothing, "")
    assert (known.code, known.out, known.err) == (0, nothing, "")
    assert re.fullmatch(
        rf"HelmRelease {scene.names['ns']}/web on member {member}: web@1\.0\.0\+\w{{12}} → web@1\.0\.0\+\w{{12}}\n"
        rf"  ~ Deployment/{target}/web changed\n      spec\.replicas: 1 → 5\n\n"
        rf"member {member}: 1 of 1 release would change; 1 changed\n",
        changed.out,
    )
    assert (changed.code, changed.err) == (1, "")
    assert refused.code == 2
    assert f"  ! Service/{target}/web refused: " in refused.out
    assert (unknown.code, unknown.err.count("\n")) == (2, 1)
    assert "has no revision 'nowhere'" in unknown.err
    assert (nobody.code, nobody.err.count("\n")) == (2, 1)


async def test_a_rollback_stays_until_the_next_change(hubctl, scene):
    await scene.push({"web/values.yaml": {"replicas": 2}})
    await scene.expect({"HelmRelease/web": {"conditions": {"Ready": "True UpgradeSucceeded"}}})
    ran = await hubctl("rollback", "hr", "web", "--yes")
    assert ran.code == 0, ran.err
    assert "is revision 1 again, and stays so until chart, values or spec change" in ran.err
    deployment = f"member1:Deployment/{scene.names['target']}/web"
    revisions = f"revisions member1:{scene.names['ns']}/web"
    rolled_back = {
        "HelmRelease/web": {
            "conditions": {"Ready": "True RollbackSucceeded", "Released": "True RollbackSucceeded"},
            "status": {"history": [{"version": 3, "status": "deployed", "action": "rollback"}, {"version": 2}]},
        }
    }
    await scene.expect(rolled_back)
    await scene.expect({deployment: {"spec": {"replicas": 1}}})
    # A look, and a commit that touches neither chart nor values, change nothing.
    assert (await hubctl("reconcile", "hr", "web", "--with-source")).code == 0
    await scene.push({"README": "news"})
    assert (await hubctl("reconcile", "hr", "web")).code == 0
    await scene.expect(rolled_back)
    await scene.expect({revisions: ["1 superseded", "2 superseded", "3 deployed"]})

    again = await hubctl("rollback", "hr", "web", "--to", "3")
    assert (again.code, again.err.count("\n")) == (1, 1)
    assert "is at revision 3 already" in again.err
    gone = await hubctl("rollback", "hr", "web", "--to", "9")
    assert "has no revision 9 any more; older ones that Helm keeps (spec.maxHistory): 2, 1" in gone.err

    await scene.step("patch HelmRelease/web", {"spec": {"values": {"message": "new"}}})
    await scene.expect({"HelmRelease/web": {"conditions": {"Ready": "True UpgradeSucceeded"}}})
    await scene.expect({deployment: {"spec": {"replicas": 2}}})
    # What was desired then is desired again, but the rollback is past.
    await scene.step("patch HelmRelease/web", {"spec": {"values": None}})
    await scene.expect({revisions: ["1 superseded", "2 superseded", "3 superseded", "4 superseded", "5 deployed"]})
    await scene.expect({deployment: {"spec": {"replicas": 2}}})


async def test_a_force_gives_a_rollback_up(hubctl, scene):
    await scene.step("apply", [{**FORCED, "metadata": {"name": "forced"}}])
    await scene.expect({"HelmRelease/forced": {"conditions": {"Ready": "True InstallSucceeded"}}})
    await scene.step("patch HelmRelease/forced", {"spec": {"values": {"message": "two"}}})
    await scene.expect({"HelmRelease/forced": {"conditions": {"Ready": "True UpgradeSucceeded"}}})
    assert (await hubctl("rollback", "hr", "forced", "--to", "1", "--yes")).code == 0
    ran = await hubctl("reconcile", "hr", "forced", "--force")
    assert ran.code == 0
    await scene.expect(
        {
            f"revisions member1:{scene.names['ns']}/forced": [
                "1 superseded",
                "2 superseded",
                "3 superseded",
                "4 deployed",
            ]
        }
    )
    assert (await hubctl("delete", "hr", "forced", "--yes")).code == 0
    assert (await hubctl("history", "hr", "forced")).code == 1


async def test_a_rollback_that_fails_is_not_tried_again(hubctl, scene):
    """What is rolled back to waits for Pods that never get ready."""
    sick = {**FORCED, "metadata": {"name": "failing"}}
    sick["spec"] = {**FORCED["spec"], "releaseName": "failing", "timeout": "2s", "values": NEVER}
    sick["spec"] |= {"install": {"disableWait": True, "createNamespace": True}, "targetNamespace": "${ns}-failing"}
    await scene.step("apply", [sick])
    await scene.expect({"HelmRelease/failing": {"conditions": {"Ready": "True InstallSucceeded"}}})
    await scene.step("patch HelmRelease/failing", {"spec": {"values": {"podAnnotations": None}}})
    await scene.expect({"HelmRelease/failing": {"conditions": {"Ready": "True UpgradeSucceeded"}}})
    ran = await hubctl("rollback", "hr", "failing", "--to", "1", "--yes")
    assert ran.code == 1
    assert "Helm rollback on request of release" in ran.err
    assert "to revision 1 failed" in ran.err
    stalled = {
        "HelmRelease/failing": {"conditions": {"Stalled": "True RollbackFailed", "Ready": "False RollbackFailed"}}
    }
    await scene.expect(stalled)
    assert (await hubctl("reconcile", "hr", "failing")).code == 1
    await scene.expect(stalled)
    await scene.expect({f"revisions member1:{scene.names['ns']}/failing": ["1 superseded", "2 deployed", "3 failed"]})


NEVER = {"podAnnotations": {"hubctl.io/kwok-never-ready": "true"}}
FORCED = {
    "apiVersion": "helm.toolkit.fluxcd.io/v2",
    "kind": "HelmRelease",
    "spec": {
        "interval": "1h",
        "releaseName": "forced",
        "targetNamespace": "${ns}-forced",
        "install": {"createNamespace": True},
        "kubeConfig": {"secretRef": {"name": "member1"}},
        "chart": {
            "spec": {
                "chart": "./web",
                "reconcileStrategy": "Content",
                "sourceRef": {"kind": "GitRepository", "name": "charts"},
            }
        },
    },
}
