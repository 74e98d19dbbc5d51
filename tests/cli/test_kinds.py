import click
import pytest

from hub.api.registry import KINDS
from hub.cli.failures import BadInput
from hub.cli.kinds import one_kind, select

SOURCES = ", ".join(kind.names[0] for kind in KINDS if kind.names[0].startswith("source "))
KNOWN = ", ".join(kind.names[0] if " " in kind.names[0] else (kind.short_names or kind.names)[0] for kind in KINDS)


@pytest.mark.parametrize(
    ("words", "kinds", "names"),
    [
        pytest.param(["hr"], ["HelmRelease"], (), id="short name"),
        pytest.param(["helmreleases", "a", "b", "a"], ["HelmRelease"], ("a", "b"), id="names, each once"),
        pytest.param(["HelmRelease", "a"], ["HelmRelease"], ("a",), id="the word in kind:"),
        pytest.param(["source", "git", "repo"], ["GitRepository"], ("repo",), id="two words"),
        pytest.param(["sources", "chart"], ["HelmChart"], (), id="plural"),
        pytest.param(["hr/a"], ["HelmRelease"], ("a",), id="kind/name"),
        pytest.param(["gitrepositories.source.toolkit.fluxcd.io"], ["GitRepository"], (), id="with its group"),
        pytest.param(
            ["sources", "all"],
            [kind.name for kind in KINDS if kind.api.group.startswith("source.")],
            (),
            id="all sources",
        ),
        pytest.param(["all"], [kind.name for kind in KINDS], (), id="everything"),
    ],
)
def test_select(words, kinds, names):
    selection = select(words, several=True)
    assert [kind.name for kind in selection.kinds] == kinds
    assert selection.names == names


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param([], f"which kind? One of: {KNOWN}, sources all, all", id="nothing"),
        pytest.param(["helmrelase"], "unknown kind 'helmrelase'; did you mean 'helmrelease'?", id="typo"),
        pytest.param(["source", "gti"], f"there is no source 'gti' One of: {SOURCES}", id="unknown source"),
        pytest.param(["sources"], f"which source? One of: {SOURCES}", id="source of what"),
        pytest.param(["xyzzy"], f"unknown kind 'xyzzy'; known are: {KNOWN}", id="nothing like it"),
        pytest.param(["all", "a"], "'a' is a name, and a name needs one kind instead of 'all'", id="all with a name"),
    ],
)
def test_select_refuses(words, message):
    with pytest.raises(click.ClickException) as caught:
        select(words, several=True)
    assert caught.value.message == message


def test_all_is_only_for_verbs_that_list():
    with pytest.raises(BadInput, match="unknown kind 'all'"):
        select(["all"])


@pytest.mark.parametrize(
    ("words", "every", "message"),
    [
        pytest.param(["hr"], False, "which HelmRelease?", id="no name"),
        pytest.param(["hr", "a"], True, "either names or --all", id="both"),
    ],
)
def test_one_kind_refuses(words, every, message):
    with pytest.raises(click.UsageError, match=message):
        one_kind(words, every=every)
