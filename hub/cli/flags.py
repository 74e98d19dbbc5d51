"""
Which flags ``hubctl create`` has for each kind, and where in the spec they go. Pure.

A kind that can be created needs one entry here. Names are those of the flux CLI.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hub.cli import setters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Shape = Literal["text", "texts", "flag", "list", "duration", "number", "file", "files"]


@dataclass(frozen=True, slots=True)
class Flag:
    """
    One flag.

    Attributes:
        name: As it is typed, without dashes.
        path: Where in the spec its value goes, keys between dots.
        help: What it says.
        shape: What it takes.
        needed: It has to be given.
        put: Writes the value, when that takes more than setting it.
    """

    name: str
    path: str
    help: str
    shape: Shape = "text"
    needed: bool = False
    put: Callable[[dict[str, Any], str, Any], None] = setters.plain


_SECRET = Flag("secret-ref", "secretRef.name", "Secret with the credentials; 'hubctl create secret' makes one.")
_PROXY = Flag("proxy-secret-ref", "proxySecretRef.name", "Secret with the address of a proxy.")
_CERT_REF = Flag("cert-ref", "certSecretRef.name", "The same as --cert-secret-ref.")
_CERT = Flag("cert-secret-ref", "certSecretRef.name", "Secret with TLS certificates.")
_IGNORE = Flag("ignore-paths", "ignore", "Paths to leave out, as in .gitignore.", "list", put=setters.lines)
_PROVIDER = Flag("provider", "provider", "Whose credentials are used: generic, aws, azure, gcp, github.")
_ACCOUNT = Flag("service-account", "serviceAccountName", "ServiceAccount to act as.")
_INSECURE = Flag("insecure", "insecure", "Plain HTTP.", "flag")
_VERIFY = (
    Flag("verify-provider", "verify.provider", "How signatures are checked: cosign, notation."),
    Flag("verify-secret-ref", "verify.secretRef.name", "Secret with the trusted public keys."),
    Flag("verify-issuer", "verify.matchOIDCIdentity.issuer", "Keyless: who certified, as RE2.", put=setters.only),
    Flag("verify-subject", "verify.matchOIDCIdentity.subject", "Keyless: who signed, as RE2.", put=setters.only),
)
_STRATEGY = "What makes a new chart: ChartVersion, Revision or Content."

FLAGS: Mapping[str, tuple[Flag, ...]] = {
    "GitRepository": (
        Flag("url", "url", "Address of the repository.", needed=True),
        Flag("branch", "ref.branch", "Branch to follow."),
        Flag("tag", "ref.tag", "Tag to check out."),
        Flag("tag-semver", "ref.semver", "Range of tags; the highest is checked out."),
        Flag("ref-name", "ref.name", "Full name of a reference to follow."),
        Flag("commit", "ref.commit", "Commit to check out."),
        _SECRET,
        _PROXY,
        _PROVIDER,
        _IGNORE,
        Flag("recurse-submodules", "recurseSubmodules", "Fetch submodules too.", "flag"),
        Flag("sparse-checkout-paths", "sparseCheckout", "Only these folders.", "list"),
    ),
    "HelmRepository": (
        Flag("url", "url", "Address of the repository, or oci://...", needed=True, put=setters.helm_url),
        _SECRET,
        _CERT,
        Flag("oci-provider", "provider", "Whose credentials are used for oci://: generic, aws, azure, gcp."),
        Flag("pass-credentials", "passCredentials", "Send the credentials to all hosts.", "flag"),
    ),
    "OCIRepository": (
        Flag("url", "url", "Address of the artifact, oci://...", needed=True),
        Flag("tag", "ref.tag", "Tag to pull."),
        Flag("tag-semver", "ref.semver", "Range of tags; the highest is pulled."),
        Flag("digest", "ref.digest", "Digest to pull."),
        _PROVIDER,
        _SECRET,
        _PROXY,
        _CERT,
        _CERT_REF,
        _ACCOUNT,
        *_VERIFY,
        Flag(
            "layer-selector",
            "layerSelector",
            "MEDIA-TYPE[,OPERATION] of the layer to take; the operation is extract or copy.",
            put=setters.layer,
        ),
        _IGNORE,
        _INSECURE,
    ),
    "Bucket": (
        Flag("bucket-name", "bucketName", "Name of the bucket.", needed=True),
        Flag("endpoint", "endpoint", "Host of the service, and its port.", needed=True),
        Flag("region", "region", "Region of the bucket."),
        Flag("prefix", "prefix", "Only objects whose key starts so."),
        _PROVIDER,
        _SECRET,
        _PROXY,
        _CERT,
        _IGNORE,
        _INSECURE,
    ),
    "HelmChart": (
        Flag("source", "sourceRef", "KIND/NAME of the source.", needed=True, put=setters.reference),
        Flag("chart", "chart", "Name in a HelmRepository, or path in another source.", needed=True),
        Flag("chart-version", "version", "Version or range."),
        Flag("reconcile-strategy", "reconcileStrategy", _STRATEGY),
        Flag("values-files", "valuesFiles", "Values files that are packaged with it, in order.", "list"),
        *_VERIFY,
    ),
    "HelmRelease": (
        Flag("source", "chart.spec.sourceRef", "KIND/NAME[.NAMESPACE] of the source.", put=setters.reference),
        Flag("chart", "chart.spec.chart", "Name in a HelmRepository, or path in another source."),
        Flag("chart-version", "chart.spec.version", "Version or range."),
        Flag("chart-interval", "chart.spec.interval", "How often to look for a new chart.", "duration"),
        Flag("reconcile-strategy", "chart.spec.reconcileStrategy", _STRATEGY),
        Flag("chart-ref", "chartRef", "KIND/NAME[.NAMESPACE] that is a chart already.", put=setters.reference),
        Flag("release-name", "releaseName", "Name of the release."),
        Flag("target-namespace", "targetNamespace", "Where its objects, and Helm's record, go.", put=setters.target),
        Flag("storage-namespace", "storageNamespace", "Where Helm keeps its record."),
        Flag("create-target-namespace", "install.createNamespace", "Create the target namespace.", "flag"),
        Flag("kubeconfig-secret-ref", "kubeConfig.secretRef.name", "Secret with the kubeconfig of the member."),
        Flag(
            "depends-on", "dependsOn", "[NAMESPACE/]NAME of releases that come first.", "list", put=setters.depends_on
        ),
        _ACCOUNT,
        Flag("values", "values", "YAML file of values; later ones win.", "files", put=setters.values_files),
        Flag("values-from", "valuesFrom", "Secret/NAME or ConfigMap/NAME.", "list", put=setters.values_from),
        Flag("crds", "upgrade.crds", "CRDs on upgrades: Skip, Create, CreateReplace.", put=setters.crds),
        Flag("release-timeout", "timeout", "Longest time for one Kubernetes operation.", "duration"),
    ),
    "Kustomization": (
        Flag("source", "sourceRef", "KIND/NAME[.NAMESPACE] of the source.", needed=True, put=setters.reference),
        Flag("path", "path", "Folder in the source."),
        Flag("prune", "prune", "Delete what is not there any more.", "flag"),
        Flag("target-namespace", "targetNamespace", "Where all objects go."),
        Flag("depends-on", "dependsOn", "[NAMESPACE/]NAME of those that come first.", "list", put=setters.depends_on),
        Flag("kubeconfig-secret-ref", "kubeConfig.secretRef.name", "Secret with the kubeconfig of the member."),
        Flag("decryption-provider", "decryption.provider", "sops."),
        Flag("decryption-secret", "decryption.secretRef.name", "Secret with the keys."),
        Flag("retry-interval", "retryInterval", "How soon to try again after a failure.", "duration"),
        _ACCOUNT,
    ),
    "ImageRepository": (
        Flag("image", "image", "Name of the repository, without scheme and tag.", needed=True),
        Flag("scan-timeout", "timeout", "Longest time for one scan.", "duration"),
        Flag("exclude", "exclusionList", "Regular expression of tags to pass over.", "texts"),
        _SECRET,
        _PROXY,
        _CERT,
        _ACCOUNT,
        _PROVIDER,
        _INSECURE,
    ),
    "ImagePolicy": (
        Flag("image-ref", "imageRepositoryRef.name", "Name of the ImageRepository.", needed=True),
        Flag("filter-regex", "filterTags.pattern", "Regular expression that a tag has to match."),
        Flag("filter-extract", "filterTags.extract", "What of a match is ordered, e.g. $ts."),
        Flag("select-semver", "policy.semver.range", "Highest version within a range."),
        Flag("select-alpha", "policy.alphabetical.order", "By the alphabet: asc takes the last, desc the first."),
        Flag("select-numeric", "policy.numerical.order", "As numbers: asc takes the largest, desc the smallest."),
        Flag("reflect-digest", "digestReflectionPolicy", "Look up the digest: Never, IfNotPresent or Always."),
    ),
    "Receiver": (
        Flag("type", "type", "Who calls: github, gitlab, generic-hmac, dockerhub, ...", needed=True),
        _SECRET,
        Flag("event", "events", "Event that counts.", "list"),
        Flag("resource", "resources", "KIND/NAME[.NAMESPACE] to look at.", "list", needed=True, put=setters.references),
    ),
    "ImageUpdateAutomation": (
        Flag("git-repo-ref", "sourceRef", "Name of the GitRepository.", needed=True, put=setters.git_repository),
        Flag("git-repo-namespace", "sourceRef.namespace", "Its namespace, when it is another."),
        Flag("checkout-branch", "git.checkout.ref.branch", "Branch to start from."),
        Flag("author-name", "git.commit.author.name", "Name of who commits."),
        Flag("author-email", "git.commit.author.email", "E-mail address of who commits.", needed=True),
        Flag("commit-template", "git.commit.messageTemplate", "Go template of the message."),
        Flag("push-branch", "git.push.branch", "Branch to push to."),
        Flag("git-repo-path", "update", "File or folder to look at.", put=setters.update_path),
    ),
}
