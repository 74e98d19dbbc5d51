"""Differences between JSON documents."""

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.release.jsondiff import Operation, diff


@pytest.mark.parametrize(
    ("old", "new", "ignored", "want"),
    [
        pytest.param({"a": 1}, {"a": 1}, [], [], id="equal"),
        pytest.param({"a": 1}, {"a": 2}, [], [Operation("replace", "/a", 2)], id="changed"),
        pytest.param({"a": 1}, {}, [], [Operation("remove", "/a")], id="gone"),
        pytest.param({}, {"a/b": 1}, [], [Operation("add", "/a~1b", 1)], id="new, escaped"),
        pytest.param(
            {"l": [1, 2, 3]}, {"l": [1]}, [], [Operation("remove", "/l/2"), Operation("remove", "/l/1")], id="cut"
        ),
        pytest.param({"l": [1]}, {"l": [1, 2]}, [], [Operation("add", "/l/-", 2)], id="grown"),
        pytest.param(
            {"spec": {"replicas": 1, "x": 1}}, {"spec": {"replicas": 2, "x": 1}}, ["/spec/replicas"], [], id="ignored"
        ),
        pytest.param({"spec": {"a": 1}}, {"spec": {"a": 2}}, ["/spec"], [], id="ignored from above"),
        pytest.param(
            {"specs": 1}, {"specs": 2}, ["/spec"], [Operation("replace", "/specs", 2)], id="a longer name is another"
        ),
    ],
)
def test_diff(old, new, ignored, want):
    assert diff(old, new, ignored) == want


documents = st.dictionaries(
    st.text(max_size=3),
    st.recursive(
        st.integers() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
        max_leaves=12,
    ),
    max_size=4,
)


@given(documents, documents)
def test_applying_the_operations_gives_the_new_document(old, new):
    patch = jsonpatch.JsonPatch([operation.dump() for operation in diff(old, new)])
    assert patch.apply(old) == new
