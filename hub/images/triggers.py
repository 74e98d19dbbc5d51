"""What else brings the image kinds back besides their own changes. Pure. Follows Flux image facts 16 and 28."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.api.image import ImagePolicy, ImageRepository, ImageUpdateAutomation
from hub.api.meta import SECRETS, Key, Resource
from hub.api.source import GitRepository

if TYPE_CHECKING:
    from collections.abc import Iterable


def repository_of(policy: Resource) -> Iterable[Key]:
    """Return the ImageRepository whose tags a policy looks at."""
    if isinstance(policy, ImagePolicy):
        ref = policy.spec.image_repository_ref
        yield Key(ImageRepository.KIND.name, ref.namespace or policy.metadata.namespace, ref.name)


def tags_matter(old: Resource | None, new: Resource | None) -> bool:
    """Whether an event of a repository concerns its policies: other tags, another name, or other rules of access."""
    return _tags(old) != _tags(new)


def policies_of(automation: Resource) -> Iterable[Key]:
    """Return what stands for all policies of the namespace of an automation."""
    if isinstance(automation, ImageUpdateAutomation):
        yield Key(ImagePolicy.KIND.name, automation.metadata.namespace, "")


def all_of(key: Key) -> Key:
    """Return what stands for all objects of a kind in the namespace of one of them."""
    return key._replace(name="")


def image_matters(old: Resource | None, new: Resource | None) -> bool:
    """Whether an event of a policy concerns the automations of its namespace: another image, or other labels."""
    return _image(old) != _image(new)


def source_of(automation: Resource) -> Iterable[Key]:
    """Return the GitRepository that an automation writes to."""
    if isinstance(automation, ImageUpdateAutomation):
        ref = automation.spec.source_ref
        yield Key(GitRepository.KIND.name, ref.namespace or automation.metadata.namespace, ref.name)


def spec_matters(old: Resource | None, new: Resource | None) -> bool:
    """Whether an event of a GitRepository concerns those who write to it: another spec, for commits bring no news."""
    if old is None or new is None:
        return True
    return old.metadata.generation != new.metadata.generation or old.metadata.uid != new.metadata.uid


def pushed_to(old: Resource | None, new: Resource | None) -> Iterable[Key]:
    """Return the GitRepository that has a new commit: nobody has to wait for its interval."""
    if not isinstance(old, ImageUpdateAutomation) or not isinstance(new, ImageUpdateAutomation):
        return
    if new.status.last_push_commit != old.status.last_push_commit:
        yield from source_of(new)


def references_of(repository: Resource) -> Iterable[Key]:
    """Return the Secrets that an ImageRepository reads."""
    if not isinstance(repository, ImageRepository):
        return
    spec = repository.spec
    for ref in (spec.secret_ref, spec.cert_secret_ref, spec.proxy_secret_ref):
        if ref is not None:
            yield Key(SECRETS.kind, repository.metadata.namespace, ref.name)


def signing_key_of(automation: Resource) -> Iterable[Key]:
    """Return the Secret with the signing key of an automation."""
    if isinstance(automation, ImageUpdateAutomation) and automation.spec.git and automation.spec.git.commit.signing_key:
        name = automation.spec.git.commit.signing_key.secret_ref.name
        yield Key(SECRETS.kind, automation.metadata.namespace, name)


def _tags(repository: Resource | None) -> tuple[object, ...] | None:
    if not isinstance(repository, ImageRepository):
        return None
    result = repository.status.last_scan_result
    revision = result.revision if result is not None else ""
    access = repository.spec.access_from.dump() if repository.spec.access_from is not None else {}
    return revision, repository.spec.image, repository.status.canonical_image_name, str(access)


def _image(policy: Resource | None) -> tuple[object, ...] | None:
    if not isinstance(policy, ImagePolicy) or policy.status.latest_ref is None:
        return None
    ref = policy.status.latest_ref
    return ref.name, ref.tag, ref.digest, tuple(sorted(policy.metadata.labels.items()))
