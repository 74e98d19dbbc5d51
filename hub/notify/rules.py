"""What of a Receiver's spec can be told to be wrong before anybody calls. Pure. Follows Flux notification fact 19."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.api.meta import Key
from hub.api.registry import KINDS, kind_for
from hub.content.cel import BadExpression, Expression
from hub.errors import Stalled
from hub.notify.verify import CHECKS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hub.api.kind import Kind
    from hub.api.notification import ReceivedResource, Receiver
    from hub.runtime.access import Access

EVERY = "*"
INVALID = "ValidationFailed"
BAD_EXPRESSION = "InvalidCELExpression"
_PREFIX = "Reconciliation failed terminally due to configuration error: "


def check(receiver: Receiver, access: Access) -> None:
    """
    Return when a Receiver can be called.

    Raises:
        Stalled: Its spec does not allow it.
    """
    spec = receiver.spec
    if spec.type not in CHECKS:
        raise Stalled(INVALID, f"{_PREFIX}type '{spec.type}' is not one of {', '.join(sorted(CHECKS))}")
    for number, one in enumerate(spec.resources):
        if one.name == EVERY and not one.match_labels:
            raise Stalled(INVALID, f"{_PREFIX}spec.resources[{number}] has the name '*' but no matchLabels")
        access.check(receiver.metadata.namespace, key_of(receiver, one))
    for where, text in _expressions(receiver):
        try:
            Expression(text)
        except BadExpression as error:
            raise Stalled(BAD_EXPRESSION, f"{_PREFIX}{where}: {error}") from error


def key_of(receiver: Receiver, one: ReceivedResource) -> Key:
    """Return what an entry of ``spec.resources`` names."""
    return Key(one.kind, one.namespace or receiver.metadata.namespace, one.name)


def kind_of(one: ReceivedResource) -> Kind | None:
    """Return the kind that an entry of ``spec.resources`` means; None when the hub does not take care of it."""
    if one.api_version:
        return kind_for(one.api_version, one.kind)
    return next((kind for kind in KINDS if kind.name == one.kind), None)


def _expressions(receiver: Receiver) -> Iterable[tuple[str, str]]:
    """Yield every expression of a Receiver and where it is."""
    spec = receiver.spec
    if spec.resource_filter:
        yield "spec.resourceFilter", spec.resource_filter
    for number, one in enumerate(spec.resources):
        if one.filter:
            yield f"spec.resources[{number}].filter", one.filter
    for number, provider in enumerate(spec.oidc_providers):
        for variable in provider.variables:
            yield f"spec.oidcProviders[{number}].variables '{variable.name}'", variable.expression
        for validation in provider.validations:
            yield f"spec.oidcProviders[{number}].validations", validation.expression
