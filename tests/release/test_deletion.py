"""What the annotation about deletion asks for."""

from datetime import UTC, datetime

import pytest

from hub.api.helm import HelmRelease
from hub.errors import MemberUnreachable, Stalled, Transient
from hub.release import deletion

POLICY = "hubctl.io/deletion-policy"


def release(policy=None):
    return HelmRelease.parse({
        "metadata": {
            "name": "web",
            "annotations": {POLICY: policy} if policy is not None else {},
            "deletionTimestamp": "2026-11-21T10:00:00Z",
        }
    })  # fmt: skip


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        pytest.param(None, (True, None), id="default"),
        pytest.param("Delete", (True, None), id="delete"),
        pytest.param(" Orphan\n", (False, None), id="orphan"),
        pytest.param("DeleteOrOrphanAfter=1h30m", (True, 5400.0), id="with patience"),
        pytest.param("DeleteOrOrphanAfter=0", (True, 0.0), id="without"),
    ],
)
def test_policy(text, policy):
    assert deletion.policy_of(release(text)) == policy


@pytest.mark.parametrize("text", ["", "orphan", "DeleteOrOrphanAfter=", "DeleteOrOrphanAfter=a while"])
def test_unknown(text):
    with pytest.raises(Stalled, match=f"^annotation {POLICY}: '{text}' is not known; write 'Delete', 'Orphan'") as stop:
        deletion.policy_of(release(text))
    assert stop.value.reason == "InvalidDeletionPolicy"


@pytest.mark.parametrize(
    ("text", "minute", "gives_up"),
    [
        pytest.param("Delete", 59, False, id="never"),
        pytest.param("DeleteOrOrphanAfter=30m", 29, False, id="not yet"),
        pytest.param("DeleteOrOrphanAfter=30m", 30, True, id="now"),
    ],
)
def test_patience(text, minute, gives_up):
    one, now = release(text), datetime(2026, 11, 21, 10, minute, tzinfo=UTC)
    assert deletion.gives_up(one, deletion.policy_of(one), now) is gives_up


def test_the_way_out_is_told_with_the_same_kind_of_error():
    lost = deletion.with_way_out(MemberUnreachable("ns/member1", "gone"))
    assert isinstance(lost, MemberUnreachable)
    assert lost.member == "ns/member1"
    assert lost.message == (
        f"gone; to delete the object and leave the release on its member, annotate it with {POLICY}=Orphan"
    )
    assert deletion.with_way_out(Transient("RESTClientError", "bad")).reason == "RESTClientError"
