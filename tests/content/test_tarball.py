from __future__ import annotations

import asyncio
import gzip
import io
import tarfile

import pytest

from hub.content import digest as digests
from hub.content import tarball
from hub.content.store import StoreFailed
from hub.content.tarball import BadTarballError, Limits
from hub.content.trees import KEPT, Trees

FILES = {"a.txt": b"hello", "dir/run.sh": b"#!/bin/sh\n", "dir/" + "long" * 60 + ".txt": b"x", "é.txt": b""}


def pack(path, files=FILES):
    with tarball.writing(path) as writer:
        for name, data in sorted(files.items()):
            writer.add(name, data, executable=name.endswith(".sh"))
    return path


def craft(path, *entries):
    """Write an archive that our writer would never make."""
    with tarfile.open(path, "w:gz") as tar:
        for name, kind, data in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.size, entry.linkname = kind, len(data), "/etc/passwd"
            tar.addfile(entry, io.BytesIO(data))
    return path


def test_equal_content_gives_equal_bytes_and_comes_back(tmp_path):
    first, second = pack(tmp_path / "1"), pack(tmp_path / "2")
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as tar:
        assert {(e.mtime, e.uid, e.gid, e.uname, e.gname) for e in tar} == {(0, 0, 0, "", "")}
    target = tmp_path / "out"
    target.mkdir()
    tarball.unpack(first, target)
    assert {str(p.relative_to(target)): p.read_bytes() for p in target.rglob("*") if p.is_file()} == FILES
    assert (target / "dir/run.sh").stat().st_mode & 0o111
    assert not (target / "a.txt").stat().st_mode & 0o111


def test_streams(tmp_path):
    with tarball.writing(tmp_path / "t") as writer:
        writer.add("a", io.BytesIO(b"12345678"), 4)
    with tarfile.open(tmp_path / "t") as tar:
        assert tar.extractfile("a").read() == b"1234"


FILE, LINK, HARD, FOLDER, DEVICE = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        pytest.param([("../x", FILE, b"")], "outside of its folder", id="parent"),
        pytest.param([("a/../../x", FILE, b"")], "outside of its folder", id="parent inside"),
        pytest.param([("/x", FILE, b"")], "outside of its folder", id="absolute"),
        pytest.param([("x", LINK, b"")], "neither a file nor a folder", id="symlink"),
        pytest.param([("x", HARD, b"")], "neither a file nor a folder", id="hard link"),
        pytest.param([("x", DEVICE, b"")], "neither a file nor a folder", id="device"),
        pytest.param([("x", FILE, b"1"), ("./x", FILE, b"2")], "twice", id="the same file twice"),
        pytest.param([(f"f{i}", FILE, b"") for i in range(6)], "more than", id="too many files"),
        pytest.param([("x", FILE, b"0" * 2000)], "more than", id="too large"),
    ],
)
def test_bad_archives(tmp_path, entries, message):
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(BadTarballError, match=message):
        tarball.unpack(craft(tmp_path / "t", *entries), target, Limits(size=1000, files=5))
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"not a tarball", id="text"),
        pytest.param(b"", id="empty"),
        pytest.param(gzip.compress(b"no tar" * 500), id="gzip of something else"),
    ],
)
def test_damaged_archives(tmp_path, data):
    (tmp_path / "t").write_bytes(data)
    (tmp_path / "out").mkdir()
    with pytest.raises(BadTarballError, match=r"not a readable \.tar\.gz"):
        tarball.unpack(tmp_path / "t", tmp_path / "out")


def header(name, kind, size):
    entry = tarfile.TarInfo(name)
    entry.type, entry.size = kind, size
    return entry.tobuf()


PAX = b"20 comment=" + b"x" * 8 + b"\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(
            header("x", tarfile.XHDTYPE, 1 << 30), "it has a header of 1073741824 bytes", id="a header of a gigabyte"
        ),
        pytest.param(header("x", tarfile.GNUTYPE_LONGNAME, 1 << 30), "it has a header of", id="a name of a gigabyte"),
        pytest.param(header("x", tarfile.GNUTYPE_SPARSE, 0), "it holds a sparse file", id="sparse"),
        pytest.param(
            (header("x", tarfile.XGLTYPE, len(PAX)) + PAX.ljust(512, b"\0")) * 5000,
            "recursion",
            id="headers on headers",
        ),
    ],
)
def test_headers_that_are_bombs(tmp_path, data, message):
    (tmp_path / "t").write_bytes(gzip.compress(data))
    (tmp_path / "out").mkdir()
    with pytest.raises(BadTarballError, match=message):
        tarball.unpack(tmp_path / "t", tmp_path / "out")


def test_a_torn_archive(tmp_path):
    whole = pack(tmp_path / "t", {"a": bytes(range(256)) * 999}).read_bytes()
    (tmp_path / "t").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "out").mkdir()
    with pytest.raises(BadTarballError):
        tarball.unpack(tmp_path / "t", tmp_path / "out")


async def test_trees_are_unpacked_once_and_kept_while_read(tmp_path):
    trees = Trees(tmp_path / "trees")
    await trees.prepare()
    files = [pack(tmp_path / f"t{i}", {"n": str(i).encode()}) for i in range(KEPT + 3)]
    names = [digests.of_file(file) for file in files]
    seen = []

    async def read():
        async with trees.open(files[0], names[0]) as tree:
            seen.append((tree / "n").stat().st_ino)
            await asyncio.sleep(0)

    await asyncio.gather(*(read() for _ in range(10)))
    assert len(set(seen)) == 1
    async with trees.open(files[0], names[0]) as first:
        for file, name in zip(files[1:], names[1:], strict=True):
            async with trees.open(file, name) as tree:
                assert (tree / "n").exists()
        assert (first / "n").read_text() == "0"
    assert len(list((tmp_path / "trees").iterdir())) == KEPT


async def test_latecomers_never_unpack_over_readers(tmp_path):
    trees, file = Trees(tmp_path / "trees"), pack(tmp_path / "t")
    digest = digests.of_file(file)

    async def read(turns):
        for _ in range(turns):
            await asyncio.sleep(0)
        async with trees.open(file, digest) as tree:
            assert (tree / "a.txt").exists()
            await asyncio.sleep(0.001)
            assert (tree / "a.txt").exists()
            return tree

    for _ in range(20):
        async with asyncio.TaskGroup() as group:
            early = [group.create_task(read(0)) for _ in range(3)]
            late = [group.create_task(read_when_unpacked(trees, read)) for _ in range(3)]
        assert len({task.result() for task in early + late}) == 1
        await trees.prepare()


async def read_when_unpacked(trees, read):
    """Come in the very turn in which the unpacking has ended and its callers have not run yet."""
    while not trees._unpacking._tasks:  # noqa: ASYNC110 - turns of the loop are what is tested
        await asyncio.sleep(0)
    while trees._unpacking._tasks:  # noqa: ASYNC110
        await asyncio.sleep(0)
    return await read(0)


async def test_a_tree_that_was_removed_is_unpacked_again(tmp_path):
    trees, file = Trees(tmp_path / "trees"), pack(tmp_path / "t")
    for _ in range(2):
        async with trees.open(file, digests.of_file(file)) as tree:
            assert (tree / "a.txt").exists()
        await trees.prepare()


async def test_a_tree_that_cannot_be_unpacked(tmp_path):
    (tmp_path / "bad").write_bytes(b"no")
    trees = Trees(tmp_path / "trees")
    with pytest.raises(BadTarballError):
        async with trees.open(tmp_path / "bad", digests.of_bytes(b"no")):
            pass
    with pytest.raises(StoreFailed):
        async with trees.open(tmp_path / "missing", digests.of_bytes(b"missing")):
            pass
    good = pack(tmp_path / "good")
    async with trees.open(good, digests.of_bytes(b"no")) as tree:
        assert (tree / "a.txt").exists()
