"""Expected results in ``data/helm_strvals.json`` were made with Helm's own package; a few are asked of helm itself."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.content.strvals import MAX_DEPTH, StrvalsError, assign, assign_literal, escape

ROWS = json.loads((Path(__file__).parent / "data" / "helm_strvals.json").read_text())


def exactly(value):
    """1, 1.0 and True are not the same here."""
    return json.dumps(value, sort_keys=True)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: ascii(row["line"]) + ("+" if "into" in row else ""))
def test_lines_are_applied_as_helm_applies_them(row):
    values = copy.deepcopy(row.get("into", {}))
    if row.get("refused"):
        with pytest.raises(StrvalsError):
            assign(row["line"], values, text=row.get("text", False))
    else:
        assign(row["line"], values, text=row.get("text", False))
        assert exactly(values) == exactly(row["values"])


ANY_LINE = st.text(alphabet="ab.[]{}=,\\01-é\n ", max_size=30) | st.text(max_size=30)


@given(ANY_LINE, st.booleans())
def test_any_line_is_applied_or_refused(line, text):
    values = {"a": {"b": [1, {"c": None}]}, "b": None}
    read = len(line)
    try:
        assign(line, values, text=text)
    except StrvalsError as error:
        read = error.at
    assert 0 <= read <= len(line)
    json.dumps(values)


@given(st.text())
def test_a_literal_is_put_as_it_is(value):
    values = {}
    assign_literal(r"a.b\.c", value, values)
    assert values == {"a": {"b.c": value}}
    assign(f"x={escape(value)}", values, text=True)
    assert values["x"] == value


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param("a", "key 'a' has no value", id="no value"),
        pytest.param("a,b=1", "key 'a' has no value (a comma begins the next key)", id="comma"),
        pytest.param("a.=1", "key 'a' has no value below it", id="no name below"),
        pytest.param("text.b=1", "'text' is text, not a mapping", id="below text"),
        pytest.param("list.b=1", "'list' is a list, not a mapping", id="below a list"),
        pytest.param("nothing.b=1", "'nothing' is null, not a mapping", id="below null"),
        pytest.param("map[0]=1", "'map' is a mapping, not a list", id="index of a mapping"),
        pytest.param("list[0][0]=1", "'[0]' is a number, not a list", id="index of a number"),
        pytest.param("a[x]=1", "'x' is not an index of a list", id="index is no number"),
        pytest.param("a[-1]=1", "index -1 is negative", id="negative index"),
        pytest.param("a[65537]=1", "index 65537 is greater than 65536", id="large index"),
        pytest.param("a[0]b=1", "unexpected 'b' after an index", id="after an index"),
        pytest.param("a={1", "a list must end with '}'", id="open list"),
        pytest.param(f"{'a.' * 31}b=1", "more than 30 nested names", id="deep names"),
        pytest.param(f"a{'[0]' * 2000}=1", f"lists are nested more than {MAX_DEPTH} deep", id="deep lists"),
        pytest.param(
            ",".join(f"k{i}[65536]=1" for i in range(20)),
            "more than 1000000 elements of lists are added",
            id="a bomb of indexes",
        ),
    ],
)
def test_refused_lines(line, message):
    with pytest.raises(StrvalsError) as caught:
        assign(line, {"text": "x", "list": [1], "nothing": None, "map": {}})
    assert str(caught.value) == message


def test_the_largest_index():
    values = {}
    assign("a[65536]=1", values)
    assert len(values["a"]) == 65537


def test_a_megabyte_of_text_takes_no_time():
    values = {}
    assign("a=" + "x\\," * 350_000, values)
    assert len(values["a"]) == 700_000


@pytest.fixture
def chart(tmp_path):
    """A chart that prints the values that it is given."""
    folder = tmp_path / "echo"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("{apiVersion: v2, name: echo, version: 1.0.0}")
    (folder / "templates" / "all.yaml").write_text("all: {{ .Values | toJson }}")
    return folder


@pytest.mark.parametrize(
    ("flag", "line"),
    [
        pytest.param("--set", r"a.b\.c={1,x\,y,true},l[1].k=null,n=-5,z=007,q='1',t=a=b", id="set"),
        pytest.param("--set-string", "a=1,b={0,true},c=null", id="set-string"),
        pytest.param("--set-literal", r"a.b={x,y}[0]=\n,'", id="set-literal"),
    ],
)
def test_helm_itself_says_the_same(helm_binary, chart, flag, line):
    ran = subprocess.run([helm_binary, "template", chart, flag, line], capture_output=True, text=True, check=True)
    values = {}
    if flag == "--set-literal":
        assign_literal(*line.split("=", 1), values)
    else:
        assign(line, values, text=flag == "--set-string")
    given = json.loads(ran.stdout.partition("all: ")[2])
    assert exactly(given) == exactly(values)
