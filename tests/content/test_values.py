"""Expected results in ``data/go_yaml.json`` were made with the Go libraries themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.content import goyaml, values
from hub.content.values import ValuesError, merge, parse, values_digest

DATA = Path(__file__).parent / "data"
GO = json.loads((DATA / "go_yaml.json").read_text())


def as_go_holds_it(value):
    """Every number that Go reads from JSON is a 64-bit float."""
    return json.loads(json.dumps(value), parse_int=float)


@pytest.mark.parametrize("row", GO["read"], ids=lambda row: ascii(row["yaml"]))
def test_texts_are_read_as_go_reads_them(row):
    if "error" in row:
        with pytest.raises(goyaml.YamlError, match=r"^yaml: "):
            goyaml.load(row["yaml"])
    else:
        assert as_go_holds_it(goyaml.load(row["yaml"])) == as_go_holds_it(row["json"])


@pytest.mark.parametrize("row", GO["write"], ids=lambda row: ascii(row["values"])[:60])
def test_values_are_written_as_go_writes_them(row):
    assert goyaml.dump(row["values"]) == row["yaml"]
    if "<<" not in json.dumps(row["values"]):  # Go writes it as a plain scalar, and cannot read that back either
        assert as_go_holds_it(goyaml.load(row["yaml"])) == as_go_holds_it(row["values"])


TEXT = st.text(
    alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\ufeff"), max_size=9
).filter(lambda text: text != "<<")
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
VALUES = st.dictionaries(TEXT, JSON_VALUES, max_size=4)


@given(VALUES)
def test_what_is_written_reads_back(wanted):
    assert parse(values.dump(wanted)) == wanted


@given(VALUES)
def test_the_digest_does_not_depend_on_the_order_of_keys(wanted):
    def reverse(value):
        if isinstance(value, dict):
            return {key: reverse(value[key]) for key in reversed(value)}
        return [reverse(one) for one in value] if isinstance(value, list) else value

    assert values_digest(wanted) == values_digest(reverse(wanted))


@pytest.mark.parametrize(
    ("wanted", "digest"),
    [
        pytest.param(None, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", id="none"),
        pytest.param({}, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", id="empty"),
        pytest.param({"replicaCount": 2}, "e15c415d62760896bd8bec192a44c5716dc224db9e0fc609b9ac14718f8f9e56", id="one"),
        pytest.param(
            {"replicaCount": 2.0}, "e15c415d62760896bd8bec192a44c5716dc224db9e0fc609b9ac14718f8f9e56", id="2.0"
        ),
        pytest.param(
            {
                "test": {"632bd80ddf416cf32fd50679": "value2", "632bd80235a05f4192aefade": "value1"}
                | {"632bd82398e71231a98004b6": "value4", "632bd817c559818a52307da2": "value3"},
                "replicas": 3,
            },
            "8a980fcbeadd6f05818f07e8aec14070c22250ca3d96af1fcd5f93b3e85b4d70",
            id="keys that begin with digits",
        ),
    ],
)
def test_digest(wanted, digest):
    assert values_digest(wanted) == f"sha256:{digest}"


def test_the_digests_that_flux_wrote():
    flux = json.loads((DATA / "helmrelease.json").read_text())
    newest, older = flux["status"]["history"]
    assert (
        values_digest(flux["spec"]["values"]) == newest["configDigest"] == flux["status"]["lastAttemptedConfigDigest"]
    )
    for snapshot, file in ((newest, "release.v4.json"), (older, "release.v3.json")):
        assert values_digest(json.loads((DATA / file).read_text()).get("config")) == snapshot["configDigest"]


@pytest.mark.parametrize(
    ("base", "override", "merged"),
    [
        pytest.param({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}, id="mappings merge"),
        pytest.param({"a": [1, 2]}, {"a": [3]}, {"a": [3]}, id="lists are replaced"),
        pytest.param({"a": {"b": 1}}, {"a": None}, {"a": None}, id="a null survives"),
        pytest.param({"a": None}, {"a": {"b": 1}}, {"a": {"b": 1}}, id="a null is replaced"),
        pytest.param({"a": {"b": 1}}, {"a": "x"}, {"a": "x"}, id="text replaces a mapping"),
        pytest.param({"a": "x"}, {"a": {"b": 1}}, {"a": {"b": 1}}, id="a mapping replaces text"),
        pytest.param(
            {"a": {"b": {"c": 1}}}, {"a": {"b": {}}}, {"a": {"b": {"c": 1}}}, id="an empty mapping changes nothing"
        ),
    ],
)
def test_merge(base, override, merged):
    before = json.dumps([base, override])
    assert merge(base, override) == merged
    assert json.dumps([base, override]) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("- a", "a mapping is expected, not a list", id="list"),
        pytest.param("just text", "a mapping is expected, not text", id="text"),
        pytest.param("3", "a mapping is expected, not a number", id="number"),
        pytest.param("a: b: c", "yaml: line 1: mapping values are not allowed in this context", id="not yaml"),
        pytest.param("a:\n\t- b", "yaml: line 2: found character that cannot start any token", id="tab"),
        pytest.param("- " * 100_000, "yaml: line 1: exceeded max depth of nesting", id="deep"),
        pytest.param("{a: " * 100_000, "yaml: line 1: exceeded max depth of nesting", id="deep mappings"),
        pytest.param(b"a: \xff", "yaml: invalid leading UTF-8 octet", id="not utf-8"),
        pytest.param(
            "a0: &a0 [1]\n" + "".join(f"a{i + 1}: &a{i + 1} [{','.join([f'*a{i}'] * 9)}]\n" for i in range(9)),
            "yaml: line 8: document contains excessive aliasing",
            id="alias bomb",
        ),
    ],
)
def test_bad_values(text, message):
    with pytest.raises(ValuesError) as caught:
        parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["", "# nothing", "---\n", "null", "{}"])
def test_empty_values(text):
    assert parse(text) == {}
