# ruff: noqa: E501  rows are read as lines
"""Where an automation reads and writes, tags on disk, the limits of registries."""

from __future__ import annotations

import asyncio

import pytest

from hub.api.image import ImageRepository, ImageUpdateAutomationSpec
from hub.api.meta import Key
from hub.api.source import GitRepositorySpec
from hub.content.gitwrite import Push
from hub.content.refs import GitRef
from hub.errors import Stalled, Transient, Waiting
from hub.images.limits import RegistryLimits
from hub.images.scan import repository_of
from hub.images.tags import TagStore, revision_of
from hub.images.target import check_branch, refspec_push, target_of

AUTHOR = {"commit": {"author": {"email": "a@b"}}}


def automation(git=AUTHOR, **more):
    spec = {"interval": "1m", "sourceRef": {"kind": "GitRepository", "name": "r"}}
    return ImageUpdateAutomationSpec.parse(spec | ({"git": git} if git else {}) | more)


def source(**ref):
    return GitRepositorySpec.parse({"interval": "1m", "url": "https://x/y", **({"ref": ref} if ref else {})})


@pytest.mark.parametrize(
    ("git", "ref", "checkout", "branch", "switches"),
    [
        pytest.param({}, {}, GitRef(), "master", False, id="nothing said is master"),
        pytest.param({}, {"branch": "main"}, GitRef(branch="main"), "main", False, id="branch of the source"),
        pytest.param({"checkout": {"ref": {"branch": "dev"}}}, {"branch": "main"}, GitRef(branch="dev"), "dev", False, id="checkout wins"),
        pytest.param({"push": {"branch": "bot"}}, {"branch": "main"}, GitRef(branch="main"), "bot", True, id="another branch"),
        pytest.param({"push": {"branch": "bot"}}, {"tag": "v1"}, GitRef(tag="v1"), "bot", True, id="from a tag"),
        pytest.param({"push": {"branch": "main"}}, {"branch": "main"}, GitRef(branch="main"), "main", False, id="the same branch"),
        pytest.param({"push": {"refspec": "HEAD:refs/heads/x"}}, {"branch": "main"}, GitRef(branch="main"), "main", False, id="only a refspec"),
    ],
)  # fmt: skip
def test_target(git, ref, checkout, branch, switches):
    target = target_of(automation(AUTHOR | git), source(**ref))
    assert (target.checkout, target.branch, target.switches) == (checkout, branch, switches)


@pytest.mark.parametrize(
    ("spec", "ref", "error", "reason"),
    [
        pytest.param({"git": None}, {}, Stalled, "InvalidSourceConfiguration", id="no git"),
        pytest.param({"sourceRef": {"kind": "Bucket", "name": "b"}}, {}, Stalled, "InvalidSourceConfiguration", id="no Git source"),
        pytest.param({"update": {"strategy": "Magic"}}, {}, Stalled, "InvalidUpdateStrategy", id="strategy"),
        pytest.param({}, {"tag": "v1"}, Transient, "SourceManagerFailed", id="a tag cannot be pushed to"),
    ],
)  # fmt: skip
def test_target_refuses(spec, ref, error, reason):
    with pytest.raises(error) as caught:
        target_of(automation(**spec), source(**ref))
    assert caught.value.reason == reason


@pytest.mark.parametrize("name", ["", "a b", "a..b", "-x", "x.lock", "a:b", "x/"])
def test_bad_branch(name):
    with pytest.raises(Transient):
        check_branch(name)


@pytest.mark.parametrize(
    ("refspec", "want"),
    [
        pytest.param("HEAD:refs/heads/x", Push("c", "refs/heads/x"), id="head"),
        pytest.param("main:x", Push("c", "refs/heads/x"), id="branches"),
        pytest.param(
            "+refs/heads/main:refs/for/main", Push("c", "refs/for/main", force=True), id="forced, to anywhere"
        ),
        pytest.param("other:x", None, id="another branch"),
        pytest.param("main", None, id="nowhere"),
        pytest.param("main:", None, id="empty target"),
    ],
)
def test_refspec(refspec, want):
    if want is None:
        with pytest.raises(Transient, match="refspec"):
            refspec_push(refspec, "c", ("main",))
    else:
        assert refspec_push(refspec, "c", ("main",)) == want


@pytest.mark.parametrize(
    ("image", "want"),
    [
        pytest.param("alpine", "index.docker.io/library/alpine", id="Docker Hub, official"),
        pytest.param("docker.io/cnych/devops-demo", "index.docker.io/cnych/devops-demo", id="seed"),
        pytest.param("registry:5000/a/b", "registry:5000/a/b", id="port"),
        pytest.param("https://x.io/y", "image 'https://x.io/y' should not include URL scheme; remove 'https://'", id="scheme"),
        pytest.param("x.io/y:1", "image 'x.io/y:1' should not include a tag; remove ':1'", id="tag"),
        pytest.param("x.io/Y", "could not parse image 'x.io/Y': could not parse reference", id="capitals"),
    ],
)  # fmt: skip
def test_repository_of(image, want):
    resource = ImageRepository.parse({"metadata": {"name": "a"}, "spec": {"image": image, "interval": "1m"}})
    if want.startswith(("image ", "could ")):
        with pytest.raises(Stalled) as caught:
            repository_of(resource)
        assert caught.value.reason == "ImageURLInvalid"
        assert caught.value.message.startswith(want)
    else:
        assert str(repository_of(resource)) == want


class TestTags:
    KEY = Key("ImageRepository", "ns", "a")

    def test_what_is_written_is_read(self, tmp_path):
        store = TagStore(tmp_path / "tags")
        revision = store.write(self.KEY, "x/y", ["1", "2"])
        assert store.read(self.KEY, "x/y") == ["1", "2"]
        assert revision == revision_of(["1", "2"]) != revision_of(["1", "3"])

    def test_another_image_or_object_has_none(self, tmp_path):
        store = TagStore(tmp_path)
        store.write(self.KEY, "x/y", ["1"])
        assert store.read(self.KEY, "x/z") is None
        assert store.read(self.KEY._replace(name="b"), "x/y") is None
        store.drop(self.KEY)
        store.drop(self.KEY)
        assert store.read(self.KEY, "x/y") is None

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"image": "x/y", "revision": "sha256:0", "tags": ["1"]}'])
    def test_a_damaged_file_counts_as_none(self, tmp_path, content):
        store = TagStore(tmp_path)
        store.write(self.KEY, "x/y", ["1"])
        next(tmp_path.iterdir()).write_text(content)
        assert store.read(self.KEY, "x/y") is None


@pytest.mark.looptime
@pytest.mark.asyncio(loop_scope="function")
class TestLimits:
    async def test_few_scans_of_one_registry_at_once(self):
        limits, busy, most = RegistryLimits(), {"a": 0, "b": 0}, {"a": 0, "b": 0}

        async def scan(host):
            async with limits.turn(host):
                busy[host] += 1
                most[host] = max(most[host], busy[host])
                await asyncio.sleep(1)
                busy[host] -= 1

        await asyncio.gather(*(scan("a") for _ in range(8)), scan("b"))
        assert most == {"a": 4, "b": 1}

    async def test_a_registry_that_wants_peace_is_not_asked(self):
        limits = RegistryLimits()
        limits.pause("a", 30.0)
        await asyncio.sleep(10)
        with pytest.raises(Waiting) as caught:
            async with limits.turn("a"):
                pytest.fail("asked")
        assert caught.value.after == pytest.approx(20, abs=1)
        async with limits.turn("b"):
            pass
        await asyncio.sleep(25)
        async with limits.turn("a"):
            pass
