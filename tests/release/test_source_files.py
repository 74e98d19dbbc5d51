from __future__ import annotations

import aiohttp
import pytest

from hub.api.helm import VALUES_LAYERS, HelmRelease
from hub.api.meta import Artifact
from hub.api.source import GitRepository, HelmChart
from hub.content import tarball
from hub.content.fetch import ArtifactReader
from hub.content.store import Store
from hub.content.trees import Trees
from hub.errors import Stalled, Waiting
from hub.release import source_files
from hub.release.source_files import SourceFiles
from hub.release.values import Values


@pytest.fixture
async def bench(tmp_path):
    """A store with artifacts in it, and what reads them."""
    bench = Bench(tmp_path)
    await bench.store.prepare()
    async with aiohttp.ClientSession() as session:
        bench.files = SourceFiles(bench.sources.get, ArtifactReader(bench.store, lambda: session), bench.trees)
        yield bench


class Bench:
    def __init__(self, folder):
        self.folder = folder
        self.store = Store(folder / "store", "http://127.0.0.1")
        self.trees = Trees(folder / "trees")
        self.sources = {}

    async def push(self, name, revision, **files):
        """Give a GitRepository an artifact with files; ``a__b`` is ``a/b.yaml``."""
        target = self.folder / "made.tar.gz"
        with tarball.writing(target) as writer:
            for path, text in files.items():
                writer.add(f"{path.replace('__', '/')}.yaml", text if isinstance(text, bytes) else text.encode())
        made = await self.store.put("gitrepository", "ns", name, f"{revision}.tar.gz", revision, target)
        source = GitRepository.parse({"metadata": {"name": name, "namespace": "ns"}})
        source.status.artifact = Artifact.parse(made.as_dict())
        self.sources[source.key] = source

    async def compose(self, *layers, chart=None):
        text = "\n".join(f"- {{kind: GitRepository, {layer}}}" for layer in layers)
        metadata = {"name": "app", "namespace": "ns", "annotations": {VALUES_LAYERS: text}}
        release = HelmRelease.parse({"metadata": metadata, "spec": {"values": {"last": True}}})
        values = await Values(None, self.files).compose(release, chart)
        return values, release.status.observed_values_layers


def chart(source, revision, **spec):
    return HelmChart.parse(
        {
            "metadata": {"name": "c", "namespace": "ns"},
            "spec": {"sourceRef": {"kind": "GitRepository", "name": source}, **spec},
            "status": {"observedSourceArtifactRevision": revision},
        }
    )


async def test_files_of_several_sources_in_their_order(bench):
    await bench.push("one", "r1", common="{a: 1, b: 1, last: 1}", members__m="{b: 2, l: [1, 2]}")
    await bench.push("two", "r7", common="{l: [3]}")
    values, observed = await bench.compose(
        "name: one, path: ./common.yaml", "name: one, path: members/m.yaml", "name: two, path: common.yaml"
    )
    assert values == {"a": 1, "b": 2, "l": [3], "last": True}
    assert [line.partition(" sha256:")[0] for line in observed] == [
        "GitRepository/one ./common.yaml",
        "GitRepository/one members/m.yaml",
        "GitRepository/two common.yaml",
    ]


async def test_another_revision_with_equal_content_is_the_same(bench):
    await bench.push("one", "r1", common="{a: 1}", other="x: 1")
    before = await bench.compose("name: one, path: common.yaml")
    await bench.push("one", "r2", common="{a: 1}", other="x: 2")
    assert await bench.compose("name: one, path: common.yaml") == before
    await bench.push("one", "r3", common="{a: 2}", other="x: 2")
    assert await bench.compose("name: one, path: common.yaml") != before


async def test_an_optional_file_may_be_missing_and_come(bench):
    await bench.push("one", "r1", common="{a: 1}")
    layers = ("name: one, path: common.yaml", "name: one, path: m.yaml, optional: true")
    values, observed = await bench.compose(*layers)
    assert values == {"a": 1, "last": True}
    assert observed[1] == "GitRepository/one m.yaml (missing)"
    await bench.push("one", "r2", common="{a: 1}", m="{a: 2}")
    assert (await bench.compose(*layers))[0] == {"a": 2, "last": True}


async def test_what_was_read_is_read_no_more(bench):
    await bench.push("one", "r1", common="{a: 1}")
    before = await bench.compose("name: one, path: common.yaml")
    bench.files._artifacts = bench.files._trees = None
    assert await bench.compose("name: one, path: common.yaml") == before


async def test_only_so_much_is_remembered(bench, monkeypatch):
    monkeypatch.setattr(source_files, "_REMEMBERED", 5000)
    await bench.push("one", "r1", **{f"f{i}": f"a: {'x' * 1000}" for i in range(5)})
    for i in range(5):
        await bench.compose(f"name: one, path: f{i}.yaml")
    assert len(bench.files._known) == 2
    assert bench.files._size == sum(source_files._weight(one) for one in bench.files._known.values())


@pytest.mark.parametrize(
    ("layer", "kind", "reason", "message"),
    [
        pytest.param(
            "name: none, path: a.yaml, optional: true",
            Waiting,
            "SourceNotReady",
            "values layer 1 (GitRepository/none a.yaml): GitRepository 'ns/none' not found",
            id="no source, although optional",
        ),
        pytest.param(
            "name: fresh, path: a.yaml, optional: true",
            Waiting,
            "SourceNotReady",
            "values layer 1 (GitRepository/fresh a.yaml): GitRepository 'ns/fresh' is not ready: "
            "does not have an artifact",
            id="no artifact, although optional",
        ),
        pytest.param(
            "name: one, path: a.yaml",
            Stalled,
            "ValuesError",
            "values layer 1 (GitRepository/one a.yaml): there is no such file in revision 'r1'",
            id="no file",
        ),
        pytest.param(
            "name: one, path: list.yaml",
            Stalled,
            "ValuesError",
            "values layer 1 (GitRepository/one list.yaml): cannot read 'list.yaml': a mapping is expected, not a list",
            id="no mapping",
        ),
        pytest.param(
            "name: one, path: broken.yaml, optional: true",
            Stalled,
            "ValuesError",
            "values layer 1 (GitRepository/one broken.yaml): cannot read 'broken.yaml': "
            "yaml: line 2: did not find expected node content",
            id="not yaml, although optional",
        ),
        pytest.param(
            "name: one, path: members",
            Stalled,
            "ValuesError",
            "values layer 1 (GitRepository/one members): 'members' is a folder, not a values file",
            id="a folder",
        ),
        pytest.param(
            "name: one, path: ../../etc/passwd, optional: true",
            Stalled,
            "ValuesError",
            "values layer 1 (GitRepository/one ../../etc/passwd): "
            "the values file path '../../etc/passwd' leaves the source",
            id="out of the source",
        ),
        pytest.param(
            "name: one, path: large.yaml",
            Stalled,
            "ValuesError",
            "values layer 1 (GitRepository/one large.yaml): 'large.yaml' is larger than 8388608 bytes",
            id="too large",
        ),
    ],
)
async def test_what_is_no_layer(bench, layer, kind, reason, message):
    large = b"#" * (source_files.MAX_SIZE + 1)
    await bench.push("one", "r1", list="- a", broken="[", members__m="a: 1", large=large)
    fresh = GitRepository.parse({"metadata": {"name": "fresh", "namespace": "ns"}})
    bench.sources[fresh.key] = fresh
    with pytest.raises(kind) as caught:
        await bench.compose(layer)
    assert (caught.value.reason, caught.value.message) == (reason, message)


@pytest.mark.parametrize(
    ("built", "waits"),
    [
        pytest.param(chart("one", "r1"), False, id="of the same revision"),
        pytest.param(chart("one", "r0"), True, id="of another revision"),
        pytest.param(chart("two", "r0"), False, id="of another source"),
        pytest.param(chart("one", "r0", suspend=True), False, id="it is held back"),
    ],
)
async def test_a_layer_waits_for_the_chart_of_its_source(bench, built, waits):
    await bench.push("one", "r1", common="{a: 1}")
    if not waits:
        await bench.compose("name: one, path: common.yaml", chart=built)
        return
    with pytest.raises(Waiting) as caught:
        await bench.compose("name: one, path: common.yaml", chart=built)
    assert caught.value.message == (
        "values layer 1 (GitRepository/one common.yaml): HelmChart 'ns/c' has not been built from revision 'r1' yet"
    )
    assert caught.value.quiet
