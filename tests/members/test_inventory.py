"""Which Member stands for which Secret."""

import pytest

from hub.api.fleet import Member
from hub.api.helm import HelmRelease
from hub.api.meta import Key, SecretKeyRef
from hub.members.inventory import counts, counts_differently, member_names, new_member, same_kubeconfig


def release(secret="m1", key="", ready="True", name="web"):
    reference = {"name": secret} | ({"key": key} if key else {})
    return HelmRelease.parse({
        "metadata": {"name": name, "namespace": "apps"},
        "spec": {"kubeConfig": {"secretRef": reference}} if secret else {},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    })  # fmt: skip


def member(secret="m1", key=""):
    return Member.parse({
        "metadata": {"name": "one", "namespace": "apps"},
        "spec": {"kubeConfig": {"secretRef": {"name": secret, "key": key}}},
    })  # fmt: skip


@pytest.mark.parametrize(
    ("key", "name"),
    [
        pytest.param("", "m1", id="usual"),
        pytest.param("value.yaml", "m1", id="a usual key"),
        pytest.param("Edge_1.conf", "m1-edge-1.conf", id="a key of one's own"),
    ],
)
def test_the_name_of_a_member(key, name):
    assert list(member_names(release(key=key))) == [Key("Member", "apps", name)]


def test_the_hub_itself_has_none():
    assert list(member_names(release(secret=None))) == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param(("a", ""), ("a", "value"), True, id="the usual key may be named"),
        pytest.param(("a", "value"), ("a", "value.yaml"), True, id="either"),
        pytest.param(("a", ""), ("a", "mine"), False, id="another key"),
        pytest.param(("a", ""), ("b", ""), False, id="another Secret"),
    ],
)
def test_same_kubeconfig(one, other, same):
    references = [SecretKeyRef(name=name, key=key) for name, key in (one, other)]
    assert same_kubeconfig(*references) is same


def test_counts():
    releases = [release(), release(ready="False"), release(key="value"), release(key="mine")]
    assert counts(member(), releases).dump() == {"total": 3, "ready": 2}


@pytest.mark.parametrize(
    ("old", "new", "differently"),
    [
        pytest.param(release(), release(), False, id="nothing that matters"),
        pytest.param(release(), release(ready="Unknown"), True, id="readiness"),
        pytest.param(release(), release(secret="m2"), True, id="moved"),
        pytest.param(None, release(), True, id="new"),
        pytest.param(release(), None, True, id="gone"),
    ],
)
def test_counts_differently(old, new, differently):
    assert counts_differently(old, new) is differently


def test_what_the_hub_makes():
    made = new_member(Key("Member", "apps", "m1"), SecretKeyRef(name="m1"), {"metadata": {"uid": "u"}})
    parsed = Member.parse(made)
    assert parsed.spec.kube_config.secret_ref.name == "m1"
    assert [one.uid for one in parsed.metadata.owner_references] == ["u"]
