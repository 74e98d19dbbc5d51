from __future__ import annotations

import pytest

from hub.api.helm import VALUES_LAYERS, HelmRelease
from hub.api.meta import Key
from hub.api.source import GitRepository, HelmChart
from hub.release.layer_refs import (
    OBJECTS,
    SOURCES,
    LayersError,
    chart_was_rebuilt,
    charts_of,
    describe,
    layers_of,
    objects_of,
    sources_of,
)


def release(text, **spec):
    metadata = {"name": "app", "namespace": "ns", "annotations": {VALUES_LAYERS: text} if text is not None else {}}
    return HelmRelease.parse({"metadata": metadata, "spec": spec})


@pytest.mark.parametrize(
    ("text", "described"),
    [
        pytest.param(None, [], id="no annotation"),
        pytest.param("", [], id="empty"),
        pytest.param("[]", [], id="empty list"),
        pytest.param("- {kind: GitRepository, name: g, path: a/b.yaml}", ["GitRepository/g a/b.yaml"], id="file"),
        pytest.param("- {kind: ConfigMap, name: c}", ["ConfigMap/c values.yaml"], id="config map"),
        pytest.param('[{"kind": "Secret", "name": "s", "valuesKey": "k"}]', ["Secret/s k"], id="json"),
    ],
)
def test_layers(text, described):
    assert [describe(layer) for layer in layers_of(release(text))] == described


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("[", "yaml: line 2: did not find expected node content", id="not yaml"),
        pytest.param("{kind: Secret}", "a list is expected", id="no list"),
        pytest.param("- a.yaml", "entry 1: a mapping is expected", id="no mapping"),
        pytest.param(
            "- {kind: ConfigMap, name: c, key: k}",
            "entry 1: 'key' is not known; there are: kind, name, path, valuesKey, optional",
            id="unknown key",
        ),
        pytest.param(
            "- {kind: GitRepository, name: g, namespace: other, path: a}",
            "entry 1: 'namespace' is not known; there are: kind, name, path, valuesKey, optional",
            id="another namespace",
        ),
        pytest.param(
            "- {kind: Pod, name: p}",
            f"entry 1: 'kind' must be one of {', '.join((*SOURCES, *OBJECTS))}",
            id="another kind",
        ),
        pytest.param(
            "- {kind: HelmChart, name: c, path: a}",
            f"entry 1: 'kind' must be one of {', '.join((*SOURCES, *OBJECTS))}",
            id="a chart is no layer",
        ),
        pytest.param("- {kind: ConfigMap}", "entry 1: 'name' is missing", id="no name"),
        pytest.param(
            "- {kind: ConfigMap, name: c}\n- {kind: GitRepository, name: g}",
            "entry 2: 'path' of the file in the GitRepository is missing",
            id="no path",
        ),
        pytest.param(
            "- {kind: ConfigMap, name: c, path: p}", "entry 1: 'path' means nothing for a ConfigMap", id="stray path"
        ),
        pytest.param(
            "- {kind: GitRepository, name: g, path: p, valuesKey: k}",
            "entry 1: 'valuesKey' means nothing for a GitRepository",
            id="stray key",
        ),
        pytest.param("- {kind: ConfigMap, name: 1}", "entry 1: 'name' must be text", id="name is no text"),
        pytest.param(
            '- {kind: ConfigMap, name: c, optional: "no"}',
            "entry 1: 'optional' must be true or false",
            id="optional is text",
        ),
    ],
)
def test_what_the_annotation_cannot_say(text, message):
    with pytest.raises(LayersError) as caught:
        layers_of(release(text))
    assert caught.value.message == f"annotation {VALUES_LAYERS}: {message}"
    assert caught.value.reason == "ValuesError"


def test_what_brings_a_release_back():
    text = "[{kind: GitRepository, name: g, path: a}, {kind: ConfigMap, name: c}, {kind: Secret, name: s}]"
    one = release(text, chart={"spec": {"chart": "c", "sourceRef": {"kind": "GitRepository", "name": "x"}}})
    assert list(sources_of(one)) == [Key("GitRepository", "ns", "g")]
    assert list(objects_of(one)) == [Key("ConfigMap", "ns", "c"), Key("Secret", "ns", "s")]
    assert list(charts_of(one)) == [Key("HelmChart", "ns", "ns-app")]


@pytest.mark.parametrize(
    "resource",
    [
        pytest.param(release("[{kind: Pod}]"), id="a broken annotation"),
        pytest.param(release(None, chartRef={"kind": "HelmChart", "name": "c"}), id="none"),
        pytest.param(GitRepository(), id="another kind"),
    ],
)
def test_who_has_no_layers_is_not_brought_back(resource):
    assert [*sources_of(resource), *objects_of(resource), *charts_of(resource)] == []


def test_a_chart_that_was_built_anew():
    def chart(revision):
        return HelmChart.parse({"status": {"observedSourceArtifactRevision": revision}})

    assert chart_was_rebuilt(chart("a"), chart("b"))
    assert not chart_was_rebuilt(chart("a"), chart("a"))
    assert chart_was_rebuilt(None, chart("a"))
