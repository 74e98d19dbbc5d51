"""
``postRenderers``: changes to the rendered manifests between helm and the member, made by the real kustomize.

Helm 4 calls only an installed plugin. Ours is a few lines that hand the manifest to the hub over a Unix socket, so that
one process knows what a run may do; the hub runs ``kustomize build`` (of kustomize, or of kubectl) on it, once for each
renderer, and hands the result back. What helm stores is the changed manifest. A release without renderers pays nothing.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import shutil
import sys
import tempfile
import textwrap
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from hub.errors import Stalled, ToolFailed
from hub.release import manifest as manifests
from hub.release.selection import idle_patches
from hub.settings import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hub.api.helm import Kustomize, PostRenderer

PLUGIN = "hub"
LARGEST = 64 << 20  # bytes of a manifest
COMBINED, SEPARATE, NO_HOOKS = "combined", "separate", "nohooks"
_LOGGED = re.compile(r'[EF]\d{4} [\d:.]+ +\d+ [^]]+\] "command failed" err=(?:(".*")|<\n(.*)\n >)', re.DOTALL)
_HOOK = "helm.sh/hook"
TIMEOUT = 60.0  # seconds for one renderer
_MANIFEST = "manifest.yaml"

_RENDER = '''\
"""Hand a manifest to the hub and print what it makes of it. Arguments: socket, token."""

import socket
import sys

with socket.socket(socket.AF_UNIX) as hub:
    hub.connect(sys.argv[1])
    hub.sendall(sys.argv[2].encode() + b"\\n" + sys.stdin.buffer.read())
    hub.shutdown(socket.SHUT_WR)
    answer = b"".join(iter(lambda: hub.recv(1 << 16), b""))
verdict, _, rest = answer.partition(b"\\n")
out = sys.stdout if verdict == b"ok" else sys.stderr
out.buffer.write(rest)
sys.exit(verdict != b"ok")
'''


@dataclass(slots=True)
class Rendering:
    """What one run of helm has changed: by whom, what the plugin is told, what went wrong, and what did nothing."""

    renderers: Sequence[PostRenderer]
    strategy: str
    arguments: tuple[str, ...]
    error: str = ""
    idle: Sequence[str] = ()


class PostRenderers:
    """
    Renders for helm runs.

    Args:
        plugins: Helm's plugin folder; ours alone.
    """

    def __init__(self, plugins: Path) -> None:
        self._plugins = plugins
        self._sessions: dict[str, Rendering] = {}
        self._server: asyncio.Server | None = None
        self._folder = ""

    async def start(self) -> None:
        """Install the plugin and listen."""
        _install(self._plugins / PLUGIN)
        # Not in the storage folder: a socket's path may have no more than 107 characters.
        self._folder = tempfile.mkdtemp(prefix="hub-")
        self._server = await asyncio.start_unix_server(self._serve, self._socket, limit=LARGEST)

    async def stop(self) -> None:
        """Hang up."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _socket(self) -> str:
        return str(Path(self._folder) / "render.sock")

    @contextmanager
    def session(self, renderers: Sequence[PostRenderer], strategy: str = COMBINED) -> Iterator[Rendering]:
        """
        Yield the rendering of one run, which helm's plugin finds by its arguments; there are none without renderers.

        Raises:
            ToolFailed: Helm's, with what went wrong here: helm itself tells only that its plugin failed.
        """
        token = secrets.token_urlsafe(24)
        rendering = Rendering(renderers, strategy, (self._socket, token) if renderers else ())
        self._sessions[token] = rendering
        try:
            yield rendering
        except ToolFailed as error:
            if not rendering.error:
                raise
            raise ToolFailed(error.tool, error.returncode, f"{error.message}: {rendering.error}") from error
        finally:
            del self._sessions[token]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            token, _, manifest = (await reader.read(-1)).partition(b"\n")
            rendering = self._sessions.get(token.decode(errors="replace"))
            answer = b"error\nthe run is over" if rendering is None else await _answer(rendering, manifest)
        except OSError as error:
            answer = b"error\n" + str(error).encode()
        with suppress(OSError):
            writer.write(answer)
            await writer.drain()
        writer.close()


async def _answer(rendering: Rendering, manifest: bytes) -> bytes:
    try:
        rendered = await render(manifest, rendering.renderers, rendering.strategy)
        rendering.idle = rendered.idle
        return b"ok\n" + rendered.manifest
    except (RenderFailed, Stalled, TimeoutError) as error:
        rendering.error = str(error) or f"kustomize took longer than {TIMEOUT:g} s"
        return b"error\n" + rendering.error.encode()


class RenderFailed(Exception):
    """Kustomize refused; the message names the renderer and is otherwise its own."""


class Rendered(NamedTuple):
    """A manifest after all renderers, and the patches that had nothing to do, as ``spec.postRenderers[0]...``."""

    manifest: bytes
    idle: Sequence[str]


async def render(manifest: bytes, renderers: Sequence[PostRenderer], strategy: str = COMBINED) -> Rendered:
    """
    Apply all renderers to a manifest.

    Args:
        manifest: What helm rendered, hooks included.
        renderers: In their order.
        strategy: Whether hooks are changed along with the rest (``combined``), for themselves (``separate``), so that a
            patch may find its target in either part, or not at all (``nohooks``).

    Raises:
        RenderFailed: Kustomize refused one.
        Stalled: There is no kustomize on this machine.
    """
    if strategy == COMBINED:
        return await _rendered(manifest, renderers)
    objects, hooks = split_hooks(manifest)
    rendered, idle = await _rendered(objects, renderers)
    if strategy == SEPARATE and hooks:
        hooks, idle_there = await _rendered(hooks, renderers)
        idle = [one for one in idle if one in idle_there]
    return Rendered(b"\n---\n".join([rendered, hooks]), idle)


def split_hooks(manifest: bytes) -> tuple[bytes, bytes]:
    """Return the documents that are no hooks, and those that are, as they were written. Pure."""
    parts: tuple[list[bytes], list[bytes]] = ([], [])
    for document in re.split(rb"^---[^\n]*$", manifest, flags=re.MULTILINE):
        item = yaml.safe_load(document)
        annotations = (item.get("metadata") or {}).get("annotations") or {} if isinstance(item, dict) else {}
        parts[_HOOK in annotations].append(document)
    return b"---".join(parts[0]), b"---".join(parts[1])


async def _rendered(manifest: bytes, renderers: Sequence[PostRenderer]) -> Rendered:
    idle: list[str] = []
    for place, renderer in enumerate(renderers):
        if renderer.kustomize is None:
            continue
        where = f"spec.postRenderers[{place}].kustomize"
        before = manifest
        try:
            manifest = await _kustomize(manifest, renderer.kustomize)
        except RenderFailed as error:
            raise RenderFailed(f"{where}: {error}") from error
        if renderer.kustomize.patches or renderer.kustomize.patches_json6902:
            items = await asyncio.to_thread(manifests.objects, before.decode())
            idle += [f"{where}.{one}" for one in idle_patches(renderer.kustomize, items)]
    return Rendered(manifest, idle)


async def _kustomize(manifest: bytes, changes: Kustomize) -> bytes:
    argv = _build_command()
    with tempfile.TemporaryDirectory(prefix="hub-kustomize-") as folder:
        root = Path(folder)
        (root / _MANIFEST).write_bytes(manifest)
        (root / "kustomization.yaml").write_text(yaml.safe_dump(kustomization(changes)))
        process = await asyncio.create_subprocess_exec(
            *argv,
            folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"HOME": folder, "PATH": ""},
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(TIMEOUT):
                stdout, stderr = await process.communicate()
        except BaseException:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
    if process.returncode:
        raise RenderFailed(complaint(stderr.decode(errors="replace").replace(folder, ".")))
    return stdout


def complaint(stderr: str) -> str:
    """Return what kustomize complains of, without how kubectl logs it: with its time no two tries would fail alike."""
    text = stderr.strip().removeprefix("error: ").removeprefix("Error: ")
    if logged := _LOGGED.fullmatch(text):
        return str(json.loads(logged[1])) if logged[1] else textwrap.dedent(logged[2]).strip()
    return text


def kustomization(changes: Kustomize) -> dict[str, Any]:
    """Return the kustomization that makes the changes of one renderer, old fields included. Pure."""
    patches = [one.dump() for one in changes.patches]
    patches += [{"patch": json.dumps(one)} for one in changes.patches_strategic_merge]
    patches += [
        {"patch": json.dumps([step.dump() for step in one.patch]), "target": one.target.dump()}
        for one in changes.patches_json6902
    ]
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [_MANIFEST],
        "patches": patches,
        "images": [one.dump() for one in changes.images],
    }


def _build_command() -> list[str]:
    """Return the words that build a folder: kustomize where it is, else kubectl, which contains it."""
    if found := shutil.which("kustomize"):
        return [found, "build"]
    candidates = [shutil.which("kubectl"), *map(str, (cache_folder() / "bin").glob("kubernetes-*/kubectl"))]
    found = next((one for one in candidates if one), None)
    if found is None:
        raise Stalled("KustomizeNotFound", "spec.postRenderers needs kustomize or kubectl on PATH of the hub")
    return [found, "kustomize"]


def _install(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "render.py").write_text(_RENDER)
    plugin = {
        "apiVersion": "v1",
        "type": "postrenderer/v1",
        "name": PLUGIN,
        "version": "1.0.0",
        "runtime": "subprocess",
        "runtimeConfig": {
            "platformCommand": [
                {"command": sys.executable, "args": ["-I", "-S", "${HELM_PLUGIN_DIR}/render.py"]},
            ]
        },
    }
    (folder / "plugin.yaml").write_text(yaml.safe_dump(plugin))
