import asyncio
import json
import os
import signal
import time

import pytest

from hub.dev.process import Process

SLEEP = ["/bin/sleep", "300"]


@pytest.fixture
async def process(tmp_path):
    process = Process("sleeper", tmp_path)
    yield process
    await process.stop(patience=0.1)


async def gone(process):
    deadline = time.monotonic() + 5
    while process.pid is not None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_is_found_again_by_its_file(process, tmp_path):
    pid = process.start(SLEEP)
    again = Process("sleeper", tmp_path)
    assert again.pid == pid
    assert again.runs(SLEEP)
    assert again.runs(["/usr/bin/sleep", "300"])
    assert not again.runs(["/bin/sleep", "301"])
    assert os.getsid(pid) == pid != os.getsid(0)


async def test_one_that_was_killed_is_not_alive(process):
    os.kill(process.start(SLEEP), signal.SIGKILL)
    await gone(process)
    assert not await process.stop()
    assert process.restart() == process.pid


async def test_somebody_elses_process_with_the_same_id_is_left_alone(process, tmp_path):
    pid = process.start(SLEEP)
    file = tmp_path / "run/sleeper.json"
    record = json.loads(file.read_bytes())
    file.write_text(json.dumps({**record, "started": record["started"] + "1"}))
    assert process.pid is None
    assert not await process.stop()
    process.signal(signal.SIGKILL)
    assert os.waitpid(pid, os.WNOHANG) == (0, 0)  # noqa: ASYNC222  # does not wait
    file.write_text(json.dumps(record))
    assert process.pid == pid


@pytest.mark.parametrize("content", ["", "[]", '{"pid": 1}', '"'])
async def test_a_torn_record_is_no_record(process, tmp_path, content):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/sleeper.json").write_text(content)
    assert process.pid is None
    with pytest.raises(LookupError):
        process.restart()


async def test_a_paused_one_ends(process):
    process.start(SLEEP)
    process.signal(signal.SIGSTOP)
    assert process.pid is not None
    assert await process.stop(patience=5)
    assert process.pid is None


async def test_one_that_does_not_want_to_end(process):
    process.start(["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"])
    async with asyncio.timeout(10):
        while "ready" not in process.tail():  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(0.01)
    assert await process.stop(patience=0.2)
    assert process.pid is None


async def test_output_goes_to_the_log(process):
    process.start(["/bin/sh", "-c", "echo first; echo second >&2"])
    await gone(process)
    process.restart()
    await gone(process)
    assert process.tail(3) == "second\nfirst\nsecond"
    assert process.log.stat().st_mode & 0o777 == 0o600


async def test_a_long_log_is_moved_aside(process, monkeypatch):
    monkeypatch.setattr("hub.dev.process._LOG_LIMIT", 3)
    for word in ("first", "second"):
        process.start(["/bin/echo", word])
        await gone(process)
    assert process.tail() == "second"
    assert process.log.with_suffix(".log.1").read_text() == "first\n"
