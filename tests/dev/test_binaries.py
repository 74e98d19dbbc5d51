import os
import time

import pytest

from hub.dev import build
from hub.dev.binaries import BinariesMissing, Toolbox
from hub.dev.pins import CONTROL_PLANE


@pytest.fixture
def places(tmp_path):
    """Folders of programs that print a version, and a Toolbox that looks there."""

    environ = {
        "KUBEBUILDER_ASSETS": str(tmp_path / "assets"),
        "PATH": os.pathsep.join((str(tmp_path / "first"), "", str(tmp_path / "second"))),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }

    class Places:
        toolbox = Toolbox(environ=environ)

        def put(self, place, name, prints):
            path = place if place.name == name else place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"#!/bin/sh\n{prints}\n")
            path.chmod(0o755)
            return path

        def assets(self, name, version):
            return self.put(tmp_path / "assets", name, f"echo v{version}")

        def first(self, name, version):
            return self.put(tmp_path / "first", name, f"echo v{version}")

        def second(self, name, version):
            return self.put(tmp_path / "second", name, f"echo v{version}")

        def cached(self, name):
            return self.put(self.toolbox.cached(name), name, "echo never asked; exit 1")

    return Places()


@pytest.fixture
def no_go(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "_USUAL_PLACE", tmp_path / "nowhere")


async def test_order_of_places(places):
    cached = places.cached("helm")
    assert await places.toolbox.find("helm") == {"helm": cached}
    second = places.second("helm", "4.1.0")
    assert await places.toolbox.find("helm") == {"helm": second}
    first = places.first("helm", "4.2.0")
    assert await places.toolbox.find("helm") == {"helm": first}
    assets = places.assets("helm", "4.0.0")
    assert await places.toolbox.find("helm") == {"helm": assets}


async def test_what_does_not_fit_is_passed_over(places, tmp_path):
    places.assets("helm", "3.19.0")
    places.put(tmp_path / "first", "helm", "exit 3")
    (tmp_path / "first" / "kwok").write_bytes(b"\x00 built for another machine")
    (tmp_path / "first" / "kwok").chmod(0o755)
    second = places.second("helm", "4.1.0")
    assert await places.toolbox.find("helm", "kwok", "etcd") == {"helm": second}


async def test_a_program_that_never_answers_is_passed_over(places, tmp_path, monkeypatch):
    places.put(tmp_path / "first", "helm", "exec sleep 60")
    second = places.second("helm", "4.1.0")
    began = time.monotonic()
    monkeypatch.setattr("hub.dev.binaries._VERSION_TIMEOUT", 1.0)
    assert await places.toolbox.find("helm") == {"helm": second}
    assert time.monotonic() - began < 20


async def test_control_plane_of_one_minor_version(places):
    mine = {name: places.first(name, "1.35.2") for name in CONTROL_PLANE}
    assert await places.toolbox.find(*CONTROL_PLANE) == mine
    places.assets("kube-apiserver", "1.36.0")  # as setup-envtest leaves it: without the other two
    assert await places.toolbox.find(*CONTROL_PLANE) == {}
    cached = {name: places.cached(name) for name in CONTROL_PLANE}
    assert await places.toolbox.find(*CONTROL_PLANE) == cached


async def test_a_lone_part_of_another_minor_version_is_not_completed(places, no_go):
    places.assets("kube-apiserver", "1.35.2")
    with pytest.raises(BinariesMissing, match="no kube-apiserver, kube-controller-manager, kube-scheduler here"):
        await places.toolbox.ensure(*CONTROL_PLANE)
    places.assets("kube-apiserver", "1.36.0")
    with pytest.raises(BinariesMissing, match="no kube-controller-manager, kube-scheduler here"):
        await places.toolbox.ensure(*CONTROL_PLANE)


async def test_without_go_the_message_names_three_ways(places, no_go, tmp_path):
    with pytest.raises(BinariesMissing) as missing:
        await places.toolbox.ensure()
    for way in ("install Go", "docker and kind", "--provider kind", "KUBEBUILDER_ASSETS", "etcd", "helm"):
        assert way in missing.value.message
    assert tmp_path / "cache" not in set(tmp_path.iterdir())
