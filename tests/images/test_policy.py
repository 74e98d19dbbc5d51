# ruff: noqa: E501  rows are read as lines
"""Which tag is the latest."""

from __future__ import annotations

import pytest

from hub.api.image import ImagePolicyChoice, TagFilter
from hub.images.policy import InvalidPolicyError, NoLatestError, excluded, latest

SEED = {"pattern": r"^main-[a-fA-F0-9]+-(?P<ts>.*)", "extract": "$ts"}
BUILDS = ["main-25de3e1a-1695469144", "main-e21d5f90-1695526572", "main-0a-9", "dev-ab-9999999999", "d3fc3d5"]
VERSIONS = ["1.0.0", "v1.0.1", "1.1.0-rc.1", "1.1.0", "2.0.0-alpha", "latest", "1.0", "0.9.9", "01.2.3"]


def semver(range_):
    return {"semver": {"range": range_}}


def order(kind, way="asc"):
    return {kind: {"order": way}}


@pytest.mark.parametrize(
    ("tags", "policy", "filter_", "want"),
    [
        pytest.param(VERSIONS, semver(">=1.0.0"), None, "1.1.0", id="seed: latest stable"),
        pytest.param(VERSIONS, semver(">=1.0.0 <2.0.0"), None, "1.1.0", id="seed: latest of 1.x"),
        pytest.param(VERSIONS, semver(">=1.0.0-0"), None, "2.0.0-alpha", id="seed: pre-releases too"),
        pytest.param(VERSIONS, semver("1.0.x"), None, "v1.0.1", id="seed: latest patch, with a v"),
        pytest.param(VERSIONS, semver("^0.9"), None, "0.9.9", id="caret"),
        pytest.param(["1.0.0+b", "1.0.0+a"], semver("*"), None, "1.0.0+b", id="equal but for the build"),
        pytest.param(BUILDS, order("numerical"), SEED, "main-e21d5f90-1695526572", id="seed: newest build of main"),
        pytest.param(BUILDS, order("numerical", "desc"), SEED, "main-0a-9", id="oldest build"),
        pytest.param(BUILDS, order("alphabetical"), SEED, "main-0a-9", id="alphabet over what is extracted"),
        pytest.param(["10", "9", "1e3", "-2.5"], order("numerical"), None, "1e3", id="numbers"),
        pytest.param(["a", "c", "b"], order("alphabetical"), None, "c", id="alphabet"),
        pytest.param(["a", "c", "b"], order("alphabetical", "desc"), None, "a", id="alphabet backwards"),
        pytest.param(["a", "c", "b"], order("alphabetical", "DESC"), None, "a", id="order in any case"),
        pytest.param(["x-1", "y-2"], order("alphabetical"), {"pattern": "^x"}, "x-1", id="filter without extract"),
        pytest.param(
            ["r1.2.3-b7", "r1.3.0-b1"],
            semver("1.2.x"),
            {"pattern": r"^r(\d+)\.(\d+)\.(\d+)-b\d+$", "extract": "${1}.$2.${3}"},
            "r1.2.3-b7",
            id="groups by number",
        ),
        pytest.param(["1.0.0", "2"], semver("*") | order("alphabetical"), None, "1.0.0", id="semver wins"),
    ],
)
def test_latest(tags, policy, filter_, want):
    choice = ImagePolicyChoice.parse(policy)
    for shown in (tags, tags[::-1]):
        assert latest(shown, choice, TagFilter.parse(filter_) if filter_ else None) == want


@pytest.mark.parametrize(
    ("tags", "policy", "filter_", "error", "message"),
    [
        pytest.param(
            ["x"], semver(">=1"), None, NoLatestError,
            "unable to determine latest version from provided list: none of 1 tag is a version within '>=1'",
            id="no version",
        ),
        pytest.param(["1.0.0"], semver("~~1"), None, InvalidPolicyError, 'invalid policy: improper constraint: "~~1"', id="bad range"),
        pytest.param(
            BUILDS, order("numerical"), {"pattern": "^prod-"}, NoLatestError,
            "version list argument cannot be empty: filterTags.pattern '^prod-' matches none of 5 tags", id="nothing matches",
        ),
        pytest.param([], semver("*"), None, NoLatestError, "version list argument cannot be empty", id="no tags"),
        pytest.param(["1", "x"], order("numerical"), None, NoLatestError, "failed to parse invalid numeric value 'x'", id="no number"),
        pytest.param(["nan"], order("numerical"), None, NoLatestError, "failed to parse invalid numeric value 'nan'", id="nan"),
        pytest.param(
            ["1"], order("numerical"), {"pattern": "("}, InvalidPolicyError,
            "failed to filter tags: invalid regular expression pattern: error parsing regexp: missing )", id="bad expression",
        ),
        pytest.param(
            ["1"], order("numerical"), {"pattern": r"(?=a)"}, InvalidPolicyError, "failed to filter tags", id="look-ahead is not RE2",
        ),
        pytest.param(["1"], {}, None, InvalidPolicyError, "one of semver, alphabetical and numerical is needed", id="no policy"),
    ],
)  # fmt: skip
def test_no_latest(tags, policy, filter_, error, message):
    with pytest.raises(error) as caught:
        latest(tags, ImagePolicyChoice.parse(policy), TagFilter.parse(filter_) if filter_ else None)
    assert message in str(caught.value)


def test_an_evil_expression_takes_no_time():
    """What takes a backtracking engine longer than the age of the universe."""
    with pytest.raises(NoLatestError):
        latest(["a" * 128], ImagePolicyChoice.parse(order("alphabetical")), TagFilter(pattern="(a*)*(a*)*(a*)*b$"))


@pytest.mark.parametrize(
    ("patterns", "want"),
    [
        pytest.param([r"^.*\.sig$"], ["1.0", "sha256-a"], id="default"),
        pytest.param([], ["1.0", "sha256-a", "sha256-a.sig"], id="none"),
        pytest.param(["a", "z"], ["1.0"], id="anywhere, any of them"),
    ],
)
def test_excluded(patterns, want):
    assert excluded(["sha256-a.sig", "sha256-a", "1.0"], patterns) == want


def test_excluded_refuses_what_is_no_expression():
    with pytest.raises(InvalidPolicyError, match="failed to compile exclusion list"):
        excluded([], ["["])
