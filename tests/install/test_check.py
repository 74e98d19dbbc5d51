"""What ``hubctl check`` makes of definitions that are there."""

from __future__ import annotations

import copy

import pytest

from hub.api.crds import crds
from hub.cli.check import _covers

WANTED = next(one for one in crds() if one["spec"]["names"]["kind"] == "HelmRelease")


def changed(change):
    served = copy.deepcopy(WANTED)
    change(served["spec"]["versions"])
    return served


def spec_of(versions, name="v2"):
    version = next(one for one in versions if one["name"] == name)
    return version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]


@pytest.mark.parametrize(
    ("change", "covered"),
    [
        pytest.param(lambda _: None, True, id="the same"),
        pytest.param(lambda versions: spec_of(versions).update(newer={"type": "string"}), True, id="a field more"),
        pytest.param(lambda versions: spec_of(versions).pop("releaseName"), False, id="a field less"),
        pytest.param(
            lambda versions: spec_of(versions)["valuesFrom"]["items"]["properties"].pop("targetPath"),
            False,
            id="a field less inside a list",
        ),
        pytest.param(lambda versions: versions.pop(), False, id="a version less"),
        pytest.param(lambda versions: versions[0].update(served=False), False, id="a version not served"),
    ],
)
def test_definitions_cover_what_the_hub_knows(change, covered):
    assert _covers(changed(change), WANTED) is covered
