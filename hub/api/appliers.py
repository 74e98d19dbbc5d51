"""What the kinds that apply things to clusters share: metadata, patches, dependencies, health, inventory. Pure."""

from __future__ import annotations

from typing import Any, Literal

from hub.api.meta import Lenient, Model, about

PatchOperation = Literal["test", "remove", "add", "replace", "move", "copy"]


class CommonMetadata(Model):
    """Labels and annotations that every applied object gets."""

    annotations: dict[str, str] = about("Annotations to add.", factory=dict)
    labels: dict[str, str] = about("Labels to add.", factory=dict)


class DependsOn(Model):
    """An object of the same kind that must be ready first."""

    name: str = about("Name of the other object.", "", required=True)
    namespace: str = about("Its namespace. Default: this object's.", "")
    ready_expr: str = about(
        "CEL expression that says when the other ('dep') is ready for this one ('self'), in place of the usual check.",
        "",
    )


class Selector(Model):
    """Objects by what they are; names and kinds are anchored regular expressions. An empty field selects all."""

    group: str = about("API group.", "")
    version: str = about("API version.", "")
    kind: str = about("Kind.", "")
    namespace: str = about("Namespace.", "")
    name: str = about("Name.", "")
    annotation_selector: str = about("Selector over annotations.", "")
    label_selector: str = about("Selector over labels.", "")


class Image(Model):
    """A container image to exchange for another."""

    name: str = about("Image name without tag.", "", required=True)
    new_name: str = about("Name to put in its place.", "")
    new_tag: str = about("Tag to put in its place.", "")
    digest: str = about("Digest to put in its place; wins over the tag.", "")


class Patch(Model):
    """A strategic merge patch or a list of JSON 6902 operations, as YAML text."""

    patch: str = about("The patch.", "", required=True)
    target: Selector | None = about("What it is applied to. Default: what the patch itself names.", None)


class JSON6902(Model):
    """One operation of a JSON patch."""

    op: Lenient[PatchOperation] = about("What to do.", "add", required=True)
    path: str = about("Where, as a JSON pointer.", "", required=True)
    from_: str = about("Whence, for move and copy.", "", alias="from")
    value: Any = about("The value, for test, add and replace.", None)


class JSON6902Patch(Model):
    """A JSON patch and its target."""

    patch: list[JSON6902] = about("Operations in order.", factory=list, required=True)
    target: Selector = about("What it is applied to.", factory=Selector, required=True)


class IgnoreRule(Model):
    """Parts of objects in which differences do not count as drift."""

    paths: list[str] = about("JSON pointers; the empty one is the whole object.", factory=list, required=True)
    target: Selector | None = about("Objects it holds for. Default: all.", None)


class HealthCheckExpr(Model):
    """CEL expressions that tell the health of objects of one kind."""

    api_version: str = about("API version of the kind.", "", required=True)
    kind: str = about("The kind. Default: every kind of the group.", "")
    current: str = about("True when the object is healthy.", "", required=True)
    failed: str = about("True when it has failed.", "")
    in_progress: str = about("True while it is on its way.", "")


class InventoryEntry(Model):
    """One applied object."""

    id: str = about("'<namespace>_<name>_<group>_<kind>'.", "", required=True)
    v: str = about("API version without the group.", "", required=True)


class Inventory(Model):
    """The objects that were applied last."""

    entries: list[InventoryEntry] = about("One per object.", factory=list, required=True)
