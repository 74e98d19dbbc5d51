from __future__ import annotations

import pytest

from hub.release.explain import explain
from hub.release.layers import Layer


def told(found):
    """``key: value (layer) < value (layer) ...`` for each value."""

    def one(contribution):
        value = "***" if contribution.hidden else repr(contribution.value)
        return f"{value} ({contribution.layer})"

    return [f"{'.'.join(e.path)}: {' < '.join(one(c) for c in (e.by, *e.overrides))}" for e in found]


def layer(name, /, **values):
    return Layer(name, values)


CHART = [layer("base", a=1, m={"x": "base", "y": "base"}, l=[1, 2]), layer("member", m={"y": "member"})]


@pytest.mark.parametrize(
    ("layers", "inline", "wanted"),
    [
        pytest.param(
            [],
            {},
            ["a: 1 (base)", "l: [1, 2] (base)", "m.x: 'base' (base)", "m.y: 'member' (member) < 'base' (base)"],
            id="the chart alone",
        ),
        pytest.param(
            [layer("from", a=2, m={"z": None})],
            {"a": 3, "l": []},
            [
                "a: 3 (values) < 2 (from) < 1 (base)",
                "l: [] (values) < [1, 2] (base)",
                "m.x: 'base' (base)",
                "m.y: 'member' (member) < 'base' (base)",
                "m.z: None (from)",
            ],
            id="layers on top",
        ),
        pytest.param(
            [layer("same", a=1)],
            {"l": True, "m": "text"},
            [
                "a: 1 (same) < 1 (base)",
                "l: True (values) < [1, 2] (base)",
                "m: 'text' (values) < {'x': 'base', 'y': 'member'} (member) < {'x': 'base', 'y': 'base'} (base)",
            ],
            id="equal values count, and what takes the place of a mapping",
        ),
        pytest.param(
            [layer("from", a={"b": 1})],
            {"l": {"c": 1}, "m": None},
            [
                "a.b: 1 (from) < 1 (base)",
                "l.c: 1 (values) < [1, 2] (base)",
                "m: None (values) < {'x': 'base', 'y': 'member'} (member) < {'x': 'base', 'y': 'base'} (base)",
            ],
            id="a mapping takes the place of something else",
        ),
    ],
)
def test_explain(layers, inline, wanted):
    assert told(explain(CHART, layers, Layer("values", inline))) == wanted


@pytest.mark.parametrize(
    ("layers", "inline", "wanted"),
    [
        pytest.param([Layer("at", path="m.x", text="set")], {}, "'set' (at) < 'base' (base)", id="over the chart"),
        pytest.param(
            [Layer("at", path="m.x", text="set")],
            {"m": {"x": "in"}},
            "'set' (at) < 'in' (values) < 'base' (base)",
            id="over inline",
        ),
        pytest.param(
            [layer("from", m={"y": 1}), Layer("at", path="m.x", text="set")],
            {"m": {"x": "in"}},
            "'in' (values) < 'set' (at) < 'base' (base)",
            id="not over inline in a mapping that was merged before",
        ),
        pytest.param(
            [Layer("at", path="m.x", text="set"), layer("from", m={"x": "from"})],
            {},
            "'from' (from) < 'set' (at) < 'base' (base)",
            id="below a later layer",
        ),
    ],
)
def test_explain_single_values(layers, inline, wanted):
    assert told(explain(CHART, layers, Layer("values", inline), ("m", "x"))) == [f"m.x: {wanted}"]


@pytest.mark.parametrize(
    ("layers", "inline", "at", "wanted"),
    [
        pytest.param(
            [Layer("s", {"a": "hush"}, secret=True)], {}, ("a",), ["a: *** (s) < 1 (base)"], id="what a secret sets"
        ),
        pytest.param(
            [Layer("s", {"a": "hush"}, secret=True)],
            {"a": "open"},
            ("a",),
            ["a: 'open' (values) < *** (s) < 1 (base)"],
            id="what it is overridden with is open",
        ),
        pytest.param(
            [Layer("s", {"m": {"p": "hush"}}, secret=True), layer("from", m="text")],
            {},
            ("m",),
            ["m: 'text' (from) < *** (s) < {'x': 'base', 'y': 'member'} (member) < {'x': 'base', 'y': 'base'} (base)"],
            id="a mapping that a secret has a part in",
        ),
        pytest.param(
            [Layer("s", {"m": {"p": "hush"}}, secret=True), layer("c", m={"q": 1}), layer("d", m=1)],
            {},
            ("m",),
            [
                (
                    "m: 1 (d) < *** (c) < *** (s) < {'x': 'base', 'y': 'member'} (member) "
                    "< {'x': 'base', 'y': 'base'} (base)"
                )
            ],
            id="also when another layer adds to it",
        ),
        pytest.param(
            [Layer("s", {"l": ["hush"]}, secret=True), Layer("at", path="l[1]", text="open")],
            {},
            ("l",),
            ["l: *** (at) < *** (s) < [1, 2] (base)"],
            id="a list of a secret, with an element assigned",
        ),
        pytest.param(
            [Layer("s", {"l": ["hush"]}, secret=True), layer("c", l=["open"])],
            {},
            ("l",),
            ["l: ['open'] (c) < *** (s) < [1, 2] (base)"],
            id="a list that takes the place of a secret's",
        ),
        pytest.param([Layer("s", path="n", text="hush", secret=True)], {}, ("n",), ["n: *** (s)"], id="a single value"),
    ],
)
def test_secrets_are_hidden(layers, inline, at, wanted):
    found = told(explain(CHART, layers, Layer("values", inline), at))
    assert found == wanted
    assert "hush" not in repr(found)


def test_a_path_that_is_not_there():
    assert explain(CHART, [], Layer("values", {}), ("none",)) == []
    assert explain([], [], Layer("values", {})) == []
