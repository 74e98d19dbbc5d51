from hub.cli.fleet import Fleet

TIME = "2026-01-01T00:00:0{}Z"


def release(name, ready="True", reason="X", member="m1", at=0, *, stalled=False, suspend=False):
    conditions = [
        {"type": "Ready", "status": ready, "reason": reason, "message": name, "lastTransitionTime": TIME.format(at)}
    ]
    if stalled:
        conditions.append(
            {"type": "Stalled", "status": "True", "reason": "Y", "message": "z", "lastTransitionTime": TIME.format(at)}
        )
    return {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": name, "namespace": "ns", "generation": 1},
        "spec": {"interval": "1m", "suspend": suspend, "kubeConfig": {"secretRef": {"name": member}}},
        "status": {"observedGeneration": 1, "conditions": conditions},
    }


OBJECTS = [
    release("fine"),
    release("resting", suspend=True),
    release("failed", "False", "UpgradeFailed", at=1),
    release("given-up", "False", "UpgradeFailed", at=3, stalled=True),
    release("gone", "False", "MemberUnreachable", "m2", at=2),
    release("gone-too", "False", "MemberUnreachable", "m2", at=1),
    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "not ours"}},
]


def test_states_of_members_and_releases():
    fleet = Fleet.of(OBJECTS)
    assert dict(fleet.kinds["HelmRelease"]) == {"ready": 1, "suspended": 1, "failing": 2, "unreachable": 2}
    assert [(one.name, one.is_fine, one.lost_since) for one in fleet.ordered_members] == [
        ("ns/m1", False, ""),
        ("ns/m2", False, TIME.format(1)),
    ]


def test_what_nobody_tries_again_is_worst_and_lost_members_come_last():
    assert [one.message for one in Fleet.of(OBJECTS).troubles] == ["given-up", "failed", "gone-too", "gone"]


def test_nothing_is_no_fleet():
    fleet = Fleet.of([])
    assert (fleet.kinds, fleet.members, fleet.troubles) == ({}, {}, [])
