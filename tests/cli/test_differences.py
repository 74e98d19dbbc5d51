import pytest

from hub.cli.differences import counted, dotted, hidden, lines_of
from hub.release.jsondiff import diff
from hub.release.manifest import ObjectRef
from hub.release.preview import Effect


def changed(kind, before, after):
    return Effect(ObjectRef("v1", kind, "ns", "x"), "changed", before, tuple(diff(before, after)))


def test_changes_are_told_by_field():
    before = {"spec": {"replicas": 1, "list": ["a"], "old": {"deep": True}}}
    after = {"spec": {"replicas": 2, "list": ["a", "b"], "new": "x"}}
    assert lines_of([changed("Deployment", before, after)]) == [
        "  ~ Deployment/ns/x changed",
        "      spec.replicas: 1 → 2",
        "      spec.list[+]: + b",
        '      spec.old: - {"deep": true}',
        "      spec.new: + x",
    ]


@pytest.mark.parametrize("part", ["data", "stringData"])
def test_what_secrets_hold_is_hidden(part):
    effects = [
        changed("Secret", {part: {"a": "b2xk", "gone": "eA=="}}, {part: {"a": "bmV3", "more": "eQ=="}}),
        changed("Secret", {}, {part: {"password": "aHVzaA=="}}),
        changed("Secret", {part: {"password": "aHVzaA=="}}, {}),
    ]
    text = "\n".join(lines_of(effects))
    for secret in ("b2xk", "bmV3", "eA==", "eQ==", "aHVzaA=="):
        assert secret not in text
    assert f"{part}.a: (hidden) → (hidden)" in text


def test_labels_of_a_secret_are_no_secret():
    text = lines_of([changed("Secret", {"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"a": "2"}}})])
    assert text[1].strip() == "metadata.labels.a: 1 → 2"


def test_a_refused_object_says_why():
    effect = Effect(ObjectRef("v1", "Service", "ns", "x"), "refused", problem="no")
    assert lines_of([effect]) == ["  ! Service/ns/x refused: no"]
    assert counted([effect, effect]) == "2 refused"
    assert counted([]) == "no change"


def test_a_hidden_secret_keeps_its_keys():
    secret = {"kind": "Secret", "data": {"a": "x"}, "metadata": {"name": "s"}}
    assert hidden(secret) == {"kind": "Secret", "data": {"a": "(hidden)"}, "metadata": {"name": "s"}}
    assert hidden({"kind": "ConfigMap", "data": {"a": "x"}})["data"] == {"a": "x"}


@pytest.mark.parametrize(
    ("pointer", "want"),
    [
        ("/spec/containers/0/image", "spec.containers[0].image"),
        ("/metadata/annotations/a.b~1c", "metadata.annotations['a.b/c']"),
        ("/list/-", "list[+]"),
    ],
)
def test_dotted(pointer, want):
    assert dotted(pointer) == want
