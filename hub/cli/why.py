"""``hubctl why``: follow a release from its source to its Pods, and stop at the first thing that is wrong."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from hub.cli.command import ExampleCommand, words_argument
from hub.cli.scope import Scope, connect, scope_options

if TYPE_CHECKING:
    from hub.cli.chain import Finding

_INDENT = 10


@click.command(
    cls=ExampleCommand,
    examples=(
        ("why hr web", "Source, chart, values, member, release, objects, Pods: what is wrong first."),
        ("why hr/web -n apps", "In another namespace."),
    ),
)
@words_argument("hr NAME")
@scope_options()
def why(words: tuple[str, ...], scope: Scope) -> None:
    """
    Tell what is wrong with a release, and the way out.

    Follows the release from its source over chart, values, member and objects to the Pods, and stops at the first
    thing that is wrong.
    """
    from hub.cli.releases import named

    asyncio.run(_why(scope, named(words)))


async def _why(scope: Scope, name: str) -> None:
    from hub.cli.chain import Chain
    from hub.cli.output import write_lines
    from hub.cli.releases import load, reaching
    from hub.cli.say import Say

    async with connect(scope) as cluster:
        release = await load(cluster, name)
        async with reaching(cluster) as pool, Say().busy("following the release"):
            findings = [finding async for finding in Chain(cluster, pool, release).follow()]
    write_lines([line for finding in findings for line in lines_of(finding)])


def lines_of(finding: Finding) -> list[str]:
    """Return a finding as lines: a glyph, the step, what was found; what is wrong is wrapped and has its way out."""
    import textwrap

    from hub.cli.output import styled, terminal_width

    glyph, colour = {"good": ("✔", "green"), "note": ("⚠", "yellow"), "bad": ("✗", "red")}[finding.verdict]
    width = terminal_width()
    text = " ".join(finding.text.split())
    room = max(40, width - _INDENT - 2) if width else 10**6
    first, *more = textwrap.wrap(text, room, break_on_hyphens=False) or [""]
    indent = " " * (_INDENT + 2)
    lines = [f"{styled(glyph, fg=colour)} {finding.step.ljust(_INDENT)}{first}", *(indent + line for line in more)]
    if finding.way_out:
        wrapped = textwrap.wrap(finding.way_out, room - 2, break_on_hyphens=False)
        lines += [f"{indent}{'→ ' if number == 0 else '  '}{line}" for number, line in enumerate(wrapped)]
    return lines
