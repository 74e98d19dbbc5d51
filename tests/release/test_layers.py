from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.content.values import ValuesError, merge
from hub.release.layers import AssignmentError, Layer, combine


def at(path, text, **more):
    return Layer("at", path=path, text=text, **more)


def mapping(**values):
    return Layer("mapping", values)


@pytest.mark.parametrize(
    ("layers", "inline", "wanted"),
    [
        pytest.param([], {}, {}, id="nothing"),
        pytest.param([mapping(a=1, b=1), mapping(a=2)], {"b": 3}, {"a": 2, "b": 3}, id="later wins, inline last"),
        pytest.param([mapping(a={"b": 1, "c": 1})], {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}, id="mappings merge"),
        pytest.param([mapping(a=[1, 2])], {"a": [3]}, {"a": [3]}, id="lists are replaced"),
        pytest.param([mapping(a={"b": 1})], {"a": None}, {"a": None}, id="a null survives"),
        pytest.param([at("a.b", "1")], {}, {"a": {"b": 1}}, id="a path is made"),
        pytest.param([at("a.b", "x")], {"a": {"b": "y", "c": 1}}, {"a": {"b": "x", "c": 1}}, id="a path wins below"),
        pytest.param([at("a", "x")], {"a": "y"}, {"a": "y"}, id="but not at the top"),
        pytest.param(
            [mapping(a={"c": 1}), at("a.b", "x")],
            {"a": {"b": "y"}},
            {"a": {"b": "y", "c": 1}},
            id="nor in a mapping that was merged before",
        ),
        pytest.param(
            [mapping(a={"c": 1}), at("a.d", "x")],
            {"a": {"b": "y"}},
            {"a": {"b": "y", "c": 1, "d": "x"}},
            id="what inline does not set stays",
        ),
        pytest.param(
            [at("a.b", "x"), mapping(a={"b": "z"})], {"a": {"b": "y"}}, {"a": {"b": "x"}}, id="and wins once more"
        ),
        pytest.param([at("l[0]", "x")], {"l": ["y", "z"]}, {"l": ["x", "z"]}, id="an element of an inline list"),
        pytest.param([at("l[2]", "x")], {"l": ["y"]}, {"l": ["y"]}, id="an inline list does not grow at the top"),
        pytest.param(
            [at("m.l[2]", "x")], {"m": {"l": ["y"]}}, {"m": {"l": ["y", None, "x"]}}, id="but it does further down"
        ),
        pytest.param([at("a", "{1,x}")], {}, {"a": [1, "x"]}, id="a list in braces"),
        pytest.param([at("a", "1,b=2")], {}, {"a": 1, "b": 2}, id="a comma begins another path"),
        pytest.param([at("a", "'1'")], {}, {"a": "1"}, id="quotes make it text"),
        pytest.param([at("a", '"true"')], {}, {"a": "true"}, id="double quotes too"),
        pytest.param([at("a", "'\"x\"'")], {}, {"a": "x"}, id="all quotes at the ends go"),
        pytest.param([at("a", "'")], {}, {"a": ""}, id="a lonely quote"),
        pytest.param([at("a", "'x\"")], {}, {"a": "'x\""}, id="quotes that differ stay"),
        pytest.param([at("a", "x'y'")], {}, {"a": "x'y'"}, id="quotes inside stay"),
        pytest.param([at("a", "'{1},[x]=\\\n'", literal=True)], {}, {"a": "'{1},[x]=\\\n'"}, id="literal"),
        pytest.param([at(r"a.b\.c", "1", literal=True)], {}, {"a": {"b.c": "1"}}, id="a literal's path has escapes"),
        pytest.param([Layer("m", {"a": 1}, literal=True)], {}, {"a": 1}, id="literal without a path does nothing"),
        pytest.param([at("a", "")], {}, {"a": ""}, id="an empty value"),
        pytest.param([at("a", "null")], {"a": 1, "b": 2}, {"a": 1, "b": 2}, id="null at the top loses too"),
        pytest.param([at("a.b", "null")], {"a": {"b": 1}}, {"a": {"b": None}}, id="null below wins"),
    ],
)
def test_combine(layers, inline, wanted):
    before = copy.deepcopy([layers, inline])
    assert combine(layers, Layer("values", inline)) == wanted
    assert [layers, inline] == before


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        pytest.param(at("text.b", "1"), "targetPath 'text.b': 'text' is text, not a mapping", id="below a text"),
        pytest.param(at("list.b", "1"), "targetPath 'list.b': 'list' is a list, not a mapping", id="below a list"),
        pytest.param(at("map[0]", "1"), "targetPath 'map[0]': 'map' is a mapping, not a list", id="index of a mapping"),
        pytest.param(
            at("a", "x,y"),
            "targetPath 'a': key 'y' has no value; set 'literal: true' to take the data as it is",
            id="data with a comma",
        ),
        pytest.param(
            at("a", "x,y", secret=True),
            "targetPath 'a': the data is not a value of 'helm --set'; set 'literal: true' to take the data as it is",
            id="a secret is not quoted",
        ),
        pytest.param(
            at("text.b", "hush", secret=True), "targetPath 'text.b': 'text' is text, not a mapping", id="its path is"
        ),
    ],
)
def test_assignments_that_lead_nowhere(layer, message):
    with pytest.raises(AssignmentError) as caught:
        combine([mapping(text="x"), layer], Layer("values", {"list": [1], "map": {}}))
    assert str(caught.value) == message
    assert caught.value.layer is layer


def test_deep_values_are_refused():
    deep = {}
    for _ in range(300):
        deep = {"a": deep}
    with pytest.raises(ValuesError, match="nested more than 200 deep"):
        combine([], Layer("values", deep))


SMALL = st.dictionaries(
    st.sampled_from("ab"),
    st.recursive(st.integers(0, 3) | st.none(), lambda inner: st.dictionaries(st.sampled_from("ab"), inner)),
)


@given(st.lists(SMALL, max_size=3), SMALL)
def test_without_paths_it_is_one_merge_after_the_other(mappings, inline):
    wanted = {}
    for one in [*mappings, inline]:
        wanted = merge(wanted, one)
    assert combine([Layer("m", one) for one in mappings], Layer("values", inline)) == wanted


def test_a_layer_does_not_show_its_values():
    assert "hush" not in repr(Layer("s", {"a": "hush"}, text="hush", secret=True))
