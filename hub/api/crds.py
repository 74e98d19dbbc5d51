"""
Generate the CustomResourceDefinitions from the registry: ``python -m hub.api.crds [--check] DIR``.

Every version of a kind is served with one schema, the union of what any of them ever had, and without conversion: what
was applied in an old version reads the same in a new one. The old ones warn. Output is deterministic.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hub.api.registry import KINDS
from hub.api.schema import schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.api.kind import Column, Kind, Version

_HEADER = "# Generated from the models in hub/api by 'make crds'. Do not edit.\n"
_INITIAL_STATUS = {"observedGeneration": -1}


def crd(kind: Kind) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind."""
    api, root = kind.api, _root(kind)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{api.plural}.{api.group}",
            # "flux check" finds the CRDs by this label.
            "labels": {"app.kubernetes.io/part-of": "flux"},
        },
        "spec": {
            "group": api.group,
            "scope": "Namespaced" if api.namespaced else "Cluster",
            "names": _names(kind),
            "conversion": {"strategy": "None"},
            # Clients that ask for no version get the first; the storage version is last in the registry.
            "versions": [_version(kind, version, root) for version in reversed(kind.versions)],
        },
    }


def crds() -> list[dict[str, Any]]:
    """Return the definitions of all kinds."""
    return [crd(kind) for kind in KINDS]


def files() -> dict[str, str]:
    """Return the generated files: name to content."""
    return {f"{kind.api.group}_{kind.api.plural}.yaml": _HEADER + _yaml(crd(kind)) for kind in KINDS}


def _names(kind: Kind) -> dict[str, Any]:
    names = {
        "kind": kind.api.kind,
        "listKind": f"{kind.api.kind}List",
        "plural": kind.api.plural,
        "singular": kind.api.kind.lower(),
        "shortNames": list(kind.short_names),
        "categories": list(kind.categories),
    }
    return {name: value for name, value in names.items() if value}


def _version(kind: Kind, version: Version, root: dict[str, Any]) -> dict[str, Any]:
    storage = kind.api.version
    out: dict[str, Any] = {"name": version.name, "served": True, "storage": version.name == storage}
    if version.deprecated:
        out["deprecated"] = True
        out["deprecationWarning"] = f"{version.name} {kind.name} is deprecated, upgrade to {storage}"
    columns = kind.columns if version.columns is None else version.columns
    out["additionalPrinterColumns"] = [_column(column) for column in columns]
    if kind.status:
        out["subresources"] = {"status": {}}
    out["schema"] = {"openAPIV3Schema": root}
    return out


def _column(column: Column) -> dict[str, Any]:
    out: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    return out | {"priority": column.priority} if column.priority else out


def _root(kind: Kind) -> dict[str, Any]:
    """Return the schema of the whole object; what metadata may hold is the API server's own business."""
    root = schema(kind.model)
    properties = root["properties"]
    properties["metadata"] = {"type": "object"}
    if kind.status and kind.initial_status:
        properties["status"]["default"] = dict(_INITIAL_STATUS)
    root["required"] = ["spec"]
    return root


class _Dumper(yaml.SafeDumper):
    """Writes equal parts in full: some readers of CRDs do not follow YAML aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _yaml(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def stale(folder: Path) -> list[str]:
    """Return the names of files in a folder that are missing, out of date, or not generated any more."""
    want = files()
    have = {path.name: path.read_text() for path in folder.glob("*.yaml")}
    return sorted(name for name in want.keys() | have.keys() if want.get(name) != have.get(name))


def write(folder: Path) -> None:
    """Make a folder hold exactly the generated files."""
    folder.mkdir(parents=True, exist_ok=True)
    want = files()
    for name in stale(folder):
        if name in want:
            (folder / name).write_text(want[name])
        else:
            (folder / name).unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m hub.api.crds", description="Write the CRDs of the hub into a folder."
    )
    parser.add_argument(
        "--check", action="store_true", help="only tell whether the files are up to date; exit 1 if not"
    )
    parser.add_argument("folder", type=Path, metavar="DIR")
    options = parser.parse_args(arguments)
    if not options.check:
        write(options.folder)
        return 0
    if names := stale(options.folder):
        sys.stderr.write(f"out of date in {options.folder}: {', '.join(names)}; run 'make crds'\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
