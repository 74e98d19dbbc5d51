"""The cache: the newest version of each object, however it arrives."""

from __future__ import annotations

import time

import pytest

from hub.api.meta import Key
from hub.api.registry import kind_named
from hub.runtime.cache import Cache, Change

HR = kind_named("HelmRelease")
KEY = Key("HelmRelease", "ns", "a")


def release(name="a", version=5, uid="u1", created="2026-01-01T00:00:00Z", **spec):
    metadata = {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": str(version), "generation": 1}
    return {
        "apiVersion": HR.api.api_version,
        "kind": "HelmRelease",
        "metadata": {**metadata, "creationTimestamp": created},
        "spec": {"interval": "1m", "releaseName": name, **spec},
    }


@pytest.fixture
def cache():
    return Cache()


@pytest.fixture
def told(cache):
    told = []
    cache.subscribe(lambda change, old, new: told.append((change, old and old.metadata.uid, new and new.metadata.uid)))
    return told


def test_objects_are_typed(cache):
    put = cache.put(release(suspend=True))
    assert cache.get(KEY) is put
    assert put.spec.suspend is True
    assert cache.all(HR) == [put]
    assert list(cache.keys()) == [KEY]
    assert len(cache) == 1


@pytest.mark.parametrize(
    ("version", "uid", "created", "taken"),
    [
        pytest.param(6, "u1", "2026-01-01T00:00:00Z", True, id="newer"),
        pytest.param(10, "u1", "2026-01-01T00:00:00Z", True, id="newer, compared as a number"),
        pytest.param(5, "u1", "2026-01-01T00:00:00Z", False, id="the same: our own write comes back"),
        pytest.param(4, "u1", "2026-01-01T00:00:00Z", False, id="older: the watch lags behind our write"),
        pytest.param(9, "u2", "2026-01-02T00:00:00Z", True, id="made anew"),
        pytest.param(2, "u2", "2026-01-02T00:00:00Z", True, id="made anew in a cluster restored from a backup"),
        pytest.param(2, "u0", "2025-01-02T00:00:00Z", False, id="a former life"),
    ],
)
def test_the_newest_wins(cache, told, version, uid, created, taken):  # noqa: PLR0917  # columns of the table
    first = cache.put(release())
    again = cache.put(release(version=version, uid=uid, created=created))
    assert (again is not None) is taken
    assert cache.get(KEY) is (again or first)
    assert told == [(Change.ADDED, None, "u1"), *([(Change.MODIFIED, "u1", uid)] if taken else [])]


def test_a_dropped_object_does_not_come_back_with_a_late_answer(cache, told):
    cache.put(release())
    assert cache.drop(KEY).metadata.uid == "u1"
    assert cache.put(release(version=99)) is None
    assert cache.get(KEY) is None
    assert cache.put(release(version=100, uid="u2")) is not None
    assert [change for change, _, _ in told] == [Change.ADDED, Change.DELETED, Change.ADDED]


def test_a_late_deletion_does_not_take_the_successor(cache):
    cache.put(release(uid="u2"))
    assert cache.drop(KEY, "u1") is None
    assert cache.get(KEY) is not None
    assert cache.drop(KEY, "u2") is not None
    assert cache.drop(KEY) is None


def test_other_kinds_are_not_ours(cache):
    assert cache.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}) is None


def test_one_that_cannot_be_read_stands_alone(cache, told, caplog):
    good = cache.put(release())
    for version in (6, 7):
        bad = release(version=version)
        bad["spec"] = ["not", "a", "mapping"]
        assert cache.put(bad) is None
    assert cache.put(release("b", uid="u3")) is not None
    assert cache.get(KEY) is good
    assert "spec" in cache.broken[KEY]
    assert caplog.text.count("cannot be read") == 1
    cache.put(release(version=8))
    assert cache.broken == {}


def test_indexes_follow(cache):
    cache.put(release("early", uid="u0", releaseName="x"))
    cache.add_index("by release", HR, lambda one: [one.spec.release_name, one.metadata.namespace])
    cache.put(release(releaseName="x"))
    early = Key("HelmRelease", "ns", "early")
    assert cache.lookup("by release", "x") == {early, KEY}
    cache.put(release(version=6, releaseName="y"))
    assert cache.lookup("by release", "x") == {early}
    assert cache.lookup("by release", "y") == {KEY}
    cache.drop(KEY)
    assert cache.lookup("by release", "y") == set()
    assert cache.lookup("by release", "ns") == {early}
    cache.lookup("by release", "ns").clear()
    assert cache.lookup("by release", "ns") == {early}


def test_what_listens_or_indexes_badly_harms_nobody(cache, told, caplog):
    def broken(*_):
        raise ZeroDivisionError

    cache.add_index("broken", HR, broken)
    cache.subscribe(broken)
    assert cache.put(release()) is not None
    assert told
    assert [record.message for record in caplog.records] == ["Index function broke", "Subscriber broke"]


def test_a_thousand_objects_are_read_in_well_under_a_second(cache):
    objects = [release(f"r{number}", uid=f"u{number}") for number in range(1000)]
    began = time.process_time()
    for one in objects:
        cache.put(one)
    cost = time.process_time() - began
    print(f"CPU of 1,000 objects: {cost * 1000:.0f} ms")
    assert cost < 1.0
