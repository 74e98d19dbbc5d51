"""``python -m bench``: measure, print the table, end everything that was started."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.phases import Bench
from bench.site import Site
from hub.errors import HubError

if TYPE_CHECKING:
    from bench.report import Report


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-n", "--releases", default=100, show_default=True, type=click.IntRange(min=2), help="How many releases.")
@click.option("-m", "--members", default=2, show_default=True, type=click.IntRange(min=1), help="On how many members.")
@click.option(
    "--steady", default=30.0, show_default=True, type=float, help="Seconds of doing nothing that are measured."
)
@click.option("--dir", "clusters", type=click.Path(path_type=Path), help="Clusters that stay. Default: new ones.")
@click.option("--scale", is_flag=True, help="Members that share one etcd, and fewer phases: for many of both.")
@click.option("--json", "document", type=click.Path(path_type=Path), help="Write the figures to this file too.")
def main(
    releases: int, members: int, steady: float, clusters: Path | None, document: Path | None, *, scale: bool
) -> None:
    """Measure how fast one commit reaches many releases, and what it costs. Exit code 1: something went wrong."""
    if scale and clusters is not None:
        raise click.UsageError("--scale makes its own clusters: leave --dir away")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: everything down
    try:
        report = asyncio.run(_measure(releases, members, steady, clusters, scale=scale))
    except (HubError, OSError, TimeoutError) as error:
        click.echo(f"✗ {error or 'it takes too long'}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("✗ interrupted", err=True)
        sys.exit(130)
    click.echo(report.table())
    if document is not None:
        document.write_text(json.dumps(report.document(), indent=1) + "\n")
    sys.exit(bool(report.wrong))


async def _measure(releases: int, members: int, steady: float, clusters: Path | None, *, scale: bool) -> Report:
    async with Site(members, clusters, _say, herd=scale) as site, asyncio.timeout(600.0 + steady + 10.0 * releases):
        bench = Bench(site, releases, steady, _say)
        try:
            await (bench.measure_scale() if scale else bench.measure())
        except BaseException:
            _say(bench.report.table())  # what is known already took its time
            raise
        return bench.report


def _say(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
