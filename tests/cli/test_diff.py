"""What ``hubctl diff`` says of many members, and how it ends."""

from __future__ import annotations

import pytest

from hub.cli.diff import DIFFERENT, SAME, TROUBLE, Comparison, report, verdict
from hub.release.jsondiff import Operation
from hub.release.manifest import ObjectRef
from hub.release.preview import Effect

CHANGED = Effect(
    ObjectRef("apps/v1", "Deployment", "app", "web"),
    "changed",
    {"spec": {"replicas": 1}},
    (Operation("replace", "/spec/replicas", 2),),
)
MADE = Effect(ObjectRef("v1", "Secret", "app", "login"), "created")
REFUSED = Effect(ObjectRef("v1", "Service", "app", "web"), "refused", problem="no such type")


def on(member, *effects, error=""):
    return Comparison(member, f"HelmRelease ns/web on member {member}", effects, error)


def test_one_line_for_each_member():
    compared = [on(f"ns/m{number}") for number in range(3)]
    compared += [on("ns/m1", CHANGED, MADE), on("ns/lost", error="it does not answer")]
    assert report(compared) == [
        "HelmRelease ns/web on member ns/m1",
        "  ~ Deployment/app/web changed",
        "      spec.replicas: 1 → 2",
        "  + Secret/app/login created",
        "",
        "member ns/lost: 0 of 1 release would change, 1 cannot be told; no change",
        "member ns/m0: 0 of 1 release would change; no change",
        "member ns/m1: 1 of 2 releases would change; 1 created, 1 changed",
        "member ns/m2: 0 of 1 release would change; no change",
    ]


@pytest.mark.parametrize(
    ("compared", "want"),
    [
        pytest.param([on("a"), on("b")], SAME, id="nothing"),
        pytest.param([on("a"), on("b", CHANGED)], DIFFERENT, id="a change"),
        pytest.param([on("a", CHANGED), on("b", error="lost")], TROUBLE, id="one that cannot be told"),
        pytest.param([on("a", REFUSED)], TROUBLE, id="what a member refuses"),
    ],
)
def test_how_it_ends(compared, want):
    assert verdict(compared) == want
