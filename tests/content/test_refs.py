from __future__ import annotations

import pytest

from hub.content.refs import GitRef, RefError, commit_of, summary

A, B, C, D = (letter * 40 for letter in "abcd")
ADVERTISED = {
    "HEAD": A,
    "refs/heads/master": A,
    "refs/heads/feature/x": B,
    "refs/tags/v1.0.0": C,
    "refs/tags/v1.0.0^{}": A,
    "refs/tags/v1.1.0": B,
    "refs/tags/2.0.0-rc.1": D,
    "refs/pull/420/head": D,
}


@pytest.mark.parametrize(
    ("ref", "revision", "fetched"),
    [
        pytest.param(GitRef(), f"master@sha1:{A}", "refs/heads/master", id="nothing is master"),
        pytest.param(
            GitRef(branch="feature/x"), f"feature/x@sha1:{B}", "refs/heads/feature/x", id="branch with a slash"
        ),
        pytest.param(GitRef(tag="v1.1.0"), f"v1.1.0@sha1:{B}", "refs/tags/v1.1.0", id="light tag"),
        pytest.param(GitRef(tag="v1.0.0"), f"v1.0.0@sha1:{A}", "refs/tags/v1.0.0", id="annotated tag is its commit"),
        pytest.param(GitRef(semver=">=1.0.0"), f"v1.1.0@sha1:{B}", "refs/tags/v1.1.0", id="highest tag"),
        pytest.param(GitRef(semver=">=1.0.0-0"), f"2.0.0-rc.1@sha1:{D}", "refs/tags/2.0.0-rc.1", id="pre-releases"),
        pytest.param(GitRef(semver="~1.0"), f"v1.0.0@sha1:{A}", "refs/tags/v1.0.0", id="highest tag, annotated"),
        pytest.param(
            GitRef(name="refs/pull/420/head"), f"refs/pull/420/head@sha1:{D}", "refs/pull/420/head", id="name"
        ),
        pytest.param(GitRef(commit=C), f"sha1:{C}", "", id="commit"),
        pytest.param(GitRef(commit=C, branch="main"), f"main@sha1:{C}", "", id="commit of a branch"),
        pytest.param(
            GitRef("b", "v1.1.0", "1.x", "refs/heads/master", C), f"b@sha1:{C}", "", id="commit wins over everything"
        ),
        pytest.param(
            GitRef("b", "v1.1.0", "1.x", "refs/heads/master"),
            f"refs/heads/master@sha1:{A}",
            "refs/heads/master",
            id="then the name",
        ),
        pytest.param(GitRef("b", "v1.0.0", "1.x"), f"v1.0.0@sha1:{A}", "refs/tags/v1.0.0", id="then the tag"),
        pytest.param(GitRef("b", "", "1.0.x"), f"v1.0.0@sha1:{A}", "refs/tags/v1.0.0", id="then semver"),
    ],
)
def test_choose(ref, revision, fetched):
    ref.patterns()
    (head,) = ref.choose(ADVERTISED)
    assert (head.revision, head.ref) == (revision, fetched)
    assert commit_of(revision) == head.commit


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        pytest.param(GitRef(branch="nope"), "couldn't find remote ref 'refs/heads/nope'", id="branch missing"),
        pytest.param(GitRef(tag="nope"), "couldn't find remote ref 'refs/tags/nope'", id="tag missing"),
        pytest.param(GitRef(semver=">9"), "no match found for semver: >9", id="no version within"),
        pytest.param(GitRef(semver="what"), 'semver parse error: improper constraint: "what"', id="bad range"),
        pytest.param(GitRef(commit="abc"), "invalid commit 'abc': 40 hex digits are expected", id="short commit"),
        pytest.param(GitRef(name="refs/heads/a:refs/heads/b"), "invalid reference name", id="refspec"),
        pytest.param(GitRef(name="--upload-pack=x"), "invalid reference name", id="option"),
        pytest.param(GitRef(branch="a..b"), "invalid reference name", id="range"),
        pytest.param(GitRef(branch="*"), "invalid reference name", id="pattern"),
        pytest.param(GitRef(branch="a\nb"), "invalid reference name", id="line feed"),
    ],
)
def test_bad_references(ref, message):
    def ask():
        ref.patterns()
        ref.choose(ADVERTISED)

    with pytest.raises(RefError) as caught:
        ask()
    assert str(caught.value).startswith(message)


def test_tags_that_tie_are_all_given():
    heads = GitRef(semver="1.x").choose({"refs/tags/1.0.0+a": A, "refs/tags/v1.0.0+b": B, "refs/tags/0.1.0": C})
    assert {head.label for head in heads} == {"1.0.0+a", "v1.0.0+b"}


@pytest.mark.parametrize(
    ("revision", "commit"),
    [
        (f"master@sha1:{A}", A),
        (f"sha1:{A}", A),
        (f"master/{A}", A),
        (f"feature/x/{A}", A),
        (A, A),
        ("6.0.3+1", ""),
        ("", ""),
        (f"master@sha256:{A}{A}", ""),
    ],
)
def test_commit_of(revision, commit):
    assert commit_of(revision) == commit


@pytest.mark.parametrize(
    ("message", "line"),
    [
        pytest.param("Fix it\n\nBecause.", "Fix it", id="first line"),
        pytest.param("\n\n  Late start\n", "Late start", id="leading blank lines"),
        pytest.param("x" * 50, "x" * 50, id="50 fit"),
        pytest.param("é" * 51, "é" * 50 + "...", id="51 do not"),
        pytest.param("", "", id="none"),
    ],
)
def test_summary(message, line):
    assert summary(message) == line
