"""``hubctl push artifact`` and ``hubctl pull artifact``: folders as artifacts of a registry, as Flux writes them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from hub.cli.command import ExampleCommand
from hub.cli.lazy import SuggestingGroup

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.content.oci.client import Registry
    from hub.content.oci.reference import Reference

_TIMEOUT = 300.0


@click.group(cls=SuggestingGroup)
def push() -> None:
    """Push an artifact to a registry."""


@click.group(cls=SuggestingGroup)
def pull() -> None:
    """Pull an artifact from a registry."""


def access_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the address of an artifact, and how to get there."""
    command = click.option("--insecure", is_flag=True, help="Plain HTTP.")(command)
    text = "USER:PASSWORD. Default: ~/.docker/config.json."
    command = click.option("--creds", metavar="CREDENTIALS", default="", help=text)(command)
    return click.argument("url", metavar="oci://REPOSITORY[:TAG]")(command)


@push.command(
    "artifact",
    cls=ExampleCommand,
    examples=(
        (
            (
                "push artifact oci://ghcr.io/org/app:v1 --path ./deploy --source=$(git remote get-url origin) "
                "--revision=main@sha1:$(git rev-parse HEAD)"
            ),
            "What an OCIRepository then follows.",
        ),
    ),
)
@access_options
@click.option("--path", "folder", type=click.Path(path_type=Path), required=True, help="Folder to push.")
@click.option("--source", required=True, help="Address of where the files come from.")
@click.option("--revision", required=True, help="Their revision, e.g. main@sha1:<commit>.")
@click.option("--annotations", "-a", multiple=True, metavar="KEY=VALUE", help="Further annotations; may be repeated.")
@click.option("--ignore-paths", multiple=True, help="Paths to leave out, as in .gitignore. May be repeated.")
def push_artifact(url: str, *, folder: Path, ignore_paths: tuple[str, ...], **given: Any) -> None:
    """Push a folder to a registry."""
    from hub.cli.failures import BadInput
    from hub.cli.packing import pack
    from hub.cli.say import Say

    if not folder.is_dir():
        raise BadInput(f"{folder} is not a folder")
    annotations = _annotations(given["source"], given["revision"], given["annotations"])
    reference, say = reference_of(url), Say()
    with TemporaryDirectory(prefix="hubctl-") as name:
        file = Path(name) / "artifact.tgz"
        try:
            pack(folder, file, "\n".join(line for one in ignore_paths for line in one.split(",")))
        except OSError as error:
            raise BadInput(f"cannot pack {folder}: {error}") from error
        say.action(f"pushing artifact to {url}")
        digest = asyncio.run(_push(reference, file, annotations, given["creds"], insecure=given["insecure"]))
    say.success(f"artifact successfully pushed to {reference.repository}@{digest}")


@pull.command(
    "artifact",
    cls=ExampleCommand,
    examples=(("pull artifact oci://ghcr.io/org/app:v1 --output ./here", "Unpack it into a folder."),),
)
@access_options
@click.option("--output", "-o", "folder", type=click.Path(path_type=Path), required=True, help="Folder for its files.")
def pull_artifact(url: str, *, folder: Path, creds: str, insecure: bool) -> None:
    """Pull an artifact into a folder."""
    from hub.cli.failures import BadInput
    from hub.cli.say import Say

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} is not empty; nothing there is overwritten")
    reference, say = reference_of(url), Say()
    say.action(f"pulling artifact from {url}")
    digest = asyncio.run(_pull(reference, folder, creds, insecure=insecure))
    say.success(f"artifact {reference.repository}@{digest} unpacked to {folder}")


def reference_of(url: str) -> Reference:
    """Read an address. Raises ``BadInput``."""
    from hub.cli.failures import BadInput
    from hub.content.oci.reference import BadReferenceError, parse

    if not url.startswith("oci://"):
        raise BadInput(f"'{url}' does not start with oci://")
    try:
        return parse(url)
    except BadReferenceError as error:
        raise BadInput(str(error)) from error


def _annotations(source: str, revision: str, more: tuple[str, ...]) -> dict[str, str]:
    from datetime import UTC, datetime

    from hub.cli.setters import pairs

    name = "org.opencontainers.image"
    found = {f"{name}.created": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
    found |= {f"{name}.source": source, f"{name}.revision": revision}
    return found | pairs(more, "annotation")


async def _push(reference: Reference, file: Path, annotations: dict[str, str], creds: str, *, insecure: bool) -> str:
    import aiohttp

    from hub.cli.spinner import spinner_of
    from hub.content.oci.manifest import FLUX_CONFIG, FLUX_CONTENT, compose_manifest

    waiting = spinner_of().over(f"pushing to {reference.repository}")
    async with asyncio.timeout(_TIMEOUT), waiting, aiohttp.ClientSession() as session:
        registry = open_registry(session, reference, creds, insecure=insecure)
        config = file.with_name("config.json")
        config.write_text("{}")
        pushed = [await registry.push(config, FLUX_CONFIG), await registry.push(file, FLUX_CONTENT)]
        manifest = compose_manifest(pushed[0], pushed[1:], annotations)
        return (await registry.push_manifest(manifest, reference.tag or "latest")).digest


async def _pull(reference: Reference, folder: Path, creds: str, *, insecure: bool) -> str:
    import aiohttp

    from hub.cli.failures import Failed
    from hub.cli.spinner import spinner_of
    from hub.content import tarball

    with TemporaryDirectory(prefix="hubctl-") as name:
        waiting = spinner_of().over(f"pulling from {reference.repository}")
        async with asyncio.timeout(_TIMEOUT), waiting, aiohttp.ClientSession() as session:
            registry = open_registry(session, reference, creds, insecure=insecure)
            manifest = await registry.manifest(reference.digest or reference.tag or "latest")
            if not manifest.layers:
                raise Failed(f"{reference.repository} has no content there: it is an index")
            file = Path(name) / "artifact.tgz"
            await registry.fetch(manifest.layers[0], file)
        try:
            await asyncio.to_thread(tarball.unpack, file, folder)
        except tarball.BadTarballError as error:
            raise Failed(f"{reference.repository} cannot be unpacked: {error}") from error
    return manifest.descriptor.digest


def open_registry(session: Any, reference: Reference, creds: str, *, insecure: bool) -> Registry:
    """Return the repository of a reference, with the credentials that were given or that docker has."""
    from hub.content.oci.client import Registries

    found = _credentials(reference, creds)
    return Registries(lambda: session).open(reference.repository, found, insecure=insecure)


def _credentials(reference: Reference, creds: str) -> Any:
    from hub.cli.failures import BadInput
    from hub.content.oci.credentials import BadDockerConfigError, Credentials, DockerConfig

    if creds:
        user, colon, password = creds.partition(":")
        if not user or not colon:
            raise BadInput("--creds is not USER:PASSWORD")
        return Credentials(user, password)
    path = Path.home() / ".docker" / "config.json"
    if not path.is_file():
        return None
    try:
        return DockerConfig.parse(path.read_bytes()).find(reference.repository)
    except BadDockerConfigError as error:
        raise BadInput(f"{path} cannot be used: {error}") from error
