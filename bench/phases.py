"""What is measured, phase by phase. Each phase waits for the releases, then looks at the members themselves."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench import fleet, manifests
from bench.meter import Meter
from bench.process import BenchFailed, run
from bench.report import Report, Row
from bench.yardstick import Used, Yardstick
from hub.api.helm import HelmRelease
from hub.api.source import HelmChart

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.repository import Repository
    from bench.site import Site
    from hub.kube.client import Client

_API_SERVER = "kube-apiserver"
_ROUNDS = 5  # of what is over so soon that one look would be chance
_INTERVAL = 10.0  # seconds between reconciles when there is nothing to do; less where that is measured for less long


class Bench:
    """
    One run.

    Args:
        site: Where.
        count: How many releases.
        steady: Seconds in which nothing is done.
        say: Takes a line about what goes on.
    """

    def __init__(self, site: Site, count: int, steady: float, say: Callable[[str], None]) -> None:
        self._site = site
        self._count = count
        self._steady = steady
        self._say = say
        self._members = len(site.clusters)
        self._patience = 60.0 + 4.0 * count
        self._load = os.getloadavg()[0]
        self._rows: list[Row] = []
        self._wrong: list[str] = []
        self._app: Repository

    @property
    def report(self) -> Report:
        """What was measured so far."""
        return Report(self._count, self._members, os.cpu_count() or 1, self._load, self._rows, self._wrong)

    async def measure(self) -> None:
        """
        Run all phases.

        Raises:
            BenchFailed: A release did not get where it should.
        """
        self._app = await self._site.repository("app")
        await self._install()
        healthy = await self._push_to_all()
        await self._push_to_one()
        await self._push_to_pair()
        if self._members > 1:
            await self._push_past_hung(healthy)
        await self._do_nothing()
        await self._start_up()

    async def measure_scale(self) -> None:
        """
        Run what tells how it goes with many: install, push to all, past a hung member, nothing to do.

        Raises:
            BenchFailed: A release did not get where it should.
        """
        self._app = await self._site.repository("app")
        await self._install()
        meter, stamp, healthy = await self._push_common()
        limit = _memory_target(self._count)
        self._add(_row("push -> all", meter, target=f"<= {limit} MiB", reached=meter.peak <= limit))
        await self._expect_stamps("app", stamp, self._site.clients)
        await self._push_past_hung(healthy)
        await self._do_nothing()

    async def _install(self) -> None:
        names = self._names("app", self._count)
        async with self._meter() as meter:
            await self._apply("app", self._count)
            await self._site.fleet.until_past(dict.fromkeys(names, 0), self._patience)
            meter.lap()
        self._add(_row("install", meter))

    async def _push_to_all(self) -> float:
        """Return the seconds after which the releases of all members but the last were ready."""
        chart = await self._app.chart_for(self._site.folder / "yardstick")
        yardstick = Yardstick(
            self._site.helm, chart, self._site.kubeconfigs, f"{self._site.namespace}-yardstick", self._count
        )
        await yardstick.measure()  # installs
        first = await yardstick.measure()
        meter, stamp, healthy = await self._push_common()
        second = await yardstick.measure()
        bare = Used((first.seconds + second.seconds) / 2, (first.cpu + second.cpu) / 2)
        spread = (
            f"before {first.seconds:.1f} s and {first.cpu:.1f} CPU s, after {second.seconds:.1f} and {second.cpu:.1f}"
        )
        self._add(Row("yardstick: bare helm, 4 at a time", bare.seconds, bare.cpu, note=spread))
        by_seconds, by_cpu = meter.seconds / bare.seconds, meter.cpu / bare.cpu
        memory = _memory_target(self._count)
        self._add(
            _row(
                "push -> all",
                meter,
                ratio=f"{by_seconds:.2f} s, {by_cpu:.2f} CPU",
                target=f"<= 1.25 x yardstick, <= {memory} MiB",
                reached=by_seconds <= 1.25 and by_cpu <= 1.25 and meter.peak <= memory,
            )
        )
        await self._expect_stamps("app", stamp, self._site.clients)
        return healthy

    async def _push_common(self) -> tuple[Meter, str, float]:
        """Push a value of all; return what it took, its stamp, and the seconds until all but the last member had it."""
        before = self._site.fleet.revisions("app")
        async with self._meter() as meter:
            stamp = await self._app.push_common()
            await self._site.ask("app")
            moments = await self._site.fleet.until_past(before, self._patience)
            meter.lap()
        healthy = [moment for name, moment in moments.items() if not self._is_on_last(name)]
        return meter, stamp, max(healthy, default=meter.began) - meter.began

    async def _push_to_one(self) -> None:
        before = self._site.fleet.revisions("app")
        wanted = {name: revision for name, revision in before.items() if self._member(name) == 1}
        records = [await fleet.records(client, self._site.namespace) for client in self._site.clients[1:]]
        mark = self._site.hub.mark()
        async with self._meter() as meter:
            await self._app.push_member(1)
            await self._site.ask("app")
            await self._site.fleet.until_past(wanted, self._patience)
            meter.lap()
            await self._until_charts_seen()
        strays = [name for name in self._site.hub.helm_runs(mark) if self._member(name) != 1]
        others = [await fleet.records(client, self._site.namespace) for client in self._site.clients[1:]]
        if records != others:
            self._wrong.append("helm's records on the other members changed")
        self._add(
            _row(
                "one member's values pushed",
                meter,
                ratio=f"{len(strays)} helm",
                target="no helm for the others",
                reached=not strays,
            )
        )

    async def _push_to_pair(self) -> None:
        repository = await self._site.repository("pair")
        await self._apply("pair", 2)
        before = dict.fromkeys(self._names("pair", 2), 0)
        await self._site.fleet.until_past(before, self._patience)
        seconds = []
        async with self._meter() as meter:
            for _ in range(_ROUNDS):
                before, began = self._site.fleet.revisions("pair"), time.monotonic()
                stamp = await repository.push_common()
                await self._site.ask("pair")
                await self._site.fleet.until_past(before, self._patience)
                seconds.append(time.monotonic() - began)
                await self._expect_stamps("pair", stamp, self._site.clients[:2])
        median = statistics.median(seconds)
        self._add(
            Row(
                "2 releases, push -> both",
                median,
                meter.cpu / _ROUNDS,
                meter.peak,
                target="<= 0.6 s",
                reached=median <= 0.6,
                note=f"the median of {', '.join(f'{one:.2f}' for one in sorted(seconds))}",
            )
        )

    async def _push_past_hung(self, usual: float) -> None:
        before = self._site.fleet.revisions("app")
        healthy = {name: revision for name, revision in before.items() if not self._is_on_last(name)}
        sick = {name: revision for name, revision in before.items() if name not in healthy}
        cluster = self._site.clusters[-1]
        cluster.signal(signal.SIGSTOP, _API_SERVER)
        try:
            async with self._meter() as meter:
                stamp = await self._app.push_common()
                await self._site.ask("app")
                await self._site.fleet.until_past(healthy, self._patience)
                meter.lap()
        finally:
            cluster.signal(signal.SIGCONT, _API_SERVER)
        ratio = meter.seconds / usual
        work = f"1 of {self._members} members hangs: the healthy ones"
        target = f"<= 1.2 x {usual:.2f} s, none hung"
        self._add(_row(work, meter, ratio=f"{ratio:.2f} s", target=target, reached=ratio <= 1.2))
        async with self._meter() as meter:
            await self._site.fleet.until_past(sick, self._patience)
            meter.lap()
        self._add(_row("it is back: its releases", meter))
        await self._expect_stamps("app", stamp, self._site.clients)

    async def _do_nothing(self) -> None:
        await self._set_interval(min(_INTERVAL, self._steady / 3))
        mark = self._site.hub.mark()
        async with self._meter() as meter:
            await asyncio.sleep(self._steady)
            meter.lap()
        looks = len(self._site.hub.said("Release state", mark))
        if not looks:
            raise BenchFailed(f"no release was looked at within {self._steady:g} s")
        each = meter.cpu / looks * 1000
        runs = self._site.hub.helm_runs(mark)
        memory = ", ".join(f"{one:.0f}" for one in meter.course)
        self._add(
            _row(
                "nothing to do",
                meter,
                ratio=f"{each:.1f} ms each",
                target="<= 3 ms CPU, no helm",
                reached=each <= 3.0 and not runs,
                note=f"{looks} reconciles, {len(runs)} helm processes; MiB over time: {memory}",
            )
        )

    async def _start_up(self) -> None:
        hubctl = str(Path(sys.executable).parent / "hubctl")
        commands = {
            "hubctl --help": (hubctl, "--help"),
            "hubctl get hr": (
                hubctl,
                "get",
                "hr",
                "-n",
                self._site.namespace,
                "--kubeconfig",
                str(self._site.kubeconfig),
            ),
        }
        for work, command in commands.items():
            seconds = []
            for _ in range(_ROUNDS):
                began = time.monotonic()
                await run(*command)
                seconds.append(time.monotonic() - began)
            self._add(Row(work, statistics.median(seconds)))

    async def _until_charts_seen(self) -> None:
        """Wait until every HelmChart has looked at the newest commit: what had to come of it has begun."""
        deadline = time.monotonic() + self._patience
        while time.monotonic() < deadline:
            listed = await self._site.hub_client.list(HelmChart.KIND.api, self._site.namespace)
            statuses = [one.get("status", {}) for one in listed.items if one["spec"]["sourceRef"]["name"] == "app"]
            if len({one.get("observedSourceArtifactRevision") for one in statuses}) == 1:
                return
            await asyncio.sleep(0.1)
        raise BenchFailed("not every HelmChart has looked at the newest commit")

    async def _set_interval(self, seconds: float) -> None:
        api, generations = HelmRelease.KIND.api, {}
        for name in self._names("app", self._count):
            body = {"spec": {"interval": f"{seconds:g}s"}}
            answer = await self._site.hub_client.patch(api, name, self._site.namespace, body)
            generations[name] = int(answer["metadata"]["generation"])
        await self._site.fleet.until_seen(generations, self._patience)

    async def _expect_stamps(self, source: str, stamp: str, members: list[Client]) -> None:
        for number, client in enumerate(members, 1):
            found = await fleet.stamps(client, self._site.namespace, source)
            if found != {stamp}:
                self._wrong.append(f"member{number} runs {sorted(found)} of {source}, not {stamp}")

    async def _apply(self, source: str, count: int) -> None:
        bodies = manifests.releases(self._site.namespace, source, count, self._members)
        await self._site.apply(HelmRelease.KIND.api, bodies)

    def _names(self, source: str, count: int) -> list[str]:
        return [f"{source}-{number}" for number in range(count)]

    def _member(self, release: str) -> int:
        return manifests.member_of(int(release.rpartition("-")[2]), self._members)

    def _is_on_last(self, release: str) -> bool:
        return self._member(release) == self._members

    def _meter(self) -> Meter:
        return Meter(self._site.hub.pid)

    def _add(self, row: Row) -> None:
        self._rows.append(row)
        used = "" if row.cpu is None else f", {row.cpu:.2f} CPU s"
        self._say(f"✔ {row.work}: {row.seconds:.2f} s{used} {row.ratio}".rstrip())


def _memory_target(releases: int) -> int:
    return 200 if releases <= 100 else 350


def _row(
    work: str, meter: Meter, *, ratio: str = "", target: str = "", reached: bool | None = None, note: str = ""
) -> Row:
    return Row(work, meter.seconds, meter.cpu, meter.peak, ratio, target, reached, note)
