from __future__ import annotations

import json
import tracemalloc

import pytest

from hub.content.helmindex import (
    BadIndexError,
    ChartVersion,
    Lookups,
    NoSuchVersionError,
    load,
    pick,
    scan,
)


def entry(version, name="web", created="2026-01-01T00:00:00Z"):
    return {
        "apiVersion": "v2",
        "name": name,
        "version": version,
        "description": 'a: "b"\n  c:\nd',
        "urls": [f"{name}-{version}.tgz"],
        "digest": "a" * 64,
        "created": created,
    }


HELM = """apiVersion: v1
# what helm repo index writes
entries:
  empty: []
  other:
  - name: other
    version: 0.1.0
    urls:
    - https://example.com/other-0.1.0.tgz
    description: |
      entries:
        web:
        - not an entry
  web:
  - apiVersion: v2
    created: "2026-01-01T00:00:00.123456789Z"
    digest: abc
    name: web
    urls:
    - web-1.0.0.tgz
    - https://mirror.example.com/web-1.0.0.tgz
    version: 1.0.0
  - name: web
    urls: []
    version: 1.1.0
  - name: web
    urls: [x.tgz]
    version: not-a-version
  - name: web
    urls: [web-1.2.0.tgz]
    version: v1.2.0

generated: "2026-01-01T00:00:00Z"
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        file = tmp_path / "index.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(file, tmp_path / "spare.yaml")

    return read


def test_what_helm_writes(read, tmp_path):
    index = read(HELM)
    assert index.file == tmp_path / "index.yaml", "read as it is"
    assert set(index.spans) == {"empty", "other", "web"}
    assert index.versions("empty") == []
    assert [one.version for one in index.versions("other")] == ["0.1.0"]
    urls = ("web-1.0.0.tgz", "https://mirror.example.com/web-1.0.0.tgz")
    assert index.versions("web") == [
        ChartVersion("web", "1.0.0", urls, "abc", "2026-01-01T00:00:00.123456789Z"),
        ChartVersion("web", "v1.2.0", ("web-1.2.0.tgz",), "", ""),
    ]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(json.dumps({"apiVersion": "v1", "entries": {"web": [entry("1.0.0")]}}), id="JSON"),
        pytest.param(
            json.dumps({"entries": {"web": [entry("1.0.0")]}, "apiVersion": "v1"}, indent=1), id="JSON with line feeds"
        ),
        pytest.param(f"apiVersion: v1\nentries: {{web: [{json.dumps(entry('1.0.0'))}]}}\n", id="flow style"),
        pytest.param(f"apiVersion: v1\nentries:\n  ? web\n  : - {json.dumps(entry('1.0.0'))}\n", id="explicit keys"),
        pytest.param(f"apiVersion: v1\nentries:\n  'web':\n  - {json.dumps(entry('1.0.0'))}\n", id="single quotes"),
        pytest.param(
            f"---\napiVersion: v1\nserverInfo: {{}}\nentries:\n    web:\n        - {json.dumps(entry('1.0.0'))}\n",
            id="deeper, with more keys",
        ),
        pytest.param(f"apiVersion: v1\r\nentries:\r\n  web:\r\n  - {json.dumps(entry('1.0.0'))}\r\n", id="CRLF"),
    ],
)
def test_other_shapes_say_the_same(read, text):
    want = ChartVersion("web", "1.0.0", ("web-1.0.0.tgz",), "a" * 64, "2026-01-01T00:00:00Z")
    assert read(text).versions("web") == [want]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("<!DOCTYPE html><html></html>", "it is a web page, not YAML", id="a web page"),
        pytest.param("a: b: c", "it is not YAML: mapping values are not allowed", id="not YAML"),
        pytest.param(b"\xff\xfe\x00", "it is not YAML", id="binary"),
        pytest.param("", "a mapping with 'apiVersion' and 'entries' is expected", id="empty"),
        pytest.param("- a", "a mapping with 'apiVersion' and 'entries' is expected", id="a list"),
        pytest.param("entries: {}", "it has no 'entries'", id="no version"),
        pytest.param("apiVersion: v1\n", "it has no 'entries'", id="no entries"),
        pytest.param("apiVersion: v1\nentries: [a]", "'entries' is not a mapping", id="entries are a list"),
        pytest.param(
            "apiVersion: v1\nentries: {web: {a: b}}", "the entries of chart 'web' are not a list", id="a chart"
        ),
        pytest.param("{" * 5000, "a key is not text", id="deep"),
        pytest.param(
            '{"apiVersion": "v1", "entries": {"web": [' + "[" * 500 + "]" * 500 + "]}}",
            "nested more than 100",
            id="nested",
        ),
    ],
)
def test_what_is_no_index(read, text, message):
    with pytest.raises(BadIndexError, match=message):
        read(text)


def test_a_chart_whose_entries_are_broken_does_not_harm_others(read):
    index = read("apiVersion: v1\nentries:\n  bad:\n  - a: b: c\n  web:\n  - {name: web, version: 1.0.0, urls: [a]}\n")
    assert [one.version for one in index.versions("web")] == ["1.0.0"]
    with pytest.raises(BadIndexError, match="the entries of chart 'bad' are not YAML"):
        index.versions("bad")
    with pytest.raises(NoSuchVersionError, match="the repository has no chart 'nope'"):
        index.versions("nope")


VERSIONS = ["1.0.0", "1.2.0-rc.1", "1.1.0", "2.0.0-beta.1", "1.0.0+b", "0.9.0"]


@pytest.mark.parametrize(
    ("wanted", "version"),
    [
        pytest.param("*", "1.1.0", id="the latest stable"),
        pytest.param("", "1.1.0", id="nothing"),
        pytest.param("2.0.0-beta.1", "2.0.0-beta.1", id="exactly"),
        pytest.param("1.0.0", "1.0.0", id="the name counts, not the order"),
        pytest.param(">=1.0.0-0", "2.0.0-beta.1", id="pre-releases when asked for"),
        pytest.param("1.x", "1.1.0", id="a range"),
        pytest.param("~1.2.0-0", "1.2.0-rc.1", id="a range of pre-releases"),
        pytest.param("<1.0", "0.9.0", id="below"),
        pytest.param("v1.1.0", "1.1.0", id="with a v"),
    ],
)
def test_pick(wanted, version):
    assert pick([ChartVersion("web", one, ("x",), "", "") for one in VERSIONS], wanted).version == version


def test_pick_takes_the_newest_of_equals():
    made = [ChartVersion("web", f"1.0.0+{n}", ("x",), "", f"2026-01-0{n}T00:00:00Z") for n in (1, 3, 2)]
    assert pick(made, "1.x").version == "1.0.0+3"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        pytest.param("3.x", "no 'web' chart with version matching '3.x' found", id="none"),
        pytest.param("newest", 'improper constraint: "newest"', id="no range"),
    ],
)
def test_pick_refuses(wanted, message):
    with pytest.raises(NoSuchVersionError, match=message):
        pick([ChartVersion("web", "1.0.0", ("x",), "", "")], wanted)


def write_large(file, shape):
    charts = {f"chart{n}": [entry(f"1.{v}.0", f"chart{n}") for v in range(50)] for n in range(60)}
    if shape == "json":
        file.write_text(json.dumps({"apiVersion": "v1", "entries": charts}))
        return
    with file.open("w") as out:
        out.write("apiVersion: v1\nentries:\n")
        for name, versions in charts.items():
            out.write(f"  {name}:\n")
            out.writelines(f"  - {json.dumps(one)}\n" for one in versions)


@pytest.mark.parametrize("shape", ["helm", "json"])
def test_reading_does_not_grow_with_the_file(tmp_path, shape):
    file = tmp_path / "index.yaml"
    write_large(file, shape)
    assert file.stat().st_size > 600_000
    tracemalloc.start()
    try:
        index = load(file, tmp_path / "spare.yaml")
        assert pick(index.versions("chart7"), "*").version == "1.49.0"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 500_000


def test_lookups_read_a_file_once(tmp_path):
    file = tmp_path / "index.yaml"
    file.write_text(HELM)
    lookups = Lookups()
    first = lookups.versions(file, "sha256:1", "web")
    file.unlink()
    assert lookups.versions(file, "sha256:1", "web") is first
    with pytest.raises(FileNotFoundError):
        lookups.versions(file, "sha256:1", "other")


def test_scan_does_not_guess(tmp_path):
    file = tmp_path / "index.yaml"
    file.write_text("apiVersion: v1\nentries:\n    a:\n    - x\n  b:\n  - y\n")
    assert scan(file) is None
