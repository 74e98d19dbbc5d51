"""``hubctl completion``: what a shell needs to complete commands, kinds and names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hub.cli.command import ExampleCommand

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from hub.cli.scope import Scope

_PATIENCE = 2.0  # seconds that a person at the Tab key waits gladly


@click.command(
    cls=ExampleCommand,
    examples=(
        ("completion bash > /etc/bash_completion.d/hubctl", "bash, for everybody."),
        ('completion zsh > "${fpath[1]}/_hubctl"', "zsh."),
        ("completion fish > ~/.config/fish/completions/hubctl.fish", "fish."),
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    from hub.cli.main import hubctl
    from hub.cli.output import write_lines

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"there is no completion for '{shell}'")
    write_lines([found(hubctl, {}, "hubctl", "_HUBCTL_COMPLETE").source().rstrip()])


def complete_words(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete kinds, then the names of that kind's objects; silent when the cluster cannot say."""
    from click.shell_completion import CompletionItem

    before = list(ctx.params.get("words") or ())
    return [CompletionItem(word) for word in _candidates(ctx, before, incomplete) if word.startswith(incomplete)]


def _candidates(ctx: click.Context, before: list[str], incomplete: str) -> list[str]:
    from hub.api.kinds import KINDS, kind_named

    words = [*before, *([incomplete.partition("/")[0]] if "/" in incomplete else [])]
    for count in (2, 1):
        if len(words) < count:
            continue
        try:
            kind = kind_named(" ".join(words[:count]))
        except LookupError:
            continue
        names = _names(ctx, kind)
        return [f"{words[0]}/{name}" for name in names] if "/" in incomplete else names
    if before:
        return [name.partition(" ")[2] for kind in KINDS for name in kind.names if name.startswith(f"{before[0]} ")]
    return sorted({word.partition(" ")[0] for kind in KINDS for word in (*kind.names, *kind.short_names)})


def _names(ctx: click.Context, kind: Any) -> list[str]:
    import asyncio

    from hub.cli.scope import Scope, connect
    from hub.errors import HubError
    from hub.kube.config import BadKubeconfig

    scope = Scope(
        namespace=_given(ctx, "namespace"), kubeconfig=_given(ctx, "kubeconfig"), context=_given(ctx, "kube_context")
    )

    async def ask(scope: Scope) -> list[str]:
        async with asyncio.timeout(_PATIENCE), connect(scope) as cluster:
            listed = await cluster.client.list(kind.api, cluster.namespace, metadata_only=True)
        return sorted(raw["metadata"]["name"] for raw in listed.items)

    try:
        return asyncio.run(ask(scope))
    except (HubError, BadKubeconfig, TimeoutError, OSError):
        return []


def _given(ctx: click.Context | None, name: str) -> str | None:
    """Return an option of the verb, else of the program before it."""
    while ctx is not None:
        if value := ctx.params.get(name):
            return str(value)
        ctx = ctx.parent
    return None
