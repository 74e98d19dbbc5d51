"""``hubctl diff``: what an upgrade would change on each member, before it happens."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli.command import ExampleCommand, words_argument
from hub.cli.scope import Scope, connect, scope_options

if TYPE_CHECKING:
    from hub.api.helm import HelmRelease
    from hub.cli.proposal import Elsewhere, Proposals
    from hub.cli.workbench import Workbench
    from hub.release.preview import Effect

_AT_ONCE = 4
SAME, DIFFERENT, TROUBLE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    What would happen to one release.

    Attributes:
        title: Which release, on which member, from which chart to which.
        error: Why that cannot be told; empty when it can.
    """

    member: str
    title: str
    effects: tuple[Effect, ...] = ()
    error: str = ""


class DiffCommand(ExampleCommand):
    """A command whose every failure ends with 2, so that 1 always means "different"."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        from hub.cli.failures import Failed, explain

        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.UsageError, KeyboardInterrupt, OSError):
            raise
        except click.ClickException as error:
            raise Failed(error.format_message(), TROUBLE) from error
        except Exception as error:
            sentence = explain(error)
            if sentence is None:
                raise
            raise Failed(sentence, TROUBLE) from error


@click.command(
    cls=DiffCommand,
    examples=(
        ("diff hr web", "What the chart and values that the hub has now would change."),
        ("diff hr --all --revision 3f1c0a...", "What a commit would change, on every member."),
        ("diff hr --all --path .", "What the files here would change, before they are pushed."),
    ),
)
@words_argument("hr [NAME]")
@click.option("--all", "every", is_flag=True, help="All releases of the namespace; with -A of all namespaces.")
@click.option("--revision", metavar="COMMIT", default="", help="Commit, branch or tag of the chart's Git repository.")
@click.option(
    "--path",
    "folder",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder that stands for the chart's Git repository.",
)
@click.option("--artifacts", metavar="URL", default="", help="Where the hub's artifacts can be fetched from here.")
@scope_options(everywhere=True)
def diff(
    words: tuple[str, ...], scope: Scope, *, every: bool, revision: str, folder: Path | None, artifacts: str
) -> None:
    """
    Show what an upgrade would change on each member, before it happens.

    The chart is rendered by helm and tried against the real member as a dry run: created (+), changed (~), deleted (-)
    and refused (!) objects. What Secrets hold is hidden. Hooks and the chart's crds folder are left out.

    Exit code 0: nothing would change; 1: something would; 2: that cannot be told, or the member refuses it.
    """
    from hub.cli.failures import BadInput
    from hub.cli.proposal import Elsewhere
    from hub.cli.releases import named

    if revision and folder:
        raise click.UsageError("either --revision or --path, not both")
    if folder and not folder.is_dir():
        raise BadInput(f"--path {folder} is not a folder")
    if scope.everywhere and not every:
        raise click.UsageError("-A is for --all; a name is looked up in one namespace")
    name = "" if every else named(words)
    if every:
        _require_no_name(words)
    elsewhere = Elsewhere(revision, folder) if revision or folder else None
    raise SystemExit(asyncio.run(_diff(scope, name, elsewhere, artifacts)))


def _require_no_name(words: tuple[str, ...]) -> None:
    from hub.api.helm import HelmRelease
    from hub.cli.kinds import one_kind

    kind, _ = one_kind(words, every=True)
    if kind is not HelmRelease.KIND:
        raise click.UsageError(f"this is for HelmReleases; a {kind.name} has no release: say hr")


async def _diff(scope: Scope, name: str, elsewhere: Elsewhere | None, artifacts: str) -> int:
    from hub.api.helm import HelmRelease
    from hub.cli.failures import Failed
    from hub.cli.objects import read
    from hub.cli.output import write_lines
    from hub.cli.proposal import Proposals
    from hub.cli.say import Say
    from hub.cli.workbench import workbench

    say = Say()
    async with connect(scope) as cluster:
        if name:
            found = [await read(cluster, HelmRelease.KIND, name)]
        else:
            found = (await cluster.client.list(HelmRelease.KIND.api, cluster.namespace)).items
        if not found:
            raise Failed(f"no HelmRelease objects found in {cluster.where}", TROUBLE)
        async with workbench(cluster, artifacts) as bench, say.busy(f"comparing {len(found)} releases"):
            proposals, gate = Proposals(bench, elsewhere), asyncio.Semaphore(_AT_ONCE)
            compared = await asyncio.gather(*(_compare(bench, proposals, raw, gate) for raw in found))
    write_lines(report(compared))
    for one in compared:
        if one.error:
            say.failure(f"{one.title}: {one.error}")
    return verdict(compared)


async def _compare(bench: Workbench, proposals: Proposals, raw: dict[str, Any], gate: asyncio.Semaphore) -> Comparison:
    from hub.api.helm import HelmRelease
    from hub.cli.releases import member_name
    from hub.content.values import ValuesError
    from hub.errors import HubError

    release = HelmRelease.parse(raw)
    member = member_name(release)
    title = f"HelmRelease {release.metadata.namespace}/{release.metadata.name} on member {member}"
    try:
        async with gate:
            return await _effects(bench, proposals, release, raw, title)
    except (HubError, ValuesError, ValueError) as error:
        return Comparison(member, title, error=" ".join(str(error).split()))


async def _effects(
    bench: Workbench, proposals: Proposals, release: HelmRelease, raw: dict[str, Any], title: str
) -> Comparison:
    from hub.cli.releases import member_name, member_of
    from hub.cli.rendering import render, stored_of
    from hub.release.actions import stamp_of
    from hub.release.names import target_of
    from hub.release.preview import Preview

    proposal = await proposals.of(release, raw)
    stored = await stored_of(bench, release)
    rendered = await render(bench, release, proposal, stored)
    member = await member_of(bench.pool, release)
    preview = Preview(member, member.mapper, target_of(release), stamp_of(release))
    effects = await preview.of(rendered, stored.manifest if stored else "")
    before = stored.chart if stored else "nothing"
    arrow = f"{before} → {proposal.name}@{proposal.version}"
    return Comparison(member_name(release), f"{title}: {arrow}", tuple(effects))


def report(compared: list[Comparison]) -> list[str]:
    """Return each release that changes, then one line for each member."""
    from hub.cli.differences import counted, lines_of
    from hub.cli.output import styled

    lines = []
    for one in compared:
        if one.effects:
            lines += [styled(one.title, bold=True), *lines_of(one.effects), ""]
    for member in sorted({one.member for one in compared}):
        own = [one for one in compared if one.member == member]
        changing = sum(bool(one.effects) for one in own)
        failing = sum(bool(one.error) for one in own)
        trouble = f", {failing} cannot be told" if failing else ""
        effects = [effect for one in own for effect in one.effects]
        lines.append(f"member {member}: {changing} of {_plural(len(own))} would change{trouble}; {counted(effects)}")
    return lines


def _plural(count: int) -> str:
    return f"{count} release{'' if count == 1 else 's'}"


def verdict(compared: list[Comparison]) -> int:
    """Return the exit code."""
    if any(one.error or any(effect.problem for effect in one.effects) for one in compared):
        return TROUBLE
    return DIFFERENT if any(one.effects for one in compared) else SAME
