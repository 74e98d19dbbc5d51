"""How one kind is named and served: its path on the API server, its versions, its columns. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from hub.errors import Invalid

if TYPE_CHECKING:
    from hub.api.meta import Resource


@dataclass(frozen=True, slots=True)
class Api:
    """One kind in one version, as an API server serves it. The core group is the empty word."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """What objects carry as ``apiVersion``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, name: str | None = None, namespace: str | None = None, subresource: str | None = None) -> str:
        """
        Return the URL path of an object, or of all objects when ``name`` is None.

        Raises:
            Invalid: A name would lead to another path. (Names come from what users wrote into their objects.)
        """
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part is not None]
        return "/" + "/".join(self._segment(part) for part in parts)

    def _segment(self, part: str) -> str:
        if part in {"", ".", ".."} or "/" in part or "%" in part:
            raise Invalid(422, "Invalid", f"'{part}' cannot be the name of a {self.kind} or of its namespace")
        return quote(part, safe=":@")


class Key(NamedTuple):
    """The identity of an object within one cluster."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"


class Column(NamedTuple):
    """A column that ``kubectl get`` prints; ``path`` is a JSON path. Priority 1 shows with ``-o wide`` only."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


AGE = Column("Age", ".metadata.creationTimestamp", "date")
READY = Column("Ready", '.status.conditions[?(@.type=="Ready")].status')
STATUS = Column("Status", '.status.conditions[?(@.type=="Ready")].message')


@dataclass(frozen=True, slots=True)
class Version:
    """A served version of a kind; ``columns`` None means those of the kind."""

    name: str
    deprecated: bool = False
    columns: tuple[Column, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """
    Everything about a kind that is not in its model's fields. One object per kind, compared by identity.

    Attributes:
        api: The storage version; the one the hub reads and writes.
        versions: All served versions, oldest first; the storage version is among them.
        names: What the command line calls it, the shown name first: ``source git``.
        short_names: Of ``kubectl``.
        categories: Of ``kubectl``.
        columns: Of ``kubectl get``.
        status: The kind has a status subresource.
        initial_status: New objects get a status that says that nobody has looked at them yet.
    """

    api: Api
    versions: tuple[Version, ...]
    names: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    columns: tuple[Column, ...] = (AGE, READY, STATUS)
    status: bool = True
    initial_status: bool = True
    _model: list[type[Resource]] = field(default_factory=list, repr=False)

    @property
    def name(self) -> str:
        """The word in ``kind:``."""
        return self.api.kind

    @property
    def model(self) -> type[Resource]:
        """The class of its objects. Who asks for it has it imported."""
        if not self._model:
            import_module("hub.api.registry")
        return self._model[0]

    def modelled_by(self, model: type[Resource]) -> None:
        """Let the kind know its model: done once, when the class is made."""
        self._model[:] = [model]

    def at(self, version: str) -> Api:
        """Return the kind's API in one of its served versions."""
        if version not in {v.name for v in self.versions}:
            raise LookupError(f"{self.api.plural}.{self.api.group} has no version '{version}'")
        return replace(self.api, version=version)
