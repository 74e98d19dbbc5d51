"""Merge patches between two statuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.runtime.status import merge_patch


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        pytest.param({"a": 1}, {"a": 1}, {}, id="equal needs nothing"),
        pytest.param({"a": 1}, {"a": 2}, {"a": 2}, id="changed"),
        pytest.param({"a": 1}, {}, {"a": None}, id="gone"),
        pytest.param({}, {"a": {"b": 1}}, {"a": {"b": 1}}, id="new mapping"),
        pytest.param({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, {"a": {"c": 3}}, id="inside a mapping"),
        pytest.param({"a": [1, 2]}, {"a": [1]}, {"a": [1]}, id="lists are replaced whole"),
        pytest.param({"a": {"b": 1}}, {"a": 1}, {"a": 1}, id="another type"),
    ],
)
def test_merge_patch(old, new, want):
    assert merge_patch(old, new) == want


values = st.recursive(
    st.integers(0, 3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
statuses = st.dictionaries(st.sampled_from("abc"), values)


def applied(target, patch):
    """RFC 7396, as the API server does it."""
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = applied(result.get(key), value)
        else:
            result[key] = value
    return result


@given(statuses, statuses)
def test_applying_the_patch_gives_the_new_status(old, new):
    assert applied(old, merge_patch(old, new)) == new
