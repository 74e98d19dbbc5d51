"""What an arriving event means, given what is known."""

from __future__ import annotations

import pytest

from hub.api.meta import SECRETS
from hub.kube.roster import Roster


def thing(uid="u1", version="5", created="2026-01-01T00:00:00Z", name="a"):
    return {"metadata": {"name": name, "uid": uid, "resourceVersion": version, "creationTimestamp": created}}


@pytest.mark.parametrize(
    ("type_", "uid", "version", "told"),
    [
        pytest.param("MODIFIED", "u1", "6", ["MODIFIED"], id="a newer version is news"),
        pytest.param(None, "u1", "6", ["MODIFIED"], id="also from a list"),
        pytest.param("ADDED", "u1", "5", [], id="the same version again is not"),
        pytest.param(None, "u1", "5", [], id="nor from a list"),
        pytest.param("MODIFIED", "u1", "4", [], id="an older version is not"),
        pytest.param("MODIFIED", "u1", "10", ["MODIFIED"], id="versions are compared as numbers"),
        pytest.param("ADDED", "u2", "6", ["DELETED", "ADDED"], id="a new life ends the old one first"),
        pytest.param("MODIFIED", "u0", "4", [], id="an event of a former life is late"),
        pytest.param("DELETED", "u1", "6", ["DELETED"], id="a deletion"),
        pytest.param("DELETED", "u0", "6", [], id="a deletion of a former life is late"),
    ],
)
def test_take(type_, uid, version, told):
    roster = Roster(SECRETS)
    assert [news.type for news in roster.take(None, thing(), 0.0)] == ["ADDED"]
    assert [news.type for news in roster.take(type_, thing(uid, version), 1.0)] == told


def test_an_unknown_object_cannot_be_deleted():
    assert list(Roster(SECRETS).take("DELETED", thing(), 0.0)) == []


def test_a_cluster_restored_from_a_backup_counts_from_the_past():
    roster = Roster(SECRETS)
    list(roster.take(None, thing(version="900"), 0.0))
    again = thing("u2", "7", created="2026-02-01T00:00:00Z")
    assert [news.type for news in roster.take(None, again, 1.0)] == ["DELETED", "ADDED"]


def test_who_is_missing_in_a_list_has_vanished():
    roster = Roster(SECRETS)
    for name in ("stays", "gone", "younger than the list"):
        list(roster.take(None, thing(uid=name, name=name), 0.0))
    assert not roster.unheard(0.0)
    list(roster.take("MODIFIED", thing(uid="younger than the list", name="younger than the list", version="6"), 10.0))
    assert roster.unheard(5.0)
    gone = list(roster.vanished({"stays"}, since=5.0))
    assert [(news.type, news.object["metadata"]["name"], news.object["kind"]) for news in gone] == [
        ("DELETED", "gone", "Secret")
    ]
    assert len(roster) == 2
