"""How the value of a flag becomes part of a spec. Each raises ``BadInput`` when it cannot. Pure, but for files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.cli.failures import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable


def pairs(given: Iterable[str], what: str) -> dict[str, str]:
    """Read ``KEY=VALUE`` words; ``what`` is what they are called."""
    found = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not key or not equals:
            raise BadInput(f"'{one}' is no {what} of the form KEY=VALUE")
        found[key] = value
    return found


def plain(spec: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a path."""
    *above, last = path.split(".")
    for key in above:
        spec = spec.setdefault(key, {})
    spec[last] = value


def lines(spec: dict[str, Any], path: str, value: list[str]) -> None:
    """Set several values as lines of one text."""
    plain(spec, path, "\n".join(value))


def only(spec: dict[str, Any], path: str, value: Any) -> None:
    """Set a key of the only entry of a list."""
    entries, _, key = path.rpartition(".")
    *above, last = entries.split(".")
    for one in above:
        spec = spec.setdefault(one, {})
    spec.setdefault(last, [{}])[0][key] = value


def helm_url(spec: dict[str, Any], path: str, value: str) -> None:
    """Set the address of a chart repository; that of a registry says what it is."""
    plain(spec, path, value)
    if value.startswith("oci://"):
        spec["type"] = "oci"


def reference(spec: dict[str, Any], path: str, value: str) -> None:
    """Set ``KIND/NAME[.NAMESPACE]`` as a reference; the kind may be a short name."""
    plain(spec, path, _reference(value))


def references(spec: dict[str, Any], path: str, value: list[str]) -> None:
    """Set several ``KIND/NAME[.NAMESPACE]``."""
    plain(spec, path, [_reference(one) for one in value])


def _reference(value: str) -> dict[str, str]:
    from hub.api.kinds import kind_named

    word, slash, rest = value.partition("/")
    name, _, namespace = rest.partition(".")
    if not slash or not name:
        raise BadInput(f"'{value}' is not KIND/NAME, e.g. GitRepository/charts")
    try:
        kind = kind_named(word).name
    except LookupError:
        kind = word  # the API server knows best which kinds may be named there
    return {"kind": kind, "name": name, **({"namespace": namespace} if namespace else {})}


def layer(spec: dict[str, Any], path: str, value: str) -> None:
    """Set which layer of an artifact is taken, and what is done with it."""
    media_type, _, operation = value.partition(",")
    plain(spec, path, {"mediaType": media_type, **({"operation": operation} if operation else {})})


def git_repository(spec: dict[str, Any], path: str, value: str) -> None:
    """Set the name of a GitRepository as a reference."""
    plain(spec, path, {"kind": "GitRepository", "name": value})


def update_path(spec: dict[str, Any], path: str, value: str) -> None:
    """Set where to look for markers, and that there are some."""
    plain(spec, path, {"path": value, "strategy": "Setters"})


def depends_on(spec: dict[str, Any], path: str, value: list[str]) -> None:
    """Set ``[NAMESPACE/]NAME`` as references."""
    found = []
    for one in value:
        namespace, slash, name = one.rpartition("/")
        if not name or (slash and not namespace):
            raise BadInput(f"'{one}' is not [NAMESPACE/]NAME")
        found.append({"name": name, **({"namespace": namespace} if namespace else {})})
    plain(spec, path, found)


def values_from(spec: dict[str, Any], path: str, value: list[str]) -> None:
    """Set ``Secret/NAME`` and ``ConfigMap/NAME`` as references."""
    kinds = {"secret": "Secret", "configmap": "ConfigMap"}
    found = []
    for one in value:
        kind, _, name = one.partition("/")
        if kind.lower() not in kinds or not name:
            raise BadInput(f"'{one}' is not Secret/NAME or ConfigMap/NAME")
        found.append({"kind": kinds[kind.lower()], "name": name})
    plain(spec, path, found)


def values_files(spec: dict[str, Any], path: str, value: list[str]) -> None:
    """Set the values of files, laid on each other."""
    from hub.content.values import ValuesError, merge, parse

    total: dict[str, Any] = {}
    for name in value:
        try:
            total = merge(total, parse(Path(name).read_bytes()))
        except OSError as error:
            raise BadInput(f"cannot read {name}: {error.strerror}") from error
        except ValuesError as error:
            raise BadInput(f"{name} is no file of values: {error}") from error
    plain(spec, path, total)


def crds(spec: dict[str, Any], path: str, value: str) -> None:
    """Set what happens to definitions: created by the install, and so on upgrades."""
    plain(spec, "install.crds", "Create")
    plain(spec, path, value)


def target(spec: dict[str, Any], path: str, value: str) -> None:
    """Set where a release goes; its record goes there too unless a later flag says otherwise, as in the flux CLI."""
    plain(spec, path, value)
    spec["storageNamespace"] = value
