"""
One object as a row of a table. Pure.

Columns and words are those of the flux CLI: NAME, what :mod:`hub.cli.columns` says (mostly REVISION), SUSPENDED, READY,
MESSAGE. The wide table adds the printer columns of the kind, so that a new kind needs nothing here; MESSAGE stays last,
because it is long. Rows are made of plain objects: the models take longer to import than a server takes to answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.cli.columns import ALWAYS_READY, NEVER_SUSPENDED, columns_of, source_of, value

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from hub.api.kind import Column, Kind
    from hub.api.meta import Resource

NOT_YET = "waiting to be reconciled"

_HASH = re.compile(r"\b[0-9a-f]{40,128}\b")
_SHOWN_ALREADY = frozenset({"Ready", "Status"})


@dataclass(frozen=True, slots=True)
class Layout:
    """
    Which columns a table has.

    Attributes:
        everywhere: NAMESPACE leads, because objects of several are shown.
        prefixed: NAME is ``<kind>/<name>``, because several kinds are shown.
        wide: The kind's own columns are shown too.
        source: SOURCE is shown, for kinds that are made from one.
    """

    everywhere: bool = False
    prefixed: bool = False
    wide: bool = False
    source: bool = False

    def header(self, kind: Kind) -> list[str]:
        """Return the titles of the columns."""
        more = [title for title, _ in _wide(kind)] if self.wide else []
        front = [*(["NAMESPACE"] if self.everywhere else []), "NAME", *(["SOURCE"] if self.source else [])]
        own = [column.title for column in columns_of(kind.name)]
        return [*front, *own, *(["SUSPENDED"] if _can_rest(kind) else []), "READY", *more, "MESSAGE"]

    def row(self, kind: Kind, raw: dict[str, Any], now: datetime) -> list[str]:
        """Return the cells of one object, each a single line."""
        meta = raw["metadata"]
        status, message = ready(kind, raw)
        cells = [str(meta.get("namespace", ""))] if self.everywhere else []
        cells += [f"{kind.name.lower()}/{meta['name']}" if self.prefixed else meta["name"]]
        cells += [source_of(raw)] if self.source else []
        cells += [_shortened(kind, value(raw, column.path)) for column in columns_of(kind.name)]
        cells += [*([str(bool(_spec(raw).get("suspend")))] if _can_rest(kind) else []), status]
        if self.wide:
            cells += [read(raw, now) for _, read in _wide(kind)]
        return [" ".join(cell.split()) for cell in [*cells, message]]


def ready(kind: Kind, raw: dict[str, Any]) -> tuple[str, str]:
    """Return status and message of ``Ready`` as tables show them."""
    conditions = (raw.get("status") or {}).get("conditions") or ()
    condition = next((one for one in conditions if one.get("type") == "Ready"), None)
    if condition is None:
        if kind.name == "HelmRepository" and _spec(raw).get("type") == "oci":
            return "True", "Helm repository is Ready"  # nothing is fetched for one, so nothing can fail
        always = ALWAYS_READY.get(kind.name)
        return ("True", always) if always else ("False", NOT_YET)
    return str(condition.get("status", "")), _shortened(kind, str(condition.get("message") or ""))


def _spec(raw: dict[str, Any]) -> dict[str, Any]:
    return raw.get("spec") or {}


def _can_rest(kind: Kind) -> bool:
    """Whether objects of a kind can be suspended."""
    return kind.name not in NEVER_SUSPENDED


def revision(resource: Resource) -> str:
    """Return what is there now: a release's chart version, a member's version, the revision of a source's artifact."""
    from hub.api.fleet import Member
    from hub.api.helm import HelmRelease

    if isinstance(resource, HelmRelease):
        history = resource.status.history
        return history[0].chart_version if history else resource.status.last_attempted_revision
    if isinstance(resource, Member):
        return resource.status.version
    artifact = getattr(resource.status, "artifact", None)
    return _shortened(resource.KIND, artifact.revision) if artifact else ""


def _shortened(kind: Kind, text: str) -> str:
    """Cut hashes to eight digits; a release's message names versions in full, as people must type them."""
    return text if kind.name == "HelmRelease" else _HASH.sub(lambda found: found[0][:8], text)


def _wide(kind: Kind) -> list[tuple[str, Callable[[dict[str, Any], datetime], str]]]:
    titles = {column.title for column in columns_of(kind.name)}
    paths = {path for column in columns_of(kind.name) for path in re.split(r"[|+]", column.path)}
    columns = [
        one
        for one in kind.columns
        if one.name not in _SHOWN_ALREADY and one.name.upper() not in titles and one.path.strip(".") not in paths
    ]
    own = [(column.name.upper(), _printed(column)) for column in columns]
    return [*_RELEASE, *own] if kind.name == "HelmRelease" else own


def _printed(column: Column) -> Callable[[dict[str, Any], datetime], str]:
    """Evaluate the JSON path of a printer column; plain paths are all that there are besides conditions."""

    def read(raw: dict[str, Any], now: datetime) -> str:
        found: Any = raw
        for step in column.path.strip(".").split("."):
            found = found.get(step) if isinstance(found, dict) else None
        if found is None:
            return ""
        return age(str(found), now) if column.type == "date" else str(found)

    return read


def _member(raw: dict[str, Any], _: datetime) -> str:
    """The Secret or ConfigMap says which cluster; without one it is the hub's own."""
    kube = _spec(raw).get("kubeConfig") or {}
    return value(kube, "secretRef.name|configMapRef.name") if kube else "(hub)"


def _chart(raw: dict[str, Any], _: datetime) -> str:
    return value(raw, "status.history.0.chartName|spec.chart.spec.chart|spec.chartRef.name")


def _stored(raw: dict[str, Any], _: datetime) -> str:
    """``<namespace>/<release>.v<revision>``, as the messages name it."""
    latest = "status.history.0"
    version = value(raw, f"{latest}.version")
    return f"{value(raw, f'{latest}.namespace')}/{value(raw, f'{latest}.name')}.v{version}" if version else ""


_RELEASE: list[tuple[str, Callable[[dict[str, Any], datetime], str]]] = [
    ("MEMBER", _member),
    ("CHART", _chart),
    ("RELEASE", _stored),
]

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def age(since: str, now: datetime) -> str:
    """Return how long ago a time was, in its largest unit (two of them below ten): ``45s``, ``3m20s``, ``4d``."""
    from hub.api.duration import parse_time

    try:
        seconds = max(0, int((now - parse_time(since)).total_seconds()))
    except ValueError:
        return ""
    for number, (size, unit) in enumerate(_UNITS):
        whole, rest = divmod(seconds, size)
        if whole >= 1:
            smaller, letter = _UNITS[number + 1] if number + 1 < len(_UNITS) else (1, "")
            more = f"{rest // smaller}{letter}" if whole < 10 and rest // smaller and letter else ""
            return f"{whole}{unit}{more}"
    return "0s"
