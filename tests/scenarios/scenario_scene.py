"""
One scenario: its names, its repository, its objects; the steps it takes and what it expects.

Everything is bounded by a deadline and nothing sleeps: expectations are looked at until they are met. What fails says
which expectation, what the object is instead, what events tell and what the hub logged about the scenario.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml
from scenario_match import Not, differences, filled, load_all
from scenario_site import Ref

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scenario_hub import HubProcess
    from scenario_site import Site

    from hub.dev.gitserver import GitServer

FOLDER = Path(__file__).parent
PROJECT = FOLDER.parent.parent
DEADLINE = 120.0
"""Seconds for one expectation: generous, because only failing ones need it and machines may be busy."""

_POLL = (0.1, 0.6)
"""Seconds between looks: the first, the longest; looking costs the clusters something too."""
_REQUESTED = "reconcile.fluxcd.io/requestedAt"


@dataclass
class World:
    """The clusters by name (``hub`` is the one with the hub's objects), the hub process and the Git server."""

    sites: dict[str, Site]
    hub: HubProcess
    git: GitServer
    helm: Path
    keep_failed: bool = False


@dataclass
class _Guard:
    """Something that must stay true while the scenario goes on."""

    task: asyncio.Task[None]
    broken: list[str] = field(default_factory=list)


class Scene:
    """
    A scenario under way; an async context manager that removes its namespaces.

    Attributes:
        names: What ``${...}`` stands for: ``ns``, ``target``, ``storage``, ``git`` (URL of the repository), ``commit``
            and ``short`` (the last one pushed, and its first 12 digits), ``member1`` (its kubeconfig), ``charts``
            (the folder of charts here).
    """

    def __init__(self, world: World, name: str) -> None:
        ns = f"{name[:45].strip('-')}-{uuid.uuid4().hex[:5]}"
        self.world = world
        self.name = name
        self.names = {
            "ns": ns, "target": f"{ns}-app", "storage": f"{ns}-store", "repository": ns, "git": world.git.url(ns),
            "charts": str(FOLDER / "charts"),
        }  # fmt: skip
        for site in world.sites.values():
            self.names[site.name] = site.kubeconfig.read_text()
        self.files: dict[str, str] = {}
        self._remembered: dict[Ref, dict[str, Any]] = {}
        self._guards: list[_Guard] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for guard in self._guards:
            guard.task.cancel()
        await asyncio.gather(*(guard.task for guard in self._guards), return_exceptions=True)
        if kind is None or not self.world.keep_failed:
            await self._clean()

    async def _clean(self) -> None:
        """
        Ask for the removal of what the hub looks at, and go on; it has time for it later.

        The members' namespaces stay: to remove them costs their API servers more than a scenario does.
        """
        hub, ns = self.world.sites["hub"], self.names["ns"]
        for kind in ("HelmRelease", "GitRepository"):
            for one in await hub.list(kind, ns):
                await hub.delete(Ref("hub", kind, ns, one["metadata"]["name"]))
        for name in ("ns", "target", "storage"):
            await hub.delete(Ref("hub", "Namespace", "", self.names[name]))

    # Given

    async def given(self, text: str, files: Path | None = None) -> None:
        """Make everything in ``given.yaml`` true: namespaces, repository, kubeconfig Secrets, then the objects."""
        documents = load_all(text)
        settings = next((one for one in documents if "kind" not in one), {})
        objects = [one for one in documents if "kind" in one]
        await self._namespaces(settings.get("namespaces", {"member1": ["${ns}", "${target}"]}))
        await self._repository({"web": "tests/scenarios/charts/web", **settings.get("trees", {})}, files)
        for member in ("member1", "member2"):
            if member in self.world.sites:
                await self.apply("hub", _kubeconfig_secret(member, self.world.sites[member]))
        if settings.get("source", True):
            objects.insert(0, {"kind": "GitRepository"})
        for site in ("member1", "member2"):
            for one in settings.get(site, []):
                await self.apply(site, one)
        for one in objects:
            await self.apply("hub", completed(one) if settings.get("defaults", True) else one)

    async def _namespaces(self, wanted: Mapping[str, list[str]]) -> None:
        wanted = {**wanted, "hub": ["${ns}", *wanted.get("hub", [])]}
        await asyncio.gather(*(
            self.world.sites[site].create_namespace(filled(name, self.names))
            for site, names in wanted.items()
            for name in names
        ))  # fmt: skip

    async def _repository(self, trees: Mapping[str, str], files: Path | None) -> None:
        for folder, source in trees.items():
            self._read(PROJECT / source, f"{folder}/")
        if files is not None:
            self._read(files, "")
        await self.world.git.create(self.names["repository"])
        await self._commit(self.files)

    async def _commit(self, files: Mapping[str, str | None]) -> None:
        commit = await self.world.git.commit(self.names["repository"], files)
        self.names |= {"commit": commit, "short": commit[:12]}

    def _read(self, folder: Path, prefix: str) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.files[f"{prefix}{path.relative_to(folder)}"] = path.read_text(encoding="utf-8")

    # When

    async def play(self, text: str) -> None:
        """Take the steps of ``when.yaml``, one after the other."""
        for step in load_all(text)[0]:
            for words, argument in step.items():
                await self.step(words, argument)

    async def step(self, words: str, argument: Any = None) -> None:
        """Take one step, e.g. ``step("annotate HelmRelease/web", {...})``; see the module ``conftest`` for all."""
        verb, _, where = words.partition(" ")
        if verb != "expect":  # whose parts are filled one by one
            argument, where = filled(argument, self.names), filled(where, self.names)
        match verb:
            case "push":
                await self.push(argument, poke=where != "quietly")
            case "apply":
                await self.apply(where or "hub", *(argument if isinstance(argument, list) else [argument]))
            case "patch":
                ref = self.ref(where)
                await self.world.sites[ref.site].patch(ref, argument)
            case "annotate":
                ref = self.ref(where)
                await self.world.sites[ref.site].patch(ref, {"metadata": {"annotations": argument}})
            case "reconcile":
                stamp = argument or uuid.uuid4().hex
                ref = self.ref(where)
                await self.world.sites[ref.site].patch(ref, {"metadata": {"annotations": {_REQUESTED: stamp}}})
            case "delete":
                ref = self.ref(where)
                await self.world.sites[ref.site].delete(ref)
            case "helm":
                await self.helm(where, *argument)
            case "remember":
                await self.remember(where)
            case "guard":
                await self.guard(where, argument)
            case "expect":
                await self.expect(argument)
            case _:
                raise AssertionError(f"{self.name}: there is no step '{verb}'")

    async def push(self, files: dict[str, Any], *, poke: bool = True) -> str:
        """
        Commit files: a text is the content, a mapping is merged into the YAML file that is there, None removes it.

        With ``poke`` the GitRepository is asked to look now, as a webhook would.
        """
        changed: dict[str, str | None] = {}
        for path, content in files.items():
            if isinstance(content, dict):
                changed[path] = yaml.safe_dump(merged(yaml.safe_load(self.files.get(path, "")) or {}, content))
            else:
                changed[path] = content
        self.files = {path: text for path, text in {**self.files, **changed}.items() if text is not None}
        await self._commit(changed)
        if poke:
            await self.step("reconcile GitRepository/charts", self.names["commit"])
        return self.names["commit"]

    async def apply(self, site: str, *objects: dict[str, Any]) -> None:
        """Apply objects to a cluster, in the scenario's namespace there unless they name one."""
        for one in objects:
            await self.world.sites[site].apply(filled(one, self.names), self._home(site))

    async def helm(self, site: str, *args: str) -> str:
        """Run helm against a cluster, as somebody who knows nothing of the hub would."""
        process = await asyncio.create_subprocess_exec(
            self.world.helm, "--kubeconfig", self.world.sites[site].kubeconfig, *args,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        text = output.decode(errors="replace")
        assert process.returncode == 0, f"helm {' '.join(args)} ended with {process.returncode}: {text}"
        return text

    async def remember(self, reference: str) -> dict[str, Any]:
        """Keep an object as it is now, for ``same``."""
        found = await self.get(reference)
        assert found is not None, f"{self.ref(reference)} does not exist"
        self._remembered[self.ref(reference)] = found
        return found

    async def guard(self, reference: str, expected: Any) -> None:
        """From now to the end of the scenario the object has to look like this, at every change of it."""
        ref = self.ref(reference)
        now = await self.get(reference)
        assert now is not None, f"{ref} does not exist"
        guard = _Guard(asyncio.create_task(asyncio.sleep(0)))
        guard.task = asyncio.create_task(self._watch(ref, expected, now, guard.broken))
        self._guards.append(guard)

    async def _watch(self, ref: Ref, expected: Any, now: dict[str, Any], broken: list[str]) -> None:
        from scenario_site import APIS

        client, version = self.world.sites[ref.site].client, now["metadata"]["resourceVersion"]
        broken += differences(expected, now, str(ref))
        async for event in client.watch(APIS[ref.kind], ref.namespace, resource_version=version):
            if event.type != "BOOKMARK" and event.object["metadata"]["name"] == ref.name:
                found = None if event.type == "DELETED" else event.object
                broken += differences(expected, found, f"{event.type} {ref}")

    # Then

    async def then(self, text: str) -> None:
        """Wait until everything in ``then.yaml`` is true, and see that it is true all at once."""
        checks = load_all(text)[0]
        deadline = time.monotonic() + DEADLINE
        while True:
            # The first check may be true of the time before the change: while the others wait, it turns false.
            await self.expect(checks)
            problems = [
                line for check in checks for words, wanted in check.items() for line in await self._look(words, wanted)
            ]
            if not problems:
                break
            if time.monotonic() > deadline:
                raise AssertionError(await self._report("each was true, but never all at once", problems))
        self.guarded()

    def guarded(self) -> None:
        """What had to stay true has stayed true."""
        for guard in self._guards:
            assert not guard.broken, "\n".join(guard.broken)
            if guard.task.done():
                guard.task.result()  # a watch that ended is no watch

    async def expect(self, checks: list[dict[str, Any]] | dict[str, Any], seconds: float = DEADLINE) -> None:
        """Wait for each of the checks in turn."""
        for check in checks if isinstance(checks, list) else [checks]:
            for words, wanted in check.items():
                await self._wait(words, wanted, seconds)

    async def _wait(self, words: str, wanted: Any, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        pause, longest = _POLL
        while problems := await self._look(words, wanted):
            if time.monotonic() > deadline:
                raise AssertionError(await self._report(f"not true within {seconds:g} s: {words}", problems))
            await asyncio.sleep(pause)
            pause = min(longest, pause * 1.25)

    async def _look(self, words: str, wanted: Any) -> list[str]:
        """Return what is not as it should be now."""
        verb, _, where = filled(words, self.names).rpartition(" ")
        wanted = filled(wanted, self.names)
        match verb:
            case "":
                return self._compare(where, wanted, await self.get(where))
            case "events":
                ref = self.ref(where)
                wanted = wanted if isinstance(wanted, list) else [wanted]
                events = await self.world.sites[ref.site].events_of(ref)
                return [line for one in wanted for line in _among(one, events, words)]
            case "revisions":
                site, namespace, release = re.split("[:/]", where)
                return differences(wanted, await self.world.sites[site].revisions(namespace, release), words)
            case "same" | "changed":
                before, now = self._remembered[self.ref(where)], await self.get(where) or {}
                return [line for path in wanted for line in _compared(verb, words, before, now, path)]
            case "helm":
                return differences(wanted["prints"], await self.helm(where, *wanted["run"]), words)
            case _:
                raise AssertionError(f"{self.name}: nothing is known about '{words}'")

    def _compare(self, where: str, wanted: Any, found: dict[str, Any] | None) -> list[str]:
        if not isinstance(wanted, dict) or found is None:
            return differences(wanted, found, where)
        wanted = dict(wanted)
        conditions = wanted.pop("conditions", {})
        status = found.get("status", {})
        actual = {one["type"]: one for one in status.get("conditions", [])}
        problems = differences(wanted, found, where)
        for kind, one in conditions.items():
            problems += differences(_condition(one), actual.get(kind), f"{where} {kind}")
        if str(conditions.get("Ready", "")).startswith("True"):
            problems += [
                f"{where} is still {kind}: {actual[kind]}" for kind in ("Reconciling", "Stalled") if kind in actual
            ]
            problems += differences(
                found["metadata"]["generation"], status.get("observedGeneration"), "observedGeneration"
            )
        return problems

    async def get(self, reference: str) -> dict[str, Any] | None:
        """Return an object, or None when it does not exist."""
        ref = self.ref(reference)
        return await self.world.sites[ref.site].get(ref)

    def ref(self, text: str) -> Ref:
        """Read ``[site:]Kind/[namespace/]name``; the site is the hub, the namespace the scenario's there."""
        site, _, rest = filled(text, self.names).rpartition(":")
        site = site or "hub"
        kind, *namespace, name = rest.split("/")
        return Ref(site, kind, namespace[0] if namespace else self._home(site), name)

    def _home(self, site: str) -> str:
        return self.names["ns" if site == "hub" else "target"]

    async def _report(self, what: str, problems: list[str]) -> str:
        """Everything that somebody needs who has only the test's output."""
        hub, ns = self.world.sites["hub"], self.names["ns"]
        parts = [f"{self.name}: {what}", *problems]
        for kind in ("HelmRelease", "HelmChart", "GitRepository"):
            for one in await hub.list(kind, ns):
                one["metadata"].pop("managedFields", None)
                parts.append(yaml.safe_dump(one, sort_keys=False, width=200))
        events = await hub.list("Event", ns)
        parts += [
            f"{e['type']} {e['reason']} {e['involvedObject']['name']} x{e.get('count')}: {e['message']}" for e in events
        ]
        for name, site in self.world.sites.items():
            for one in await site.list("Secret", None, labels="owner=helm"):
                if one["metadata"]["namespace"].startswith(ns):
                    parts.append(
                        f"{name}: {one['metadata']['namespace']}/{one['metadata']['name']} {one['metadata']['labels']}"
                    )
        parts += ["log of the hub about it:", self.world.hub.log(ns)]
        return "\n".join(parts)


async def run_folder(world: World, folder: Path) -> None:
    """Play one scenario folder from start to end."""
    async with Scene(world, folder.name) as scene:
        await scene.given((folder / "given.yaml").read_text(), folder / "files")
        if (folder / "when.yaml").exists():
            await scene.play((folder / "when.yaml").read_text())
        await scene.then((folder / "then.yaml").read_text())


def completed(one: dict[str, Any]) -> dict[str, Any]:
    """Return an object with the defaults of its kind where it says nothing; null takes a default away."""
    defaults = {d["kind"]: d for d in yaml.safe_load_all((FOLDER / "defaults.yaml").read_text())}
    return merged(defaults.get(one["kind"], {}), one)


def merged(base: Any, over: Any) -> Any:
    """Merge mappings deeply; null removes, anything else replaces."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    both = {key: merged(base.get(key), value) for key, value in over.items()}
    return {key: value for key, value in {**base, **both}.items() if value is not None}


def _kubeconfig_secret(name: str, site: Site) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": {"value": site.kubeconfig.read_text()},
    }


def _condition(expected: Any) -> Any:
    """``True InstallSucceeded`` is short for status and reason."""
    if not isinstance(expected, str):
        return expected
    status, _, reason = expected.partition(" ")
    return {"status": status, **({"reason": reason} if reason else {})}


def _among(wanted: Any, events: list[dict[str, Any]], where: str) -> list[str]:
    seen = [f"{one['type']} {one['reason']}: {one['message']}" for one in events]
    if isinstance(wanted, Not):
        found = [one for one in events if not differences(wanted.value, one)]
        return [f"{where}: expected no event like {wanted.value}, found {seen}"] if found else []
    if any(not differences(wanted, one) for one in events):
        return []
    return [f"{where}: expected an event like {wanted}, found {seen}"]


def _compared(verb: str, words: str, before: Any, now: Any, path: str) -> list[str]:
    old, new = _at(before, path), _at(now, path)
    if verb == "same":
        return differences(old, new, f"{words} {path}")
    return [] if new is not None and new != old else [f"{words} {path}: is still {old}"]


def _at(tree: Any, path: str) -> Any:
    for key in path.split("."):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree
