"""``hubctl list artifacts`` and ``hubctl tag artifact``: which artifacts a registry has, and further names for one."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import click

from hub.cli.artifact import access_options, open_registry, reference_of
from hub.cli.command import ExampleCommand
from hub.cli.lazy import SuggestingGroup
from hub.cli.output import form_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hub.content.oci.client import Registry
    from hub.content.oci.manifest import Manifest
    from hub.content.oci.reference import Reference

_TIMEOUT = 120.0
_AT_ONCE = 8
_NAMES = "org.opencontainers.image"


@click.group("list", cls=SuggestingGroup)
def list_() -> None:
    """List the artifacts of a registry."""


@click.group(cls=SuggestingGroup)
def tag() -> None:
    """Give an artifact of a registry further tags."""


@list_.command(
    "artifacts",
    cls=ExampleCommand,
    examples=(
        ("list artifacts oci://ghcr.io/org/app --filter-semver '>=1.0.0'", "Tags that are versions of 1.0.0 on."),
    ),
)
@access_options
@click.option("--filter-semver", metavar="RANGE", default="", help="Only tags that are versions of this range.")
@click.option("--filter-regex", metavar="PATTERN", default="", help="Only tags that match this regular expression.")
@form_option
def list_artifacts(url: str, *, creds: str, insecure: bool, filter_semver: str, filter_regex: str, form: str) -> None:
    """List the tags of a repository, and what each stands for."""
    from hub.cli.output import write_document, write_table

    chosen = _filter(filter_semver, filter_regex)
    found = asyncio.run(_listed(reference_of(url), chosen, creds, insecure=insecure))
    if form != "table":
        write_document(form, found)
        return
    write_table(["ARTIFACT", "DIGEST", "SOURCE", "REVISION"], [list(one.values()) for one in found])


@tag.command(
    "artifact",
    cls=ExampleCommand,
    examples=(("tag artifact oci://ghcr.io/org/app:v1.2.3 --tag v1 --tag latest", "Nothing is copied."),),
)
@access_options
@click.option("--tag", "tags", metavar="TAG", multiple=True, required=True, help="A further tag; may be repeated.")
def tag_artifact(url: str, *, creds: str, insecure: bool, tags: tuple[str, ...]) -> None:
    """Give an artifact further tags."""
    from hub.cli.say import Say

    reference, say = reference_of(url), Say()
    say.action(f"tagging artifact {url}")
    digest = asyncio.run(_tag(reference, tags, creds, insecure=insecure))
    for one in tags:
        say.success(f"artifact tagged as {reference.repository}:{one}, {digest}")


def _filter(versions: str, pattern: str) -> Callable[[Iterable[str]], list[str]]:
    """Return what chooses tags and puts them in order. Raises ``BadInput``."""
    from hub.cli.failures import BadInput
    from hub.content.semver import BadConstraint, Constraint, parse_version

    try:
        matches, wanted = re.compile(pattern).search, Constraint(versions) if versions else None
    except (re.error, BadConstraint) as error:
        raise BadInput(f"this is no filter of tags: {error}") from error

    def choose(tags: Iterable[str]) -> list[str]:
        matching = [one for one in tags if matches(one)]
        if wanted is None:
            return sorted(matching)
        known = [(version, one) for one in matching if (version := parse_version(one)) and wanted.matches(version)]
        return [one for _, one in sorted(known)]

    return choose


async def _listed(
    reference: Reference, choose: Callable[[Iterable[str]], list[str]], creds: str, *, insecure: bool
) -> list[dict[str, str]]:
    import aiohttp

    from hub.cli.spinner import spinner_of

    waiting, gate = spinner_of().over(f"asking {reference.repository.registry}"), asyncio.Semaphore(_AT_ONCE)
    async with asyncio.timeout(_TIMEOUT), waiting, aiohttp.ClientSession() as session:
        registry = open_registry(session, reference, creds, insecure=insecure)

        async def one(tag: str) -> dict[str, str]:
            async with gate:
                return _row(f"{reference.repository}:{tag}", await registry.manifest(tag))

        return list(await asyncio.gather(*(one(tag) for tag in choose(await registry.tags()))))


def _row(name: str, manifest: Manifest) -> dict[str, str]:
    said = manifest.annotations
    return {
        "artifact": name,
        "digest": manifest.descriptor.digest,
        "source": said.get(f"{_NAMES}.source", ""),
        "revision": said.get(f"{_NAMES}.revision", ""),
    }


async def _tag(reference: Reference, tags: Iterable[str], creds: str, *, insecure: bool) -> str:
    import aiohttp

    from hub.cli.spinner import spinner_of

    waiting = spinner_of().over(f"asking {reference.repository.registry}")
    async with asyncio.timeout(_TIMEOUT), waiting, aiohttp.ClientSession() as session:
        registry: Registry = open_registry(session, reference, creds, insecure=insecure)
        manifest = await registry.manifest(reference.digest or reference.tag or "latest")
        for one in tags:
            await registry.push_manifest(manifest.data, one, manifest.descriptor.media_type)
    return manifest.descriptor.digest
