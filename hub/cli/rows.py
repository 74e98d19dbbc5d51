"""
One object as a row of a table. Pure.

Columns and words are those of the flux CLI: NAME, what :mod:`hub.cli.columns` says (mostly REVISION), SUSPENDED, READY,
MESSAGE. The wide table adds the printer columns of the kind, so that a new kind needs nothing here; MESSAGE stays last,
because it is long.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.api.fleet import Member
from hub.api.helm import HelmRelease
from hub.api.meta import READY, parse_time
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
        resource = kind.model.parse(raw)
        meta = resource.metadata
        status, message = ready(resource)
        cells = [meta.namespace] if self.everywhere else []
        cells += [f"{kind.name.lower()}/{meta.name}" if self.prefixed else meta.name]
        cells += [source_of(raw)] if self.source else []
        cells += [_shortened(resource, value(raw, column.path)) for column in columns_of(kind.name)]
        cells += [*([str(resource.spec.suspend)] if _can_rest(kind) else []), status]
        if self.wide:
            cells += [read(raw, resource, now) for _, read in _wide(kind)]
        return [" ".join(cell.split()) for cell in [*cells, message]]


def ready(resource: Resource) -> tuple[str, str]:
    """Return status and message of ``Ready`` as tables show them."""
    condition = resource.status.condition(READY)
    if condition is None:
        if getattr(resource.spec, "type", None) == "oci" and resource.KIND.name == "HelmRepository":
            return "True", "Helm repository is Ready"  # nothing is fetched for one, so nothing can fail
        always = ALWAYS_READY.get(resource.KIND.name)
        return ("True", always) if always else ("False", NOT_YET)
    return condition.status, _shortened(resource, condition.message)


def _can_rest(kind: Kind) -> bool:
    """Whether objects of a kind can be suspended."""
    return kind.name not in NEVER_SUSPENDED


def revision(resource: Resource) -> str:
    """Return what is there now: a release's chart version, a member's version, the revision of a source's artifact."""
    if isinstance(resource, HelmRelease):
        history = resource.status.history
        return history[0].chart_version if history else resource.status.last_attempted_revision
    if isinstance(resource, Member):
        return resource.status.version
    artifact = getattr(resource.status, "artifact", None)
    return _shortened(resource, artifact.revision) if artifact else ""


def _shortened(resource: Resource, text: str) -> str:
    """Cut hashes to eight digits; a release's message names versions in full, as people must type them."""
    return text if isinstance(resource, HelmRelease) else _HASH.sub(lambda found: found[0][:8], text)


def _wide(kind: Kind) -> list[tuple[str, Callable[[dict[str, Any], Any, datetime], str]]]:
    titles = {column.title for column in columns_of(kind.name)}
    paths = {path for column in columns_of(kind.name) for path in re.split(r"[|+]", column.path)}
    columns = [
        one
        for one in kind.columns
        if one.name not in _SHOWN_ALREADY and one.name.upper() not in titles and one.path.strip(".") not in paths
    ]
    own = [(column.name.upper(), _printed(column)) for column in columns]
    return [*_RELEASE, *own] if issubclass(kind.model, HelmRelease) else own


def _printed(column: Column) -> Callable[[dict[str, Any], Any, datetime], str]:
    """Evaluate the JSON path of a printer column; plain paths are all that there are besides conditions."""

    def read(raw: dict[str, Any], _: Any, now: datetime) -> str:
        found: Any = raw
        for step in column.path.strip(".").split("."):
            found = found.get(step) if isinstance(found, dict) else None
        if found is None:
            return ""
        return age(str(found), now) if column.type == "date" else str(found)

    return read


def _member(_: Any, release: HelmRelease, __: Any) -> str:
    """The Secret or ConfigMap says which cluster; without one it is the hub's own."""
    kube = release.spec.kube_config
    reference = kube and (kube.secret_ref or kube.config_map_ref)
    return reference.name if reference else "(hub)"


def _chart(_: Any, release: HelmRelease, __: Any) -> str:
    if release.status.history:
        return release.status.history[0].chart_name
    if release.spec.chart:
        return release.spec.chart.spec.chart
    return release.spec.chart_ref.name if release.spec.chart_ref else ""


def _stored(_: Any, release: HelmRelease, __: Any) -> str:
    """``<namespace>/<release>.v<revision>``, as the messages name it."""
    if not release.status.history:
        return ""
    latest = release.status.history[0]
    return f"{latest.namespace}/{latest.name}.v{latest.version}"


_RELEASE: list[tuple[str, Callable[[dict[str, Any], Any, datetime], str]]] = [
    ("MEMBER", _member),
    ("CHART", _chart),
    ("RELEASE", _stored),
]

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def age(since: str, now: datetime) -> str:
    """Return how long ago a time was, in its largest unit (two of them below ten): ``45s``, ``3m20s``, ``4d``."""
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
