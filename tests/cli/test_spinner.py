"""The spinner, with time that is virtual."""

from __future__ import annotations

import asyncio
import io

import pytest

from hub.cli.say import Say
from hub.cli.spinner import spinner_of

pytestmark = [pytest.mark.looptime, pytest.mark.asyncio(loop_scope="function")]

CLEAR = "\r\x1b[2K"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


async def test_what_is_quick_shows_nothing(terminal):
    async with spinner_of(terminal).over("waiting"):
        await asyncio.sleep(0.9)
    assert terminal.getvalue() == ""


async def test_it_turns_after_a_second_and_leaves_no_trace(terminal):
    async with spinner_of(terminal).over("waiting for it"):
        await asyncio.sleep(1.25)
    shown = terminal.getvalue()
    assert shown.startswith(f"{CLEAR}⠋ waiting for it{CLEAR}⠙ waiting for it")
    assert shown.endswith(CLEAR)


async def test_nothing_is_written_where_nobody_looks():
    stream = io.StringIO()
    async with spinner_of(stream).over("waiting"):
        await asyncio.sleep(5)
    assert stream.getvalue() == ""


async def test_a_line_takes_its_place_and_it_comes_back(terminal):
    async with spinner_of(terminal).over("waiting"):
        await asyncio.sleep(1.15)
        Say(terminal).success("done one")
        before = len(terminal.getvalue())
        await asyncio.sleep(0.9)
        assert len(terminal.getvalue()) == before
        await asyncio.sleep(0.3)
        assert len(terminal.getvalue()) > before
    assert f"{CLEAR}\x1b[32m✔\x1b[0m done one\n" in terminal.getvalue()


async def test_the_innermost_is_named(terminal):
    spinner = spinner_of(terminal)
    async with spinner.over("asking the hub"):
        async with spinner.over("asking the member"):
            await asyncio.sleep(1.15)
        assert "asking the member" in terminal.getvalue()
        assert "asking the hub" not in terminal.getvalue()
        await asyncio.sleep(0.2)
        assert "asking the hub" in terminal.getvalue()


async def test_data_ends_it(terminal):
    async with spinner_of(terminal).over("asking"):
        spinner_of(terminal).dismiss()
        await asyncio.sleep(5)
    assert terminal.getvalue() == ""
