"""Who takes which Lease, and where a word belongs: tables."""

from __future__ import annotations

from collections import Counter

import pytest

from hub.api.registry import kind_named
from hub.runtime.shard import Move, Record, lease_names, next_move, shard_of, word_of, word_of_member

WORDS = [f"team-{number % 7}/member{number}" for number in range(2000)]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 16])
def test_words_spread_evenly(count):
    sizes = Counter(shard_of(word, count) for word in WORDS)
    assert set(sizes) == set(range(count))
    assert max(sizes.values()) < 1.4 * len(WORDS) / count


@pytest.mark.parametrize("count", [1, 2, 3, 7, 16])
def test_one_shard_more_takes_its_part_and_moves_nothing_else(count):
    moved = [word for word in WORDS if shard_of(word, count) != shard_of(word, count + 1)]
    assert all(shard_of(word, count + 1) == count for word in moved)
    assert 0.6 < len(moved) / (len(WORDS) / (count + 1)) < 1.4


def test_a_word_stays_where_it_is_over_releases_of_the_hub():
    assert [shard_of(f"ns/m{number}", 5) for number in range(10)] == [4, 4, 2, 2, 4, 1, 4, 0, 0, 1]


def record(name, holder="", seen=0.0, wanted=""):
    return Record(name=name, holder=holder, duration=10.0, seen=seen, wanted=wanted)


NAMES = lease_names("hub-leader", 3)
A, B, C = NAMES


@pytest.mark.parametrize(
    ("names", "records", "mine", "now", "want"),
    [
        pytest.param(("one",), [], [], 0, Move(take=("one",)), id="the first takes a Lease that does not exist"),
        pytest.param(("one",), [record("one", "other")], [], 9.9, Move(), id="one that is held stays"),
        pytest.param(("one",), [record("one", "other")], [], 10, Move(take=("one",)), id="silence makes it free"),
        pytest.param(("one",), [record("one", "")], [], 1, Move(take=("one",)), id="one given back is free at once"),
        pytest.param(("one",), [record("one", "me")], ["one"], 1, Move(), id="who has all is content"),
        pytest.param(NAMES, [], [A], 0, Move(take=(B,)), id="one at a time"),
        pytest.param(
            NAMES,
            [record(A, "me"), record(B, ""), record(C, "x")],
            [A],
            1,
            Move(),
            id="who has one lets others go first",
        ),
        pytest.param(
            NAMES, [record(A, "me"), record(B, ""), record(C, "x", 5)], [A], 5, Move(take=(B,)), id="but not for ever"
        ),
        pytest.param(
            NAMES,
            [record(A, "x"), record(B, "x"), record(C, "y")],
            [],
            1,
            Move(ask_for=B),
            id="with none ask the richest",
        ),
        pytest.param(
            NAMES,
            [record(A, "x"), record(B, "x", wanted="me"), record(C, "y")],
            [],
            1,
            Move(),
            id="asking once is enough",
        ),
        pytest.param(
            NAMES, [record(A, "x"), record(B, "y"), record(C, "z")], [], 1, Move(), id="nobody has too much: stand by"
        ),
        pytest.param(
            NAMES,
            [record(A, "me"), record(B, "me", wanted="x"), record(C, "y")],
            [A, B],
            1,
            Move(give_back=(B,)),
            id="who has two gives one",
        ),
        pytest.param(
            NAMES,
            [record(A, "me", wanted="x"), record(B, "me", wanted="y"), record(C, "z")],
            [A, B],
            1,
            Move(give_back=(A,)),
            id="but keeps one",
        ),
        pytest.param(
            NAMES, [record(B, "", wanted="x")], [A, C], 1, Move(), id="what was given to another is left to it"
        ),
        pytest.param(
            ("one",), [record("one", "", wanted="x")], [], 11, Move(take=("one",)), id="unless it does not come"
        ),
        pytest.param(
            NAMES, [record("hub-leader", "x")], [], 1, Move(), id="others still work with another number of shards"
        ),
        pytest.param(
            NAMES, [record("hub-leader", "x")], [], 10, Move(take=(A,)), id="those with another number are gone"
        ),
    ],
)
def test_next_move(names, records, mine, now, want):
    assert next_move(names, {one.name: one for one in records}, "me", frozenset(mine), now) == want


@pytest.mark.parametrize(
    ("kind", "spec", "want"),
    [
        pytest.param("hr", {"kubeConfig": {"secretRef": {"name": "m1"}}}, "ns/m1", id="the member of a release"),
        pytest.param(
            "hr", {"kubeConfig": {"secretRef": {"name": "m1", "key": "other"}}}, "ns/m1", id="whatever its key"
        ),
        pytest.param("hr", {"kubeConfig": {"configMapRef": {"name": "m2"}}}, "ns/m2", id="a member by ConfigMap"),
        pytest.param(
            "member", {"kubeConfig": {"secretRef": {"name": "m1"}}}, "ns/m1", id="a Member goes with its releases"
        ),
        pytest.param("hr", {}, "hub", id="a release on the hub's own cluster"),
        pytest.param("source git", {}, "GitRepository/ns/name", id="what is for no member: the object itself"),
    ],
)
def test_the_word_of_an_object(kind, spec, want):
    model = kind_named(kind).model
    assert word_of(model.model_validate({"metadata": {"namespace": "ns", "name": "name"}, "spec": spec})) == want


def test_a_member_has_the_word_of_its_releases():
    assert [word_of_member(name) for name in ("ns/m1", "ns/m1:other", "hub", "ns/m1 (ConfigMap)")] == [
        "ns/m1",
        "ns/m1",
        "hub",
        "ns/m1",
    ]
