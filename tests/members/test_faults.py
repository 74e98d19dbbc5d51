"""
An API server that is real and ill: slow answers, too many requests, errors of its own. helm goes through the gateway.

Between the gateway and the server stands what makes it ill: it passes requests on, except for those that a test names.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from hub.api.meta import CONFIG_MAPS, NAMESPACES
from hub.errors import ApiError, MemberUnreachable
from hub.kube.client import Client
from hub.kube.config import ClusterConfig, load_kubeconfig
from hub.members import health
from hub.members.breaker import State
from hub.members.exchange import kept_headers
from hub.members.health import Health, Vitals
from hub.members.probe import probe
from hub.release.helm import HelmFailed

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.cluster


@dataclass
class Ill:
    """
    What is wrong.

    Attributes:
        status: Answered instead of what the server would; 0 for none.
        delay: Seconds before an answer.
        times: For so many requests.
        whom: Which ones.
        headers: Of the answer.
        met: Requests that it happened to.
    """

    status: int = 0
    delay: float = 0.0
    times: int = 10**9
    whom: Callable[[web.BaseRequest], bool] = lambda _: True
    headers: dict[str, str] = field(default_factory=dict)
    met: list[str] = field(default_factory=list)

    def meets(self, request):
        if len(self.met) >= self.times or not self.whom(request):
            return False
        self.met.append(f"{request.method} {request.path}")
        return True


class Infirmary:
    """Passes requests on to a member, ill as :attr:`ill` says."""

    def __init__(self, config):
        self._client = Client(config)
        self.ill = Ill(times=0)
        self.config: ClusterConfig

    @asynccontextmanager
    async def open(self):
        runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.config = ClusterConfig(f"http://127.0.0.1:{runner.addresses[0][1]}")
        try:
            yield self
        finally:
            await runner.cleanup()
            await self._client.aclose()

    async def _serve(self, request):
        ill = self.ill
        if ill.meets(request):
            await asyncio.sleep(ill.delay)
            if ill.status:
                status = {"kind": "Status", "apiVersion": "v1", "code": ill.status, "message": "it is ill"}
                return web.json_response(status, status=ill.status, headers=ill.headers)
        body = await request.read()
        async with self._client.raw(
            request.method, request.raw_path, headers=request.headers, body=body or None
        ) as answer:
            return web.Response(
                status=answer.status, headers=kept_headers(answer.headers), body=await answer.content.read()
            )


@pytest.fixture
async def infirmary(member_config):
    async with Infirmary(member_config).open() as infirmary:
        yield infirmary


@pytest.fixture
def member(infirmary, make_member, bench):
    """The member of the bench, ill."""
    bench.member = make_member(infirmary.config)
    return bench.member


def writes(request):
    return request.method in ("POST", "PUT", "PATCH") and "/configmaps" in request.path


def state(member):
    return member._health.state


async def test_too_many_requests_are_waited_out(bench, infirmary, member):
    await bench.install({"message": "one"})
    infirmary.ill = Ill(429, times=2, whom=writes, headers={"Retry-After": "1"})
    await bench.upgrade({"message": "two"})
    assert len(infirmary.ill.met) == 2
    found = await member.call(lambda client: client.get(CONFIG_MAPS, "web", bench.app))
    assert found["data"] == {"message": "two"}
    assert state(member) is Vitals.WELL


async def test_errors_of_the_server_are_helms_to_tell(bench, infirmary, member):
    await bench.install({"message": "one"})
    infirmary.ill = Ill(500, whom=writes)
    with pytest.raises(HelmFailed, match=r"an error on the server .* has prevented the request from succeeding"):
        await bench.upgrade({"message": "two"})
    assert infirmary.ill.met
    assert state(member) is Vitals.WELL, "it answers"
    assert bench.session.unreachable is None
    infirmary.ill = Ill(times=0)
    await bench.upgrade({"message": "three"})


async def test_a_server_that_only_says_500_is_there(infirmary, member):
    infirmary.ill = Ill(500)
    with pytest.raises(ApiError, match="it is ill") as error:
        await member.call(lambda client: client.get(CONFIG_MAPS, "web", "default"))
    assert not isinstance(error.value, MemberUnreachable)
    assert state(member) is Vitals.WELL


async def test_slow_answers_are_waited_for_while_the_server_is_there(bench, infirmary, member):
    """An admission webhook that takes its time: 5 s for each write, while ``/readyz`` answers."""
    await bench.install({"message": "one"})
    infirmary.ill = Ill(delay=5.0, times=1, whom=writes)
    await bench.upgrade({"message": "two"})
    assert infirmary.ill.met
    assert state(member) is Vitals.WELL


async def test_a_server_slow_in_everything_is_lost_and_found(infirmary, member, eventually):
    infirmary.ill = Ill(delay=7.0)
    with pytest.raises(MemberUnreachable, match="did not answer within 5 s"):
        await member.call(lambda client: client.get(CONFIG_MAPS, "web", "default"))
    with pytest.raises(MemberUnreachable):
        await member.call(lambda client: client.get(CONFIG_MAPS, "web", "default"))
    infirmary.ill = Ill(times=0)
    await eventually(lambda: state(member) is Vitals.WELL)


async def test_gone_for_an_hour(clusters, make_member, monkeypatch, eventually):
    """As many probes as an hour has, faster, of a real API server that is not there: told once, and found again."""
    asked, hour = [], 3600 // 5

    async def counted(client, timeout):
        asked.append(client)
        await probe(client, timeout)

    monkeypatch.setattr(health, "_PAUSES", (0.0005, 0.005))
    monkeypatch.setattr(health, "probe", counted)
    live = clusters.members[1]
    member, changes = make_member(load_kubeconfig(live.kubeconfig)), []
    member._health._changed = lambda before, now: changes.append((before, now.state))
    await live.stop_apiserver()
    try:
        with pytest.raises(MemberUnreachable) as first:
            await member.call(lambda client: client.get(CONFIG_MAPS, "web", "default"))
        await eventually(lambda: len(asked) > hour, seconds=90)
        with pytest.raises(MemberUnreachable) as last:
            await member.call(lambda client: client.get(CONFIG_MAPS, "web", "default"))
        assert str(last.value) == str(first.value)
        assert changes == [(Vitals.WELL, Vitals.LOST)]
    finally:
        await live.start_apiserver()
    await eventually(lambda: state(member) is Vitals.WELL)
    assert changes[1:] == [(Vitals.LOST, Vitals.WELL)]
    assert (await member.call(lambda client: client.list(NAMESPACES))).items


def test_pauses_of_an_hour():
    """It costs a probe every five seconds or so, and says since when all the time."""
    breaker, wall = Health("ns/m", 100).breaker, datetime(2026, 11, 21, tzinfo=UTC)
    now, probes = 0.0, 0
    breaker.lost("10.0.0.1:6443 refused the connection", now, wall)
    while now < 3600:
        assert breaker.state(now) is State.OPEN
        now, probes = breaker.retry_at, probes + 1
        assert breaker.state(now) is State.HALF_OPEN
        breaker.lost("10.0.0.1:6443 refused the connection", now, wall + timedelta(seconds=now))
    assert breaker.since == wall
    assert 3600 / 6.5 < probes < 3600 / 4.5
