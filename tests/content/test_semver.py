"""Expected results in ``data/go_semver.json`` were made with the Go library itself."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

from hub.content.semver import BadConstraint, Constraint, parse_version

GO = json.loads((Path(__file__).parent / "data" / "go_semver.json").read_text())


@pytest.mark.parametrize("row", GO["constraints"], ids=lambda row: repr(row["constraint"]))
def test_constraints_mean_what_they_mean_in_go(row):
    if "error" in row:
        with pytest.raises(BadConstraint):
            Constraint(row["constraint"])
        return
    constraint = Constraint(row["constraint"])
    versions = {text: parse_version(text) for text in GO["versions"]}
    assert [text for text, version in versions.items() if version and constraint.matches(version)] == row["matches"]


def test_the_same_texts_are_versions():
    assert [text for text in GO["versions"] if parse_version(text) is None] == GO["invalid"]


def test_the_same_order():
    order = sorted(GO["sorted"], key=functools.cmp_to_key(lambda a, b: parse_version(a).compare(parse_version(b))))
    assert order == GO["sorted"]


@pytest.mark.parametrize(
    ("constraint", "names", "highest"),
    [
        pytest.param(">=1.0", ["v1.0.0", "1.10.0", "1.9.0", "main"], ["1.10.0"], id="numbers, not text"),
        pytest.param("*", ["1.0.0", "2.0.0-rc.1"], ["1.0.0"], id="no pre-release unless asked for"),
        pytest.param(">=1.0.0-0", ["1.0.0", "2.0.0-rc.1"], ["2.0.0-rc.1"], id="pre-releases when asked for"),
        pytest.param("1.x", ["1.0.0+a", "v1.0.0+b", "0.9.0"], ["1.0.0+a", "v1.0.0+b"], id="build metadata ties"),
        pytest.param("1.x", ["1.0", "1", "2.0.0"], [], id="incomplete tags are no versions"),
        pytest.param("<1", ["x", ""], [], id="nothing"),
    ],
)
def test_highest(constraint, names, highest):
    assert Constraint(constraint).highest(names) == highest


@pytest.mark.parametrize("text", ["1 " * 300, " || ".join(["1"] * 33)])
def test_limits(text):
    with pytest.raises(BadConstraint, match="too"):
        Constraint(text)
