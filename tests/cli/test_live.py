import io

from rich.console import Console

from hub.api.helm import HelmRelease
from hub.api.source import GitRepository
from hub.cli.live import Screen
from hub.cli.stream import Change

RELEASE, GIT = HelmRelease.KIND, GitRepository.KIND


def an_object(name):
    return {"metadata": {"name": name, "namespace": "ns"}}


def names(listed):
    return [f"{kind.name} {raw['metadata']['name']}" for kind, objects in listed for raw in objects]


def drawn(screen):
    console = Console(file=io.StringIO(), width=80)
    console.print(screen)
    return console.file.getvalue().splitlines()


def test_objects_appear_change_and_disappear_in_the_order_of_kinds():
    screen = Screen((GIT, RELEASE), names)
    assert drawn(screen) == ["(nothing yet)"]
    screen.show(RELEASE, [(Change("listed", an_object(name)), True) for name in ("a", "b")])
    screen.show(GIT, [(Change("listed", an_object("repo")), True)])
    assert drawn(screen) == ["GitRepository repo", "HelmRelease a", "HelmRelease b"]
    screen.show(RELEASE, [(Change("deleted", an_object("a")), False)])
    assert drawn(screen) == ["GitRepository repo", "HelmRelease b"]


def test_colours_of_the_table_survive():
    screen = Screen((GIT,), lambda _: ["\x1b[31mFalse\x1b[0m"])
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="standard")
    console.print(screen)
    assert "\x1b[31mFalse" in console.file.getvalue()
