"""
The message of a commit: a Go template over what was changed. Pure.

Follows Flux image facts 22 to 24. ``.Updated``, which the newest Flux dropped, is still there: people's templates use
it. Both are made of the same changes, so they never disagree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.content.gotemplate import Struct, Template, TemplateError
from hub.content.oci.reference import BadReferenceError, parse_repository

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hub.api.meta import Key
    from hub.images.setters import Change, Image, ObjectId

DEFAULT = "Update from image update automation"
_NAME = "commit message"


class BadTemplateError(ValueError):
    """A template cannot be parsed or rendered; the message says where, and the way out when it is a known trap."""


class Changes:
    """
    What one commit changes.

    Args:
        by_file: Changes by path.
        images: Images by ``<namespace>:<policy>``.
    """

    def __init__(self, by_file: Mapping[str, Sequence[Change]], images: Mapping[str, Image]) -> None:
        self.by_file = {path: list(by_file[path]) for path in sorted(by_file)}
        self._images = images

    def data(self, automation: Key, values: Mapping[str, str]) -> dict[str, Any]:
        """Return what templates see."""
        name = {"Namespace": automation.namespace, "Name": automation.name}
        return {
            "AutomationObject": Struct("types.NamespacedName", name, text=f"{automation.namespace}/{automation.name}"),
            "Updated": self._updated(),
            "Changed": self._changed(),
            "Values": dict(values),
        }

    def _all(self) -> Iterable[tuple[str, Change]]:
        return ((path, change) for path, changes in self.by_file.items() for change in changes)

    def _updated(self) -> Struct:
        objects: dict[Struct, list[Struct]] = {}
        files: dict[str, Any] = {}
        images: dict[str, Struct] = {}
        for path, change in self._all():
            image = self._reference(change.policy)
            images[str(image.text)] = image
            file = files.setdefault(path, Struct("update.FileResult", {"Objects": {}}))
            for found in (objects, file.fields["Objects"]):
                of_object = found.setdefault(_object(change.object), [])
                if image.text not in {one.text for one in of_object}:
                    of_object.append(image)
        fields = {"Files": files, "Objects": objects, "Images": list(images.values())}
        return Struct("update.Result", fields, hidden=("Objects", "Images"))

    def _changed(self) -> Struct:
        files: dict[str, dict[Struct, list[Struct]]] = {}
        objects: dict[Struct, list[Struct]] = {}
        changes: list[Struct] = []
        for path, change in self._all():
            shown = Struct("update.Change", {"OldValue": change.old, "NewValue": change.new, "Setter": change.setter})
            key = _object(change.object)
            files.setdefault(path, {}).setdefault(key, []).append(shown)
            objects.setdefault(key, []).append(shown)
            if shown not in changes:
                changes.append(shown)
        fields = {"FileChanges": files, "Objects": objects, "Changes": changes}
        return Struct("update.ResultV2", fields, hidden=("Objects", "Changes"))

    def _reference(self, policy: str) -> Struct:
        """Return an image as ``.Updated`` has it; it prints as people named it."""
        image = self._images[policy]
        namespace, _, name = policy.partition(":")
        owner = Struct(
            "types.NamespacedName", {"Namespace": namespace, "Name": name}, text=f"{namespace}/{name}"
        )  # fmt: skip
        try:
            repository = parse_repository(image.name)
            registry, path = repository.registry, repository.path
        except BadReferenceError:
            registry, path = "", image.name
        full = "/".join(part for part in (registry, path) if part)
        fields = {
            "Name": f"{full}:{image.tag}" + (f"@{image.digest}" if image.digest else ""),
            "Repository": path,
            "Registry": registry,
            "Identifier": image.tag,
            "Policy": owner,
            "String": str(image),
        }
        return Struct("update.ImageRef", fields, text=str(image))


def compile_template(source: str, what: str = _NAME) -> Template:
    """
    Return a template of messages.

    Raises:
        BadTemplateError: It is none.
    """
    try:
        return Template(what, source or DEFAULT)
    except TemplateError as error:
        raise BadTemplateError(f"unable to create {what} template from spec: {error}") from error


def render(template: Template, data: dict[str, Any]) -> str:
    """
    Return a message.

    Raises:
        BadTemplateError: The template fails.
    """
    try:
        return template.render(data)
    except TemplateError as error:
        raise BadTemplateError(f"failed to run template from spec: {error}{_hint(str(error))}") from error


def _object(identity: ObjectId) -> Struct:
    fields = {
        "APIVersion": identity.api_version,
        "Kind": identity.kind,
        "Name": identity.name,
        "Namespace": identity.namespace,
    }
    return Struct("update.ObjectIdentifier", fields)


def _hint(error: str) -> str:
    if "expected string; got int" in error and "at <$" in error:
        return (
            " ('range $a, $b := ...' over a list gives the index first: "
            "write 'range $_, $image := .Updated.Images', or 'range .Updated.Images')"
        )
    return ""
