"""``hubctl history``: the revisions of a release, as Helm keeps them on its member."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from hub.cli.command import ExampleCommand, words_argument
from hub.cli.output import form_option
from hub.cli.scope import Scope, connect, scope_options

if TYPE_CHECKING:
    from hub.api.helm import HelmRelease, Snapshot
    from hub.cli.scope import Cluster
    from hub.release.storage import StoredRelease

_HEADER = ["REVISION", "UPDATED", "STATUS", "CHART", "APP VERSION", "DESCRIPTION"]


class Revision(NamedTuple):
    """One revision, in words."""

    revision: int
    updated: str
    status: str
    chart: str
    app_version: str
    description: str


@click.command(
    cls=ExampleCommand,
    examples=(
        ("history hr web", "Every revision that Helm keeps of the release, newest first."),
        ("history hr/web -o json", "For programs."),
    ),
)
@words_argument("hr NAME")
@form_option
@scope_options()
def history(words: tuple[str, ...], scope: Scope, *, form: str) -> None:
    """
    List the revisions of a release, as its member has them.

    When the member does not answer, what the hub itself remembers is shown.
    """
    from hub.cli.releases import named

    asyncio.run(_history(scope, named(words), form))


async def _history(scope: Scope, name: str, form: str) -> None:
    from hub.cli.failures import Failed
    from hub.cli.output import write_document, write_table
    from hub.cli.releases import load
    from hub.cli.rows import age
    from hub.cli.say import Say

    say = Say()
    async with connect(scope) as cluster, say.busy("asking the member"):
        release = await load(cluster, name)
        found = await _revisions(cluster, release, say)
    if not found:
        raise Failed(f"HelmRelease {cluster.namespace}/{name} has no revisions yet; 'hubctl why hr {name}' tells why")
    if form != "table":
        write_document(form, [{_camel(key): value for key, value in one._asdict().items()} for one in found])
        return
    now = datetime.now(UTC)
    rows = [
        [str(one.revision), age(one.updated, now), one.status, one.chart, one.app_version, one.description]
        for one in found
    ]
    write_table(_HEADER, rows)


async def _revisions(cluster: Cluster, release: HelmRelease, say: Any) -> list[Revision]:
    from hub.cli.releases import member_name, member_of, reaching, revisions, where
    from hub.errors import HubError

    try:
        async with reaching(cluster) as pool:
            member = await member_of(pool, release)
            return [_of_stored(one) for one in await revisions(member, where(release))]
    except HubError as error:
        say.warning(f"member {member_name(release)}: {error.message}; shown is what the hub remembers")
        return [_of_snapshot(one) for one in release.status.history]


def _of_stored(one: StoredRelease) -> Revision:
    from hub.release.history import snapshot

    updated = snapshot(one).last_deployed
    return Revision(one.version, updated, one.status, one.chart, one.app_version, one.description)


def _of_snapshot(one: Snapshot) -> Revision:
    from hub.release.history import chart_of

    return Revision(one.version, one.last_deployed, one.status, chart_of(one), one.app_version, one.action)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
