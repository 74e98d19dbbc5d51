"""Log lines: shape, identity, and no secrets."""

from __future__ import annotations

import asyncio
import io
import json
import logging

import pytest

from hub.runtime import log


@pytest.fixture
def lines():
    """Set up logging into memory, and take it back afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, {name: logging.getLogger(name).level for name in log._QUIET}
    stream = io.StringIO()

    def start(level, form):
        log.setup(level, form)
        root.handlers[0].setStream(stream)
        return lambda: stream.getvalue().splitlines()

    yield start
    root.handlers[:], level, levels = before
    root.setLevel(level)
    for name, one in levels.items():
        logging.getLogger(name).setLevel(one)


async def test_text_carries_who_and_what(lines):
    read = lines("info", "text")
    with log.bind(kind="HelmRelease", namespace="ns", name="app"):
        logging.getLogger("hub.x").info("Running action", extra={"action": "up grade", "n": 3})
    logging.getLogger("hub.x").debug("not heard")
    (line,) = read()
    assert line.split(" ", 1)[1] == 'info HelmRelease/ns/app Running action action="up grade" n=3'


async def test_json_carries_the_keys_of_flux(lines):
    read = lines("info", "json")
    with log.bind(kind="HelmRelease", namespace="ns", name="app"):
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            logging.getLogger("hub.x").exception("Broke", extra={"why": "x"})
    (line,) = map(json.loads, read())
    assert {key: line[key] for key in ("level", "msg", "kind", "namespace", "name", "why")} == {
        "level": "error", "msg": "Broke", "kind": "HelmRelease", "namespace": "ns", "name": "app", "why": "x",
    }  # fmt: skip
    assert "ZeroDivisionError" in line["error"]
    assert line["ts"].endswith("Z")


async def test_each_task_has_its_own_identity(lines):
    read = lines("info", "json")

    async def work(name):
        with log.bind(name=name):
            await asyncio.sleep(0)
            logging.getLogger("hub.x").info("In")
        logging.getLogger("hub.x").info("Out")

    await asyncio.gather(work("a"), work("b"))
    told = [(line["msg"], line.get("name")) for line in map(json.loads, read())]
    assert sorted(told, key=str) == [("In", "a"), ("In", "b"), ("Out", None), ("Out", None)]


async def test_third_parties_are_heard_from_warnings_on(lines):
    read = lines("debug", "text")
    logging.getLogger("kopf.objects").info("chatter")
    logging.getLogger("asyncio").warning("matters")
    assert [line.split(" ", 2)[2] for line in read()] == ["matters"]


TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlIn0xMjM.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        pytest.param("fetch https://me:hunter2@git.example.com/x.git", "git.example.com/x.git", id="a URL"),
        pytest.param("Authorization: Basic aHVudGVyMg==hunter2", "Authorization", id="basic"),
        pytest.param("sent Bearer hunter2hunter2hunter2", "sent Bearer", id="bearer"),
        pytest.param(f"token was {TOKEN} hunter".replace("hunter", ""), "token was", id="a JWT"),
        pytest.param("--kube-token=hunter2 --x", "--x", id="a flag"),
        pytest.param('{"password": "hunter2", "a": 1}', '"a": 1', id="JSON"),
        pytest.param("x -----BEGIN EC PRIVATE KEY-----\nhunter2\n-----END EC PRIVATE KEY----- y", " y", id="a key"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text, kept):
    masked = log.redact(text)
    assert "hunter2" not in masked
    assert TOKEN not in masked
    assert kept in masked
    assert "***" in masked


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("could not get KubeConfig secret 'ns/member1-kubeconfig': not found", id="the name of a Secret"),
        pytest.param("https://git.example.com:8443/a@b", id="a URL with a port"),
        pytest.param("wrong password or token", id="the words"),
        pytest.param("Basic authentication is required", id="the kind of login"),
    ],
)
def test_what_is_no_secret_stays(text):
    assert log.redact(text) == text


async def test_values_and_tracebacks_are_masked_too(lines):
    for form in ("text", "json"):
        read = lines("info", form)
        try:
            raise ValueError("https://me:hunter2@host/")
        except ValueError:
            logging.getLogger("hub.x").exception("Broke", extra={"url": "https://me:hunter2@host/"})
        assert "hunter2" not in "\n".join(read())
