"""What a run remembers of itself, and what it tells nobody (the clock is virtual)."""

from __future__ import annotations

import asyncio
import json
import stat
from types import SimpleNamespace

import pytest

from hub.kube.config import ClusterConfig
from hub.members.session import RunPolicy, Session

pytestmark = [pytest.mark.looptime, pytest.mark.asyncio(loop_scope="function")]

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.c2lnbmF0dXJl"


@pytest.fixture
def session(tmp_path):
    config = ClusterConfig(server="https://10.0.0.1:6443", token="s3cr3t-token")
    member = SimpleNamespace(name="ns/m", client=SimpleNamespace(config=config))
    return Session(member, RunPolicy("app", "store"), tmp_path / "1.kubeconfig", "127.0.0.1:1234")


def now():
    return round(asyncio.get_running_loop().time(), 3)


async def write(session, seconds):
    with session.writing():
        await asyncio.sleep(seconds)


async def watch(session, after):
    await asyncio.sleep(after)
    with session.watching():
        await asyncio.sleep(100)


@pytest.mark.parametrize(
    ("watches_at", "idle_at"),
    [
        pytest.param(0, 19.5, id="watching all the time"),
        pytest.param(18, 19.5, id="watching since the last write"),
        pytest.param(21, 21, id="watching later"),
        pytest.param(40, 27.5, id="not watching: it may lack CPU"),
    ],
)
async def test_idle_is_after_the_last_write(session, watches_at, idle_at):
    async def run():
        await asyncio.sleep(10)  # rendering: not idle, nothing was written yet
        await write(session, 1)
        await asyncio.sleep(1.5)
        await write(session, 5)

    tasks = [asyncio.create_task(run()), asyncio.create_task(watch(session, watches_at))]
    await session.idle(2)
    assert now() == idle_at
    for task in tasks:
        task.cancel()


async def test_busy_is_at_the_next_write(session):
    async def run():
        await asyncio.sleep(7)
        await write(session, 1)

    writing = asyncio.create_task(run())
    await session.busy()
    assert now() == 7
    await writing


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("resource Deployment/app/b not ready", "resource Deployment/app/b not ready", id="plain words"),
        pytest.param('secrets "token: x" not found', 'secrets "token: x" not found', id="words about secrets"),
        pytest.param("token s3cr3t-token refused", "token *** refused", id="the member's own token"),
        pytest.param(f"got {JWT}!", "got ***!", id="a token"),
        pytest.param("Authorization: Bearer abc.def", "Authorization: Bearer ***", id="a header"),
        pytest.param("https://bob:pw@git.example.com/x", "https://bob:***@git.example.com/x", id="a password in a URL"),
        pytest.param("https://10.0.0.1:6443/api", "https://10.0.0.1:6443/api", id="a port is not a password"),
        pytest.param(
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- end", "*** end", id="a private key"
        ),
    ],
)
async def test_redact(session, text, want):
    assert session.redact(text) == want


async def test_the_members_address_stands_for_the_gateways(session):
    text = f'Get "{session.server}/version": EOF; {session.secret}'
    assert session.redact(text) == 'Get "https://10.0.0.1:6443/version": EOF; ***'


async def test_the_kubeconfig_is_ours_alone(session):
    session.write_kubeconfig()
    assert stat.S_IMODE(session.kubeconfig.stat().st_mode) == 0o600
    document = json.loads(session.kubeconfig.read_text())
    assert document["clusters"][0]["cluster"] == {"server": f"http://127.0.0.1:1234/{session.secret}"}
    assert "s3cr3t-token" not in session.kubeconfig.read_text()
    with pytest.raises(FileExistsError):
        session.write_kubeconfig()


async def test_what_was_read_is_believed_for_a_moment(session):
    session.keep_listed("/x", "answer")
    await asyncio.sleep(4)
    assert session.listed("/x", within=5) == "answer"
    await asyncio.sleep(2)
    assert session.listed("/x", within=5) is None


async def test_what_was_read_is_forgotten_when_records_change(session):
    session.keep_listed("/x", "answer")
    session.forget_listed()
    assert session.listed("/x", within=5) is None


async def test_a_question_is_repeated_once_known(session):
    assert [session.asks_again("/apis"), session.asks_again("/api"), session.asks_again("/apis")] == [
        False,
        False,
        True,
    ]
