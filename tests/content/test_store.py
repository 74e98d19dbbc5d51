from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from hub.content import digest as digests
from hub.content.store import BLOB_GRACE, Retention, Store, StoreFailed
from hub.content.threads import in_thread

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    """Files age by the real ctime; tests move the store's idea of now."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> Store:
    made = Store(tmp_path / "storage", "http://127.0.0.1:9790", clock=clock)
    await made.prepare()
    return made


async def put(store: Store, filename: str, data: bytes, name: str = "repo"):
    async with store.workspace() as folder:
        (folder / "x").write_bytes(data)
        return await store.put("GitRepository", "ns", name, filename, "master@sha1:1", folder / "x")


def blobs(store: Store) -> list[str]:
    return sorted(path.name for path in (store.root / "blobs").iterdir())


async def test_put_returns_the_fields_of_an_artifact_and_the_bytes_can_be_found(store):
    stored = await put(store, "abc.tar.gz", b"hello")
    assert stored.as_dict() == {
        "digest": digests.of_bytes(b"hello"),
        "lastUpdateTime": stored.last_update_time,
        "path": "gitrepository/ns/repo/abc.tar.gz",
        "revision": "master@sha1:1",
        "size": 5,
        "url": "http://127.0.0.1:9790/gitrepository/ns/repo/abc.tar.gz",
    }
    assert stored.last_update_time.endswith("Z")
    assert store.locate(stored.digest).read_bytes() == b"hello"
    assert store.file(stored.path).read_bytes() == b"hello"
    assert store.exists(stored.path, stored.digest)
    assert await store.verify(stored.path, stored.digest)
    assert not list((store.root / "tmp").iterdir())


async def test_equal_content_is_stored_once(store):
    first, second = await put(store, "a", b"same", "one"), await put(store, "b", b"same", "two")
    assert first.digest == second.digest
    assert len(blobs(store)) == 1
    assert store.file(first.path).samefile(store.file(second.path))


async def test_a_name_is_replaced_by_new_content(store):
    await put(store, "a", b"old")
    new = await put(store, "a", b"new")
    assert store.file(new.path).read_bytes() == b"new"
    assert not store.exists(new.path, digests.of_bytes(b"old"))


async def test_a_file_from_outside_is_copied(store, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    stored = await store.put("HelmChart", "ns", "c", "c-1.tgz", "1", outside)
    outside.write_bytes(b"changed later")
    assert store.file(stored.path).read_bytes() == b"mine"


async def test_changed_and_missing_files_are_noticed(store):
    stored = await put(store, "a", b"hello")
    store.file(stored.path).write_bytes(b"tampered")
    assert store.exists(stored.path, stored.digest)  # cheap: the same inode
    assert not await store.verify(stored.path, stored.digest)
    assert await store.read(stored.digest) is None
    again = await put(store, "a", b"hello")
    assert store.file(again.path).read_bytes() == b"hello"
    assert (await store.read(stored.digest)).read_bytes() == b"hello"
    store.file(stored.path).unlink()
    assert not store.exists(stored.path, stored.digest)
    assert not await store.verify(stored.path, stored.digest)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("gitrepository/ns/repo/../x", id="too many parts"),
        pytest.param("gitrepository/../repo/x", id="parent"),
        pytest.param("/etc/passwd/x", id="absolute"),
        pytest.param("a/b/c", id="too few parts"),
        pytest.param("a/b/c/", id="empty name"),
    ],
)
def test_paths_that_leave_the_store_are_refused(path, tmp_path):
    store = Store(tmp_path, "http://x")
    with pytest.raises(ValueError):
        store.file(path)
    assert not store.exists(path, digests.of_bytes(b""))


async def test_old_artifacts_go_but_the_current_and_the_newest_two_stay(store, clock):
    made = []
    for i in range(4):
        made.append(await put(store, f"f{i}", b"%d" % i))
        os.sync()
    assert await store.collect("GitRepository", "ns", "repo", made[0].path) == 0  # all are young
    clock.ahead = Retention().ttl + 1
    assert await store.collect("GitRepository", "ns", "repo", made[0].path) == 1
    left = sorted(path.name for path in store.file(made[0].path).parent.iterdir())
    assert left == ["f0", "f2", "f3"]


async def test_remove_takes_everything_of_one_object(store):
    mine, other = await put(store, "a", b"1"), await put(store, "a", b"2", "other")
    assert await store.remove("GitRepository", "ns", "repo") == 1
    assert not store.file(mine.path).parent.exists()
    assert store.exists(other.path, other.digest)
    assert await store.remove("GitRepository", "ns", "repo") == 0


async def test_blobs_without_a_name_are_kept_for_a_while_after_their_last_use(store, clock):
    stored = await put(store, "a", b"1")
    await store.remove("GitRepository", "ns", "repo")
    await store.sweep()
    assert store.locate(stored.digest)
    clock.ahead = BLOB_GRACE + 1
    await store.sweep()
    assert store.locate(stored.digest) is None


async def test_results_are_remembered_by_their_input(store, clock):
    key = digests.of_parts("chart", "values")
    assert store.recall(key) is None
    async with store.workspace() as folder:
        (folder / "x").write_bytes(b"built")
        await store.remember(key, folder / "x")
    assert store.recall(key).read_bytes() == b"built"
    stored = await store.put("HelmChart", "ns", "c", "c.tgz", "1", store.recall(key))
    clock.ahead = BLOB_GRACE + 1
    await store.sweep()
    assert store.recall(key), "an artifact still names it"
    await store.remove("HelmChart", "ns", "c")
    clock.ahead *= 2
    await store.sweep()
    assert store.recall(key) is None
    assert store.locate(stored.digest) is None


async def test_leftovers_of_a_killed_process_are_removed_at_start(store):
    (store.root / "tmp" / "half").write_bytes(b"torn")
    stored = await put(store, "a", b"1")
    again = Store(store.root, "http://127.0.0.1:1")
    await again.prepare()
    assert not list((store.root / "tmp").iterdir())
    assert again.exists(stored.path, stored.digest)
    assert again.url_of(stored.path) == "http://127.0.0.1:1/gitrepository/ns/repo/a"


async def test_concurrent_puts_of_the_same_content(store):
    await asyncio.gather(*(put(store, f"f{i % 3}", b"same", f"n{i % 5}") for i in range(40)))
    assert len(blobs(store)) == 1
    assert not list((store.root / "tmp").iterdir())


async def test_a_full_disk_says_what_to_do(store, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    async with store.workspace() as folder:
        (folder / "x").write_bytes(b"big")
        monkeypatch.setattr(os, "link", full)
        with pytest.raises(StoreFailed) as caught:
            await store.put("GitRepository", "ns", "repo", "f", "r", folder / "x")
    assert caught.value.reason == "ArchiveOperationFailed"
    assert caught.value.message == (
        f"unable to save artifact to storage: No space left on device at '{store.root}': "
        "free some space, or give the hub a larger --storage-path"
    )


async def test_an_unusable_folder_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreFailed, match="cannot use the storage folder") as caught:
        await Store(tmp_path / "file" / "storage", "http://x").prepare()
    assert caught.value.reason == "DirectoryCreationFailed"
    assert str(tmp_path) in caught.value.message


def test_digests_of_parts_keep_their_borders():
    assert digests.of_parts("ab", "c") != digests.of_parts("a", "bc")
    assert digests.of_bytes(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("text", ["sha256:short", "md5:" + "a" * 64, "", "sha256:" + "../" * 21 + "a"])
def test_other_digests_are_refused(text):
    with pytest.raises(ValueError):
        digests.hex_of(text)


CHILD = """
import asyncio, itertools, pathlib, sys
from hub.content.store import Store

async def main():
    store = Store(pathlib.Path(sys.argv[1]), "http://x")
    await store.prepare()
    print("ready", flush=True)
    for i in itertools.count():
        async with store.workspace() as folder:
            (folder / "x").write_bytes(b"%d" % (i % 50) * 200_000)
            await store.put("GitRepository", "ns", f"n{i % 7}", f"f{i % 50}", "r", folder / "x")

asyncio.run(main())
"""


async def start_child(root):
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(root), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert await child.stdout.readline() == b"ready\n"
    return child


async def test_a_kill_at_any_instant_leaves_only_whole_files(tmp_path):
    for pause in (0.0, 0.01, 0.05, 0.2):
        child = await start_child(tmp_path)
        await asyncio.sleep(pause)
        child.kill()
        await child.wait()
        for path in tmp_path.glob("artifacts/*/*/*/*"):
            assert path.read_bytes() == path.name[1:].encode() * 200_000
        for path in tmp_path.glob("blobs/*"):
            assert digests.of_file(path) == f"sha256:{path.name}"
    store = Store(tmp_path, "http://x")
    await store.prepare()
    assert not list((tmp_path / "tmp").iterdir())
    store.close()


async def test_another_process_is_kept_out(tmp_path):
    child = await start_child(tmp_path)
    try:
        with pytest.raises(
            StoreFailed, match=rf"another hub \(process {child.pid}\) uses the folder: give each its own"
        ):
            await Store(tmp_path, "http://x").prepare()
    finally:
        child.kill()
        await child.wait()
    store = Store(tmp_path, "http://x")
    await store.prepare()
    store.close()


async def test_a_cancelled_thread_is_waited_for():
    ended = []

    def slow():
        time.sleep(0.2)
        ended.append(True)

    task = asyncio.create_task(in_thread(slow))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended


async def test_the_budget_is_kept_and_what_nobody_names_gives_way(tmp_path, clock):
    retention = Retention(ttl=0, records=1, budget=10)
    store = Store(tmp_path / "storage", "http://x", retention=retention, clock=clock)
    await store.prepare()
    first = await put(store, "a", b"12345678")
    with pytest.raises(
        StoreFailed, match=r"the budget of 10 bytes is used up \(8 bytes are, 4 are wanted\): give the hub"
    ):
        await put(store, "b", b"abcd", name="other")
    assert store.exists(first.path, first.digest)
    await store.remove("GitRepository", "ns", "repo")
    clock.ahead = 61.0
    second = await put(store, "b", b"abcd", name="other")
    assert blobs(store) == [second.digest.removeprefix("sha256:")]


async def test_retention_is_a_setting(tmp_path, clock):
    store = Store(tmp_path / "storage", "http://x", retention=Retention(ttl=0, records=3), clock=clock)
    await store.prepare()
    stored = [await put(store, str(n), str(n).encode()) for n in range(5)]
    clock.ahead = 1.0
    assert await store.collect("GitRepository", "ns", "repo", stored[0].path) == 1
    assert [store.exists(one.path, one.digest) for one in stored] == [True, False, True, True, True]
