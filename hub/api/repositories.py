"""
More kinds of ``source.toolkit.fluxcd.io``: Helm repositories, OCI artifacts, S3 buckets and what others provide. Pure.

As in :mod:`hub.api.source` each model is the union of all versions ever served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from hub.api.kinds import BUCKET, EXTERNAL_ARTIFACT, HELM_REPOSITORY, OCI_REPOSITORY
from hub.api.meta import Cel, Duration, Lenient, LocalRef, Model, Resource, Spec, about, flag
from hub.api.source import (
    SHORT,
    AccessFrom,
    ChartVerification,
    SourceSpec,
    SourceStatus,
)

if TYPE_CHECKING:
    from hub.api.kind import Kind

CloudProvider = Literal["generic", "aws", "azure", "gcp"]
BucketProvider = Literal["generic", "aws", "gcp", "azure"]
LayerOperation = Literal["extract", "copy"]


class HelmRepositorySpec(Spec):
    """Where the index of charts is, or the registry that they are in."""

    url: str = about(
        "Address: http(s):// of the folder of index.yaml, or oci:// of the registry below which charts are.",
        "",
        required=True,
        pattern="^(http|https|oci)://.*$",
    )
    type: Lenient[Literal["default", "oci"]] | None = about("'default' has an index, 'oci' is a registry.", None)
    interval: Duration = about("How often to look at the index again. Not used for 'oci'.", Duration("1m0s"))
    timeout: Duration | None = about("Longest time for one request. Default: 60s.", None, **SHORT)
    secret_ref: LocalRef | None = about(
        "Secret with username and password; for 'oci' also .dockerconfigjson. (Certificates: certSecretRef.)", None
    )
    cert_secret_ref: LocalRef | None = about("Secret with ca.crt, and tls.crt with tls.key.", None)
    pass_credentials: bool = flag("Send the credentials also to other hosts that the index names for charts.")
    insecure: bool = flag("Speak plain HTTP to the registry ('oci' only).")
    provider: Lenient[CloudProvider] | None = about(
        "Where credentials of a registry come from ('oci' only).", "generic", defaulted=True
    )
    access_from: AccessFrom | None = about("Kept, not enforced.", None)


class HelmRepository(Resource):
    """An index of charts, or a registry of them."""

    KIND: ClassVar[Kind] = HELM_REPOSITORY

    spec: HelmRepositorySpec = about("What is wanted.", factory=HelmRepositorySpec)
    status: SourceStatus = about("What was found.", factory=SourceStatus)

    @property
    def is_oci(self) -> bool:
        """Whether it names a registry: nothing is fetched for it, charts ask the registry themselves."""
        return self.spec.type == "oci"


class OCIRef(Model):
    """Which artifact. Precedence: digest, semver, tag; none of them means the tag 'latest'."""

    digest: str = about("Digest of the manifest, 'sha256:<hex>'.", "")
    semver: str = about("Range; the highest tag within it is taken.", "")
    semver_filter: str = about("Regular expression; only tags that match it are looked at for 'semver'.", "")
    tag: str = about("Tag.", "")


class LayerSelector(Model):
    """Which layer of the artifact, and what to do with it."""

    media_type: str = about("Media type of the layer; the first that has it is taken. Default: the first layer.", "")
    operation: Lenient[LayerOperation] | None = about(
        "'extract' unpacks the layer and packs it again with the ignore rules applied, 'copy' keeps it as it is. "
        "Default: extract.",
        None,
    )


class ArtifactVerification(ChartVerification):
    """Which signatures an artifact must have."""

    trusted_root_secret_ref: LocalRef | None = about("Secret with trusted_root.json for keyless signatures.", None)


class OCIRepositorySpec(SourceSpec):
    """Where the artifact is, which one it is and how often to look."""

    url: str = about("Repository, without a tag: oci://host/org/name.", "", required=True, pattern="^oci://.*$")
    ref: OCIRef | None = about("Which artifact. Default: the tag 'latest'.", None)
    layer_selector: LayerSelector | None = about(
        "Which layer, and how it is kept. Default: the first, extracted.", None
    )
    provider: Lenient[CloudProvider] | None = about("Where credentials come from.", "generic", defaulted=True)
    secret_ref: LocalRef | None = about("Secret with .dockerconfigjson.", None)
    service_account_name: str = about(
        "ServiceAccount whose image pull secrets, or with a cloud as provider whose identity, are used.", ""
    )
    cert_secret_ref: LocalRef | None = about("Secret with ca.crt, and tls.crt with tls.key.", None)
    proxy_secret_ref: LocalRef | None = about("Secret with the proxy's address, username and password.", None)
    verify: ArtifactVerification | None = about("Take signed artifacts only.", None)
    ignore: str | None = about("Lines as in .gitignore of what to leave out of the artifact.", None)
    insecure: bool = flag("Speak plain HTTP to the registry.")


class OCIRepositoryStatus(SourceStatus):
    """The last artifact and what it was made from."""

    observed_ignore: str | None = about("spec.ignore of the artifact.", None)
    observed_layer_selector: LayerSelector | None = about("spec.layerSelector of the artifact.", None)
    content_config_checksum: str = about("From v1beta2; not written any more.", "")


class OCIRepository(Resource):
    """An artifact in an OCI registry."""

    KIND: ClassVar[Kind] = OCI_REPOSITORY

    spec: OCIRepositorySpec = about("What is wanted.", factory=OCIRepositorySpec)
    status: OCIRepositoryStatus = about("What was found.", factory=OCIRepositoryStatus)


class BucketSTS(Model):
    """A service that gives out short-lived credentials."""

    provider: Lenient[Literal["aws", "ldap"]] = about("Kind of the service.", "aws", required=True)
    endpoint: str = about("Its address.", "", required=True, pattern="^(http|https)://.*$")
    secret_ref: LocalRef | None = about("Secret with username and password for it ('ldap' only).", None)
    cert_secret_ref: LocalRef | None = about("Secret with certificates for it ('ldap' only).", None)


class BucketSpec(SourceSpec):
    """Where the bucket is, which of its objects are wanted and how often to look."""

    RULES: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "self.provider == 'aws' || self.provider == 'generic' || !has(self.sts)",
            "STS configuration is only supported for the 'aws' and 'generic' Bucket providers",
        ),
        Cel(
            "self.provider != 'aws' || !has(self.sts) || self.sts.provider == 'aws'",
            "'aws' is the only supported STS provider for the 'aws' Bucket provider",
        ),
        Cel(
            "self.provider != 'generic' || !has(self.sts) || self.sts.provider == 'ldap'",
            "'ldap' is the only supported STS provider for the 'generic' Bucket provider",
        ),
        Cel(
            "!has(self.sts) || self.sts.provider != 'aws' || !has(self.sts.secretRef)",
            "spec.sts.secretRef is not required for the 'aws' STS provider",
        ),
        Cel(
            "!has(self.sts) || self.sts.provider != 'aws' || !has(self.sts.certSecretRef)",
            "spec.sts.certSecretRef is not required for the 'aws' STS provider",
        ),
        Cel(
            "self.provider != 'generic' || !has(self.serviceAccountName)",
            "ServiceAccountName is not supported for the 'generic' Bucket provider",
        ),
        Cel(
            "!has(self.secretRef) || !has(self.serviceAccountName)",
            "cannot set both .spec.secretRef and .spec.serviceAccountName",
        ),
    )

    provider: Lenient[BucketProvider] = about("Whose API the bucket speaks.", "generic", defaulted=True)
    bucket_name: str = about("Name of the bucket.", "", required=True)
    endpoint: str = about("Host, with a port if need be.", "", required=True)
    region: str = about("Region of the bucket.", "")
    prefix: str = about("Only objects whose key begins with it.", "")
    insecure: bool = flag("Speak plain HTTP.")
    ignore: str | None = about("Lines as in .gitignore of what to leave out of the artifact.", None)
    secret_ref: LocalRef | None = about(
        "Secret with credentials. S3: accesskey, secretkey; gcp: serviceaccount; azure: e.g. accountKey or sasKey.",
        None,
    )
    cert_secret_ref: LocalRef | None = about("Secret with ca.crt.", None)
    proxy_secret_ref: LocalRef | None = about("Secret with the proxy's address, username and password.", None)
    service_account_name: str = about("ServiceAccount whose cloud identity is used to log in.", "")
    sts: BucketSTS | None = about("Service that gives out short-lived credentials.", None)


class BucketStatus(SourceStatus):
    """The last artifact and what it was made from."""

    observed_ignore: str | None = about("spec.ignore of the artifact.", None)


class Bucket(Resource):
    """The objects of a bucket, as files."""

    KIND: ClassVar[Kind] = BUCKET

    spec: BucketSpec = about("What is wanted.", factory=BucketSpec)
    status: BucketStatus = about("What was found.", factory=BucketStatus)


class ObjectRef(Model):
    """An object of any kind."""

    api_version: str = about("API version of the object.", "")
    kind: str = about("Kind of the object.", "", required=True)
    name: str = about("Name of the object.", "", required=True)
    namespace: str = about("Namespace of the object.", "")


class ExternalArtifactSpec(Spec):
    """What the artifact was made from."""

    source_ref: ObjectRef | None = about("The object that the artifact was made from.", None)
    interval: Duration = about("Not used: whoever provides the artifact decides.", Duration("1m0s"))


class ExternalArtifactStatus(SourceStatus):
    """What another controller provides."""


class ExternalArtifact(Resource):
    """An artifact that another controller provides; the hub only reads it."""

    KIND: ClassVar[Kind] = EXTERNAL_ARTIFACT

    spec: ExternalArtifactSpec = about("What is wanted.", factory=ExternalArtifactSpec)
    status: ExternalArtifactStatus = about("What was found.", factory=ExternalArtifactStatus)
