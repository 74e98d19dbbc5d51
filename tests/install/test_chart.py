"""
The chart: what its templates make of values, and what its schema refuses.

``HUB_WRITE_GOLDEN=1`` writes the golden files anew; read the difference before it is committed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from install_kit import CHART, PROJECT, documents, granted, run, template

from hub import __version__
from hub.api.fleet import Member
from hub.api.registry import KINDS
from hub.manager import main as hub_command
from hub.runtime.lease import LEASE
from hub.settings import Settings, variable

FOLDER = Path(__file__).parent
CASES = sorted(path.stem for path in (FOLDER / "values").glob("*.yaml"))
GROUPS = {kind.api.group for kind in KINDS}


@pytest.fixture
def helm(helm_binary):
    return helm_binary


async def test_lint(helm):
    ran = await run(helm, "lint", "--strict", CHART)
    assert ran.code == 0, ran.out
    assert "0 chart(s) failed" in ran.out


def without_kinds(objects):
    """Drop the rules that follow from our kinds: new ones come with the registry, and have a test of their own."""
    for one in objects:
        if "rules" in one:
            one["rules"] = [rule for rule in one["rules"] if not set(rule["apiGroups"]) & GROUPS and not by_kind(rule)]
    return objects


def by_kind(rule):
    return rule["verbs"] == ["get"] and rule["resources"] in (["serviceaccounts"], ["namespaces"])


@pytest.mark.parametrize("case", CASES)
async def test_golden(helm, case):
    ran = await template(helm, f"--values={FOLDER / 'values' / case}.yaml")
    assert ran.code == 0, ran.err
    text = yaml.safe_dump_all(without_kinds(documents(ran.out)), sort_keys=True, width=120)
    golden = FOLDER / "golden" / f"{case}.yaml"
    if "HUB_WRITE_GOLDEN" in os.environ:
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("case", CASES)
async def test_every_variable_is_a_setting(helm, case):
    ran = await template(helm, f"--values={FOLDER / 'values' / case}.yaml")
    known = {variable(one.name) for _, one in Settings.all_fields()}
    (workload,) = [one for one in documents(ran.out) if one["kind"] in {"Deployment", "StatefulSet"}]
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    names = {one["name"] for one in container["env"] if one["name"].startswith("HUB_")}
    assert names <= known
    # They are valid for the program too: it parses them as it does at its start.
    values = {one["name"]: one["value"] for one in container["env"] if one["name"] in known}
    context = hub_command.make_context("hub", [], auto_envvar_prefix=None, resilient_parsing=False)
    for parameter in context.command.params:
        if parameter.envvar in values:
            parameter.type_cast_value(context, values[parameter.envvar])


async def test_rights_follow_the_kinds(helm):
    ran = await template(helm, "--set=crds.install=false")
    roles = {one["metadata"]["name"]: granted(one) for one in documents(ran.out) if one["kind"] == "ClusterRole"}
    for kind in KINDS:
        group, plural = kind.api.group, kind.api.plural
        for verb in ("list", "watch"):
            assert (group, plural, verb) in roles["hub"]
        assert ((group, plural, "patch") in roles["hub"]) is (kind is not Member.KIND)
        assert (group, f"{plural}/status", "patch") in roles["hub"]
        assert (group, plural, "get") in roles["hub-view"]
        assert (group, plural, "delete") in roles["hub-edit"]
        assert (group, plural, "delete") not in roles["hub-view"]
    assert not {one for one in roles["hub"] if "*" in one}


async def test_definitions_are_those_of_the_repository_and_are_kept(helm):
    ran = await template(helm)
    found = {one["metadata"]["name"]: one for one in documents(ran.out) if one["kind"] == "CustomResourceDefinition"}
    for path in (PROJECT / "crds").glob("*.yaml"):
        wanted = yaml.safe_load(path.read_text())
        one = found.pop(wanted["metadata"]["name"])
        assert one["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert one == wanted
    assert not found


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        pytest.param(["--set=settings.concurency=3"], "concurency", id="a mistyped setting"),
        pytest.param(["--set=replica=3"], "replica", id="a mistyped value"),
        pytest.param(["--set=settings.concurrency=many"], "concurrency", id="a setting of another type"),
        pytest.param(["--set=settings.logLevel=loud"], "logLevel", id="a choice that is none"),
        pytest.param(["--set=settings.listen=:80"], "listen", id="what the chart itself decides"),
        pytest.param(["--set=settings.leaderElect=false"], "leaderElect has to be true", id="two hubs side by side"),
        pytest.param(
            ["--set=rbac.scope=namespace,rbac.clusterAdmin=true"], "exclude each other", id="a namespaced administrator"
        ),
    ],
)
async def test_refused(helm, flags, complaint):
    ran = await template(helm, *flags)
    assert ran.code != 0
    assert complaint in ran.err


async def test_names_of_leases_are_those_that_the_hub_takes(helm):
    import hashlib

    for flags, names in (
        ([], [LEASE]),
        (["--set=settings.shards=2"], [f"{LEASE}-0-of-2", f"{LEASE}-1-of-2"]),
        (
            ["--set=settings.watchNamespace=a,settings.watchLabelSelector=x=y"],
            [f"{LEASE}-{hashlib.sha256(b'a/x=y').hexdigest()[:8]}"],
        ),
    ):
        ran = await template(helm, "--set=crds.install=false", *flags)
        (role,) = [one for one in documents(ran.out) if one["kind"] == "Role"]
        assert [rule.get("resourceNames") for rule in role["rules"]] == [None, names]


def test_version_is_that_of_the_program():
    meta = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (meta["version"], meta["appVersion"]) == (__version__, __version__)
