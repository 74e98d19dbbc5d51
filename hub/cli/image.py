"""``hubctl image``: what image automation would do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from hub.cli.command import ExampleCommand
from hub.cli.lazy import SuggestingGroup
from hub.cli.scope import Cluster, Scope, connect, scope_options

if TYPE_CHECKING:
    from hub.images.commit import Outcome


@click.group(cls=SuggestingGroup)
def image() -> None:
    """Look ahead at what image automation does."""


@image.command(cls=ExampleCommand, examples=(("image preview app", "What would be committed, as a diff."),))
@click.argument("name")
@scope_options()
def preview(name: str, scope: Scope) -> None:
    """
    Show the commit that an ImageUpdateAutomation would make now, as a diff. Nothing is pushed.

    The repository is read with the credentials of its GitRepository, so you need to be allowed to read its Secret.
    """
    asyncio.run(_preview(name, scope))


async def _preview(name: str, scope: Scope) -> None:
    async with connect(scope) as cluster:
        outcome = await _outcome(cluster, name)
    for problem in outcome.edits.problems:
        click.echo(f"! {problem}", err=True)
    for place, policy in outcome.edits.unknown:
        click.echo(f"! {place}: no image from ImagePolicy '{policy.replace(':', '/')}'", err=True)
    if not outcome.edits.files:
        click.echo(f"nothing to update at {outcome.revision}")
        return
    click.echo(f"would push to branch '{outcome.branch}', on top of {outcome.revision}:\n")
    for line in outcome.message.rstrip("\n").split("\n"):
        click.echo(f"    {line}".rstrip())
    click.echo("")
    click.echo(diff_of(outcome), nl=False)


async def _outcome(cluster: Cluster, name: str) -> Outcome:
    """Run the automation up to the commit, in a folder that goes away."""
    import tempfile
    from dataclasses import replace
    from pathlib import Path

    from hub.api.image import ImagePolicy, ImageUpdateAutomation
    from hub.api.source import GitRepository
    from hub.cli.objects import read
    from hub.content.gitcache import GitCache
    from hub.content.gitwrite import GitWriter
    from hub.images.automation import chosen_policies, prepare
    from hub.images.commit import Committer
    from hub.images.repository import Repositories
    from hub.runtime.access import Access
    from hub.runtime.cache import Cache
    from hub.runtime.secrets import SecretReader

    client, namespace = cluster.client, cluster.namespace or "default"
    automation = ImageUpdateAutomation.parse(await read(cluster, ImageUpdateAutomation.KIND, name))
    listed = await client.list(ImagePolicy.KIND.api, namespace)
    policies = chosen_policies([ImagePolicy.parse(one) for one in listed.items], automation)
    cache, ref = Cache(), automation.spec.source_ref
    cache.put(await read(replace(cluster, namespace=ref.namespace or namespace), GitRepository.KIND, ref.name))
    with tempfile.TemporaryDirectory(prefix="hubctl-") as folder:
        git = GitCache(Path(folder))
        try:
            remote, order = await prepare(Repositories(cache, SecretReader(client), Access()), automation, policies)
            return await Committer(git, GitWriter(git)).preview(remote, order)
        finally:
            git.close()


def diff_of(outcome: Outcome) -> str:
    """Return what would change, as ``git diff`` shows it."""
    import difflib

    out: list[str] = []
    for file, after in outcome.edits.files.items():
        texts = (outcome.edits.before[file.path].decode(), after.decode())
        before_lines, after_lines = (text.splitlines(keepends=True) for text in texts)
        out += difflib.unified_diff(before_lines, after_lines, f"a/{file.path}", f"b/{file.path}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in out)
