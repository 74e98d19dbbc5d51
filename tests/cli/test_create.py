import pytest
import yaml

from hub.api.registry import KINDS
from hub.cli.create import spec_of
from hub.cli.failures import BadInput
from hub.cli.flags import FLAGS

KNOWN = [kind for kind in KINDS if kind.name in FLAGS]


@pytest.mark.parametrize(
    ("kind", "given", "want"),
    [
        pytest.param(
            "GitRepository",
            {"url": "https://x/y", "branch": "main", "secret_ref": "s", "recurse_submodules": True},
            {"url": "https://x/y", "ref": {"branch": "main"}, "secretRef": {"name": "s"}, "recurseSubmodules": True},
            id="git",
        ),
        pytest.param(
            "GitRepository",
            {"url": "u", "ignore_paths": ("a,b", "c"), "sparse_checkout_paths": ("d",)},
            {"url": "u", "ignore": "a\nb\nc", "sparseCheckout": ["d"]},
            id="lists",
        ),
        pytest.param(
            "OCIRepository",
            {"url": "oci://x/y", "verify_provider": "cosign", "verify_issuer": "^https://a$", "verify_subject": "b"},
            {
                "url": "oci://x/y",
                "verify": {"provider": "cosign", "matchOIDCIdentity": [{"issuer": "^https://a$", "subject": "b"}]},
            },
            id="keyless signatures",
        ),
        pytest.param(
            "Receiver",
            {"type": "github", "event": ("ping,push",), "resource": ("gitrepo/a", "HelmRepository/b.c")},
            {
                "type": "github",
                "events": ["ping", "push"],
                "resources": [
                    {"kind": "GitRepository", "name": "a"},
                    {"kind": "HelmRepository", "name": "b", "namespace": "c"},
                ],
            },
            id="receiver",
        ),
        pytest.param("HelmRepository", {"url": "oci://x/y"}, {"url": "oci://x/y", "type": "oci"}, id="registry"),
        pytest.param("HelmRepository", {"url": "https://x"}, {"url": "https://x"}, id="chart repository"),
        pytest.param(
            "HelmRelease",
            {"source": "gitrepo/r.other", "chart": "./c", "target_namespace": "apps", "crds": "CreateReplace"},
            {
                "chart": {
                    "spec": {"sourceRef": {"kind": "GitRepository", "name": "r", "namespace": "other"}, "chart": "./c"}
                },
                "targetNamespace": "apps",
                "storageNamespace": "apps",
                "install": {"crds": "Create"},
                "upgrade": {"crds": "CreateReplace"},
            },
            id="release",
        ),
        pytest.param(
            "HelmRelease",
            {"depends_on": ("a,b/c",), "values_from": ("secret/s",), "target_namespace": "a", "storage_namespace": "b"},
            {
                "dependsOn": [{"name": "a"}, {"name": "c", "namespace": "b"}],
                "valuesFrom": [{"kind": "Secret", "name": "s"}],
                "targetNamespace": "a",
                "storageNamespace": "b",
            },
            id="references of a release",
        ),
        pytest.param(
            "ImageRepository",
            {"image": "cnych/devops-demo", "exclude": ("^a{1,2}$", "b")},
            {"image": "cnych/devops-demo", "exclusionList": ["^a{1,2}$", "b"]},
            id="image repository",
        ),
        pytest.param(
            "ImagePolicy",
            {"image_ref": "app", "filter_regex": "^v", "filter_extract": "$ts", "select_numeric": "asc"},
            {
                "imageRepositoryRef": {"name": "app"},
                "filterTags": {"pattern": "^v", "extract": "$ts"},
                "policy": {"numerical": {"order": "asc"}},
            },
            id="image policy",
        ),
        pytest.param(
            "ImageUpdateAutomation",
            {"git_repo_ref": "r", "git_repo_path": "./x", "checkout_branch": "main", "author_email": "a@b"},
            {
                "sourceRef": {"kind": "GitRepository", "name": "r"},
                "git": {"checkout": {"ref": {"branch": "main"}}, "commit": {"author": {"email": "a@b"}}},
                "update": {"path": "./x", "strategy": "Setters"},
            },
            id="image update",
        ),
    ],
)
def test_spec_of(kind, given, want):
    assert spec_of(FLAGS[kind], given) == want


def test_values_files_lie_on_each_other(tmp_path):
    for name, text in (("one.yaml", "{a: {x: 1}, b: 2}"), ("two.yaml", "{a: {z: 3}}")):
        (tmp_path / name).write_text(text)
    given = {"values": (str(tmp_path / "one.yaml"), str(tmp_path / "two.yaml"))}
    assert spec_of(FLAGS["HelmRelease"], given) == {"values": {"a": {"x": 1, "z": 3}, "b": 2}}


@pytest.mark.parametrize("text", ["[1]", "a: [", "\x00"])
def test_a_file_that_holds_no_values_is_refused(tmp_path, text):
    (tmp_path / "values.yaml").write_text(text)
    with pytest.raises(BadInput, match="is no file of values"):
        spec_of(FLAGS["HelmRelease"], {"values": (str(tmp_path / "values.yaml"),)})


@pytest.mark.parametrize("kind", KNOWN, ids=lambda kind: kind.name)
def test_every_flag_leads_to_a_field_that_the_kind_has(kind):
    model = type(kind.model().spec)
    for flag in FLAGS[kind.name]:
        node = model
        for part in flag.path.split("."):
            fields = {known.alias or name: known for name, known in node.model_fields.items()}
            assert part in fields, (flag.name, part)
            node = _inner(fields[part].annotation)


def _inner(annotation):
    """The model in an optional or annotated type, if there is one."""
    candidates = [annotation, *getattr(annotation, "__args__", ())]
    return next((one for one in candidates if hasattr(one, "model_fields")), yaml)
