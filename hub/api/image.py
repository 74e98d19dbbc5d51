"""
The kinds of ``image.toolkit.fluxcd.io``: which tags there are, which of them is the latest, and who writes it into Git.
Pure.

Each model is the union of all versions ever served, ``v1beta1`` to ``v1``.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from hub.api.kinds import IMAGE_POLICY, IMAGE_REPOSITORY, IMAGE_UPDATE_AUTOMATION
from hub.api.meta import (
    TIME,
    Cel,
    Duration,
    Kind,
    Lenient,
    LocalRef,
    Model,
    Resource,
    Spec,
    Status,
    about,
    flag,
)
from hub.api.source import SHORT, AccessFrom, GitRef

DEFAULT_EXCLUSION = r"^.*\.sig$"
MAX_EXCLUSIONS = 25

RegistryProvider = Literal["generic", "aws", "azure", "gcp"]
Order = Literal["asc", "desc"]
DigestPolicy = Literal["Always", "IfNotPresent", "Never"]
SigningType = Literal["gpg", "ssh"]


class ImageRef(Model):
    """One image of a repository."""

    name: str = about("Repository of the image, as the ImageRepository names it.", "", required=True)
    tag: str = about("Tag of the image.", "", required=True)
    digest: str = about("Digest of the image; only when the policy reflects it.", "")


class ImageRepositorySpec(Spec):
    """Which repository to scan, how often, and how to get in."""

    image: str = about("Name of the repository: no scheme, no tag.", "", required=True)
    timeout: Duration | None = about("Longest time for one scan. Default: the interval.", None, **SHORT)
    secret_ref: LocalRef | None = about("Secret of type kubernetes.io/dockerconfigjson.", None)
    proxy_secret_ref: LocalRef | None = about("Secret with the proxy's address, username and password.", None)
    service_account_name: str = about(
        "ServiceAccount whose imagePullSecrets, or with a cloud as provider whose identity, are used.",
        "",
        maxLength=253,
    )
    cert_secret_ref: LocalRef | None = about("Secret with ca.crt, tls.crt and tls.key.", None)
    access_from: AccessFrom | None = about("Whose ImagePolicies may refer to it from other namespaces.", None)
    exclusion_list: list[str] = about(
        "Regular expressions; tags that one of them matches are passed over. A given list replaces the default.",
        [DEFAULT_EXCLUSION],
        defaulted=True,
        maxItems=MAX_EXCLUSIONS,
    )
    provider: Lenient[RegistryProvider] = about("Where credentials come from.", "generic", defaulted=True)
    insecure: bool = flag("Speak plain HTTP.")


class ScanResult(Model):
    """What a scan found."""

    revision: str = about("Checksum of the list of tags.", "")
    tag_count: int = about("Tags that are not excluded.", 0, required=True)
    scan_time: str = about("When it was.", "", **TIME)
    latest_tags: list[str] = about("The last ten in the alphabet, the last one first.", factory=list)


class ImageRepositoryStatus(Status):
    """What the last scan found."""

    canonical_image_name: str = about("Full name, e.g. 'index.docker.io/library/alpine'.", "")
    last_scan_result: ScanResult | None = about("The last scan that succeeded.", None)
    observed_exclusion_list: list[str] = about("The exclusions of that scan.", factory=list)


class ImageRepository(Resource):
    """A repository of images whose tags are looked at."""

    KIND: ClassVar[Kind] = IMAGE_REPOSITORY

    spec: ImageRepositorySpec = about("What is wanted.", factory=ImageRepositorySpec)
    status: ImageRepositoryStatus = about("What was found.", factory=ImageRepositoryStatus)


class RepositoryRef(Model):
    """An ImageRepository."""

    name: str = about("Name of the ImageRepository.", "", required=True)
    namespace: str = about("Its namespace. Default: that of the policy.", "")


class TagFilter(Model):
    """Which tags count, and what of them is ordered."""

    pattern: str = about("Regular expression (RE2) that a tag must match somewhere.", "")
    extract: str = about("What of a match is ordered, e.g. '$ts'. Default: the tag.", "")


class SemVerPolicy(Model):
    """The highest version within a range."""

    range: str = about("Range, e.g. '>=1.0.0 <2.0.0'; pre-releases only when it names one.", "", required=True)


class OrderPolicy(Model):
    """The last in an order."""

    order: Lenient[Order] = about("'asc': the last one is the latest; 'desc': the first one.", "asc", defaulted=True)


class ImagePolicyChoice(Model):
    """How the latest tag is found; exactly one is set."""

    semver: SemVerPolicy | None = about("As versions.", None)
    alphabetical: OrderPolicy | None = about("By the alphabet.", None)
    numerical: OrderPolicy | None = about("As numbers.", None)


class ImagePolicySpec(Spec):
    """Which tag of which repository is the latest."""

    RULES: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "!has(self.interval) || (has(self.digestReflectionPolicy) && self.digestReflectionPolicy == 'Always')",
            "spec.interval is only accepted when spec.digestReflectionPolicy is set to 'Always'",
        ),
        Cel(
            "has(self.interval) || !has(self.digestReflectionPolicy) || self.digestReflectionPolicy != 'Always'",
            "spec.interval must be set when spec.digestReflectionPolicy is set to 'Always'",
        ),
    )

    interval: Duration | None = about(  # type: ignore[assignment]  # here, and only here, it may be missing
        "How often to fetch the digest again; only with digestReflectionPolicy 'Always'.", None
    )
    image_repository_ref: RepositoryRef = about("Whose tags.", factory=RepositoryRef, required=True)
    policy: ImagePolicyChoice = about("How the latest is found.", factory=ImagePolicyChoice, required=True)
    filter_tags: TagFilter | None = about("Which tags count.", None)
    digest_reflection_policy: Lenient[DigestPolicy] = about(
        "Whether the digest of the image is looked up: never, once for each tag, or at every interval.",
        "Never",
        defaulted=True,
    )


class ImagePolicyStatus(Status):
    """The latest image."""

    latest_ref: ImageRef | None = about("The latest image.", None)
    observed_previous_ref: ImageRef | None = about("The one before.", None)
    latest_image: str = about("From v1beta1: the latest image as '<image>:<tag>'.", "")


class ImagePolicy(Resource):
    """Says which image of a repository is the latest."""

    KIND: ClassVar[Kind] = IMAGE_POLICY

    spec: ImagePolicySpec = about("What is wanted.", factory=ImagePolicySpec)
    status: ImagePolicyStatus = about("What was found.", factory=ImagePolicyStatus)


class RepositorySource(Model):
    """The GitRepository that is written to."""

    api_version: str = about("API version of the source.", "")
    kind: Lenient[Literal["GitRepository"]] = about(
        "Kind of the source.", "GitRepository", required=True, defaulted=True
    )
    name: str = about("Name of the source.", "", required=True)
    namespace: str = about("Its namespace. Default: that of the automation.", "")


class Checkout(Model):
    """What to start from."""

    ref: GitRef = about("Branch, tag or commit.", factory=GitRef, required=True)


class Author(Model):
    """Who commits."""

    name: str = about("Name.", "")
    email: str = about("E-mail address.", "", required=True)


class SigningKey(Model):
    """What commits are signed with."""

    secret_ref: LocalRef = about(
        "Secret of the automation's namespace. gpg: git.asc, and passphrase; ssh: identity, and password.",
        factory=LocalRef,
        required=True,
    )
    type: Lenient[SigningType] | None = about("Kind of key. Default: gpg.", None)


class CommitSpec(Model):
    """How commits look."""

    author: Author = about("Who commits.", factory=Author, required=True)
    signing_key: SigningKey | None = about("What commits are signed with.", None)
    message_template: str = about("Go template of the message, with the hermetic functions of Sprig.", "")
    message_template_values: dict[str, str] = about("'.Values' of the template.", factory=dict)


class PushSpec(Model):
    """Where commits go."""

    branch: str = about("Branch; made when missing. Default: the one checked out.", "")
    refspec: str = about("Refspec that is pushed as well.", "")
    options: dict[str, str] = about("Push options for the server.", factory=dict)


class GitSpec(Model):
    """How to read from and write to the repository."""

    checkout: Checkout | None = about("What to start from. Default: the ref of the GitRepository.", None)
    commit: CommitSpec = about("How commits look.", factory=CommitSpec, required=True)
    push: PushSpec | None = about("Where commits go.", None)


class UpdateStrategy(Model):
    """How files are changed."""

    strategy: Lenient[Literal["Setters"]] = about("Setters: where markers say so.", "Setters", defaulted=True)
    path: str = about("File or folder to look at. Default: the whole repository.", "")


class LabelRequirement(Model):
    """One condition over labels."""

    key: str = about("Label.", "", required=True)
    operator: str = about("In, NotIn, Exists or DoesNotExist.", "", required=True)
    values: list[str] = about("Values for In and NotIn.", factory=list)


class LabelSelector(Model):
    """Objects by label."""

    match_labels: dict[str, str] = about("Labels that an object must have.", factory=dict)
    match_expressions: list[LabelRequirement] = about("Conditions that must hold.", factory=list)


class ImageUpdateAutomationSpec(Spec):
    """Which images are written where."""

    source_ref: RepositorySource = about("The repository.", factory=RepositorySource, required=True)
    git: GitSpec | None = about("How to read from and write to it.", None)
    policy_selector: LabelSelector | None = about("Which ImagePolicies of the namespace count. Default: all.", None)
    update: UpdateStrategy = about("How files are changed.", UpdateStrategy(strategy="Setters"), defaulted=True)


class ImageUpdateAutomationStatus(Status):
    """What the last run did."""

    last_automation_run_time: str = about("When it ran last.", "", **TIME)
    last_push_commit: str = about("The last commit that was pushed.", "")
    last_push_time: str = about("When that was.", "", **TIME)
    observed_policies: dict[str, ImageRef] = about("The images of that run, by policy.", factory=dict)
    observed_source_revision: str = about("The revision that was looked at, or made, last.", "")


class ImageUpdateAutomation(Resource):
    """Commits the latest images into a Git repository."""

    KIND: ClassVar[Kind] = IMAGE_UPDATE_AUTOMATION

    spec: ImageUpdateAutomationSpec = about("What is wanted.", factory=ImageUpdateAutomationSpec)
    status: ImageUpdateAutomationStatus = about("What was found.", factory=ImageUpdateAutomationStatus)
