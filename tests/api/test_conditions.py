"""Rows: what marking does; invariants: what holds after any sequence of marks and deletes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.api.conditions import MAX_MESSAGE, Conditions
from hub.api.meta import Condition

EARLIER, NOW = "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z"


def condition(type_="Ready", status="True", reason="Succeeded", message="fine", generation=1):
    return Condition(
        type=type_,
        status=status,
        reason=reason,
        message=message,
        observed_generation=generation,
        last_transition_time=EARLIER,
    )


def conditions(*items, generation=1):
    return Conditions(items, generation, lambda: NOW)


@pytest.mark.parametrize(
    ("mark", "generation", "changed", "since"),
    [
        pytest.param(("Ready", "True", "Succeeded", "fine"), 1, False, EARLIER, id="the same again changes nothing"),
        pytest.param(("Ready", "True", "Succeeded", "fine"), 2, True, EARLIER, id="a new generation keeps the time"),
        pytest.param(("Ready", "False", "Succeeded", "fine"), 1, True, NOW, id="a new status moves the time"),
        pytest.param(("Ready", "True", "Other", "fine"), 1, True, NOW, id="a new reason moves the time"),
        pytest.param(("Ready", "True", "Succeeded", "finer"), 1, True, NOW, id="a new message moves the time"),
        pytest.param(("Released", "True", "Succeeded", "fine"), 1, True, NOW, id="a new type starts now"),
    ],
)
def test_mark(mark, generation, changed, since):
    held = conditions(condition(), generation=generation)
    assert held.mark(*mark) is changed
    found = held.get(mark[0])
    assert (found.status, found.reason, found.message) == mark[1:]
    assert found.last_transition_time == since
    assert found.observed_generation == generation


@pytest.mark.parametrize(
    ("before", "mark", "gone"),
    [
        pytest.param("Stalled", "Reconciling", True, id="reconciling ends stalled"),
        pytest.param("Reconciling", "Stalled", True, id="stalled ends reconciling"),
        pytest.param("Stalled", "Ready", False, id="ready leaves stalled to its caller"),
    ],
)
def test_exclusion(before, mark, gone):
    held = conditions(condition(before))
    assert held.mark_true(mark, "Progressing", "working")
    assert (held.get(before) is None) is gone


def test_only_true_excludes():
    held = conditions(condition("Stalled"))
    held.mark_false("Reconciling", "Done", "done")
    assert held.is_true("Stalled")


def test_exclusion_is_a_change_even_when_the_mark_is_not():
    held = conditions(condition("Stalled"), condition("Reconciling"))
    assert held.mark("Reconciling", "True", "Succeeded", "fine")
    assert [c.type for c in held.items()] == ["Reconciling"]


def test_order():
    held = conditions(
        condition("Released", generation=1),
        condition("Drifted", generation=1),
        condition("TestSuccess", generation=2),
        condition("Ready", generation=1),
        condition("Reconciling", generation=1),
    )
    assert [c.type for c in held.items()] == ["Reconciling", "Ready", "TestSuccess", "Drifted", "Released"]


def test_long_messages_are_cut():
    held = conditions()
    held.mark_false("Ready", "Failed", "x" * (MAX_MESSAGE + 1))
    assert len(held.get("Ready").message) == MAX_MESSAGE
    assert held.get("Ready").message.endswith("x...")
    assert not held.mark_false("Ready", "Failed", "x" * (MAX_MESSAGE + 1))


def test_delete():
    held = conditions(condition("Ready"), condition("Stalled"))
    assert held.delete("Absent", "Stalled", "Ready")
    assert not held.delete("Ready")
    assert held.items() == []


def test_questions():
    held = conditions(condition("Ready", "False"))
    assert held.is_false("Ready")
    assert not held.is_true("Ready")
    assert not held.is_false("Absent")
    held.mark_unknown("Ready", "Progressing", "working")
    assert held.has("Ready", "Unknown")


types = st.sampled_from(["Ready", "Reconciling", "Stalled", "Released", "Drifted"])
statuses = st.sampled_from(["True", "False", "Unknown"])
marks = st.tuples(types, statuses, st.sampled_from(["A", "B"]), st.text(max_size=3))
steps = st.lists(st.one_of(marks, types), max_size=30)


@given(start=st.lists(marks, max_size=5), steps=steps)
def test_invariants(start, steps):
    clock = iter(range(10_000))
    items = [condition(*mark) for mark in start]
    before = [item.dump() for item in items]
    held = Conditions(items, 7, lambda: f"{next(clock):05}")
    for step in steps:
        old = held.items()
        if isinstance(step, str):
            held.delete(step)
            assert held.get(step) is None
            continue
        changed = held.mark(*step)
        assert changed is (held.items() != old)
        assert not held.mark(*step), "a second time changes nothing"
        assert not (step[0] in {"Reconciling", "Stalled"} and held.is_true("Reconciling") and held.is_true("Stalled"))
        assert held.get(step[0]).observed_generation == 7
    found = [c.type for c in held.items()]
    assert len(found) == len(set(found))
    assert found == [c.type for c in Conditions(held.items(), 7, lambda: "").items()], "the order is stable"
    assert [item.dump() for item in items] == before, "what was read is not modified"
