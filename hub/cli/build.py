"""``hubctl build``: what the hub would make of a folder or of a release, on this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from hub.cli.command import ExampleCommand
from hub.cli.lazy import SuggestingGroup
from hub.cli.scope import Scope, connect, scope_options


@click.group(cls=SuggestingGroup)
def build() -> None:
    """Build an artifact from a folder, or the manifests of a release."""


@build.command(
    cls=ExampleCommand,
    examples=(("build artifact --path ./deploy --output artifact.tgz", "As the hub packs a commit."),),
)
@click.option("--path", "folder", type=click.Path(path_type=Path), required=True, help="Folder to pack.")
@click.option("--output", "-o", type=click.Path(path_type=Path), default=Path("artifact.tgz"), show_default=True)
@click.option("--ignore-paths", multiple=True, help="Paths to leave out, as in .gitignore. May be repeated.")
def artifact(folder: Path, output: Path, ignore_paths: tuple[str, ...]) -> None:
    """Pack a folder as the hub packs a commit."""
    from hub.cli.failures import BadInput
    from hub.cli.packing import pack
    from hub.cli.say import Say

    if not folder.is_dir():
        raise BadInput(f"{folder} is not a folder")
    say = Say()
    say.action(f"building artifact from {folder}")
    rules = "\n".join(line for one in ignore_paths for line in one.split(","))
    unfinished = output.with_name(f".{output.name}.part")  # Ctrl-C must not leave half a file under the name
    try:
        count = pack(folder, unfinished, rules)
        unfinished.replace(output)
    except OSError as error:
        raise BadInput(f"cannot build {output}: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    say.success(f"artifact created at {output}, {count} file{'' if count == 1 else 's'}")


@build.command(
    "helmrelease",
    cls=ExampleCommand,
    examples=(
        ("build helmrelease web", "What helm makes of chart and values; Secrets are hidden."),
        ("build helmrelease web --path .", "The same with the files here."),
    ),
)
@click.argument("name")
@click.option("--revision", metavar="COMMIT", default="", help="Commit, branch or tag of the chart's Git repository.")
@click.option("--path", "folder", type=click.Path(path_type=Path), default=None, help="Folder that stands for it.")
@click.option("--show-secrets", is_flag=True, help="Print what Secrets hold.")
@scope_options()
def release(name: str, scope: Scope, *, revision: str, folder: Path | None, show_secrets: bool) -> None:
    """Print the manifests that helm would apply to the member. Nothing is changed."""
    from hub.cli.proposal import Elsewhere

    if revision and folder:
        raise click.UsageError("either --revision or --path, not both")
    elsewhere = Elsewhere(revision, folder) if revision or folder else None
    asyncio.run(_release(scope, name, elsewhere, hide=not show_secrets))


async def _release(scope: Scope, name: str, elsewhere: Any, *, hide: bool) -> None:
    from hub.api.helm import HelmRelease
    from hub.cli.differences import hidden
    from hub.cli.document import text
    from hub.cli.objects import read
    from hub.cli.output import write_lines
    from hub.cli.proposal import Proposals
    from hub.cli.rendering import render, stored_of
    from hub.cli.workbench import workbench
    from hub.release import manifest

    async with connect(scope) as cluster:
        raw = await read(cluster, HelmRelease.KIND, name)
        found = HelmRelease.parse(raw)
        async with workbench(cluster) as bench:
            proposal = await Proposals(bench, elsewhere).of(found, raw)
            made = await render(bench, found, proposal, await stored_of(bench, found))
    objects = [hidden(one) if hide else one for one in manifest.objects(made)]
    write_lines([line for one in objects for line in ("---", text("yaml", one))])
