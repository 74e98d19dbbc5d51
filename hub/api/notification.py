"""
The kind of ``notification.toolkit.fluxcd.io`` that the hub takes care of: Receiver, a webhook for those who push. Pure.

The model is the union of all versions ever served, ``v1beta1`` to ``v1``.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from hub.api.kinds import RECEIVER
from hub.api.meta import NAME, Cel, Duration, Kind, Lenient, LocalRef, Model, Resource, Spec, Status, about

_BY_ISSUER: dict[str, Any] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["issuerURL"]}

ReceiverType = Literal[
    "generic", "generic-hmac", "generic-oidc", "github", "gitlab", "bitbucket", "harbor", "dockerhub", "quay", "gcr",
    "nexus", "acr", "cdevents",
]  # fmt: skip
ReceivedKind = Literal[
    "Bucket", "GitRepository", "Kustomization", "HelmRelease", "HelmChart", "HelmRepository", "ImageRepository",
    "ImagePolicy", "ImageUpdateAutomation", "OCIRepository", "ArtifactGenerator", "ExternalArtifact",
]  # fmt: skip


class ReceivedResource(Model):
    """Objects that are looked at when somebody calls."""

    api_version: str = about("API version of the objects. Default: that of the kind.", "")
    kind: Lenient[ReceivedKind] = about("Kind of the objects.", "GitRepository", required=True)
    name: str = about("Name of the object; '*' with matchLabels means all that have them.", "", required=True, **NAME)
    namespace: str = about("Namespace of the objects. Default: that of the Receiver.", "", **NAME)
    match_labels: dict[str, str] = about("Labels that objects need when the name is '*'.", factory=dict)
    filter: str = about(
        "CEL expression over 'res' (the object's metadata) and 'req' (the JSON that was sent); only objects for which "
        "it is true are looked at.",
        "",
    )


class OIDCValidation(Model):
    """Something that has to be true of a token."""

    expression: str = about("CEL expression over 'claims' and 'vars'.", "", required=True)
    message: str = about("What is said when it is false.", "", required=True)


class OIDCVariable(Model):
    """A value that expressions can use as 'vars.<name>'."""

    name: str = about("Name of the variable.", "", required=True)
    expression: str = about("CEL expression over 'claims' and the variables before it.", "", required=True)


class OIDCProvider(Model):
    """Whose tokens count, and which of them."""

    issuer_url: str = about(
        "The issuer, as its tokens name it.", "", required=True, alias="issuerURL", pattern="^https?://"
    )
    audience: str = about("Audience that tokens must name. Default: 'notification-controller'.", "")
    variables: list[OIDCVariable] = about("Values for the validations.", factory=list)
    validations: list[OIDCValidation] = about("What has to be true.", factory=list, required=True, minItems=1)


class ReceiverSpec(Spec):
    """Who may call, how that is checked, and what is looked at then."""

    RULES: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "self.type != 'generic-oidc' || (has(self.oidcProviders) && size(self.oidcProviders) > 0)",
            "spec.oidcProviders is required when spec.type is 'generic-oidc'",
        ),
        Cel(
            "self.type == 'generic-oidc' || !has(self.oidcProviders) || size(self.oidcProviders) == 0",
            "spec.oidcProviders is only accepted when spec.type is 'generic-oidc'",
        ),
        Cel(
            "self.type != 'generic-oidc' || !has(self.secretRef)",
            "spec.secretRef is not accepted when spec.type is 'generic-oidc'",
        ),
        Cel(
            "self.type == 'generic-oidc' || has(self.secretRef)",
            "spec.secretRef is required unless spec.type is 'generic-oidc'",
        ),
    )

    interval: Duration = about("How often to look at the Secret again.", Duration("10m"), defaulted=True)
    type: Lenient[ReceiverType] = about("Who calls, and so how a call is checked.", "generic", required=True)
    events: list[str] = about("Events that count, upper or lower case. Default: all.", factory=list)
    resources: list[ReceivedResource] = about("What is looked at.", factory=list, required=True)
    resource_filter: str = about("As the filter of each of the resources; both must be true.", "")
    secret_ref: LocalRef | None = about("Secret with the key 'token'.", None)
    oidc_providers: list[OIDCProvider] = about(
        "Whose tokens count, by issuer; with type 'generic-oidc'.",
        factory=list,
        **_BY_ISSUER,
    )


class ReceiverStatus(Status):
    """Where to call."""

    webhook_path: str = about("Path of the webhook: '/hook/' and a checksum of token, name and namespace.", "")
    url: str = about("From v1beta1: the same as webhookPath. Not written any more.", "")


class Receiver(Resource):
    """A webhook: whoever calls it has objects looked at now."""

    KIND: ClassVar[Kind] = RECEIVER

    spec: ReceiverSpec = about("What is wanted.", factory=ReceiverSpec)
    status: ReceiverStatus = about("What was found.", factory=ReceiverStatus)
