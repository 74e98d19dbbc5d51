"""On a real API server: what a release refers to, and what it is told when that is not there."""

from __future__ import annotations

import json

import pytest

from hub.api.helm import VALUES_LAYERS, HelmRelease
from hub.errors import Stalled, Transient
from hub.kube.client import Client
from hub.kube.config import load_kubeconfig
from hub.release.values import Values, as_go_reads
from hub.runtime.secrets import SecretReader

OBJECTS = (
    {"kind": "ConfigMap", "metadata": {"name": "base"}, "data": {"values.yaml": "{a: 1, b: {c: 1}}", "port": "80"}},
    {
        "kind": "Secret",
        "metadata": {"name": "hidden"},
        "stringData": {
            "values.yaml": "b: {password: hush}",
            "password": "a,hush",
            "number": "'1'",
            "bad": "a: !!int hush",
            "list": "- hush",
        },
    },
    {"kind": "Secret", "metadata": {"name": "bytes"}, "data": {"raw": "/w=="}},
)


@pytest.fixture
async def reader(clusters, namespace):
    clusters.hub.apply(namespace, *({"apiVersion": "v1", **one} for one in OBJECTS))
    client = Client(load_kubeconfig(str(clusters.hub.kubeconfig), None))
    yield SecretReader(client)
    await client.aclose()


async def compose(release, reader):
    """Files of sources are not looked at here: see test_source_files."""
    return await Values(reader, None).compose(release, None)


def release(namespace, *references, values=None, layers=()):
    metadata = {"name": "app", "namespace": namespace, "annotations": {VALUES_LAYERS: json.dumps(layers)}}
    return HelmRelease.parse({"metadata": metadata, "spec": {"valuesFrom": list(references), "values": values}})


def config_map(name="base", **more):
    return {"kind": "ConfigMap", "name": name, **more}


def secret(name="hidden", **more):
    return {"kind": "Secret", "name": name, **more}


BASE = {"a": 1, "b": {"c": 1}}


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("references", "values", "wanted"),
    [
        pytest.param([], None, {}, id="nothing"),
        pytest.param([config_map()], {"b": {"d": 2}}, {"a": 1, "b": {"c": 1, "d": 2}}, id="config map, inline on top"),
        pytest.param([config_map(), secret()], None, {"a": 1, "b": {"c": 1, "password": "hush"}}, id="and a secret"),
        pytest.param([config_map(valuesKey="port", targetPath="p.q")], None, {"p": {"q": 80}}, id="one value"),
        pytest.param([secret(valuesKey="number", targetPath="n")], None, {"n": "1"}, id="a quoted value"),
        pytest.param(
            [secret(valuesKey="password", targetPath="p", literal=True)], None, {"p": "a,hush"}, id="a literal value"
        ),
        pytest.param([secret("bytes", valuesKey="raw", targetPath="r")], None, {"r": "\ufffd"}, id="not utf-8"),
        pytest.param([config_map("none", optional=True), config_map()], None, BASE, id="optional object"),
        pytest.param([config_map(valuesKey="none", optional=True)], None, {}, id="optional key"),
        pytest.param(
            [secret("none", valuesKey="x", targetPath="x", optional=True)], None, {}, id="optional value of a path"
        ),
    ],
)
async def test_compose(reader, namespace, references, values, wanted):
    assert await compose(release(namespace, *references, values=values), reader) == wanted


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("reference", "where", "why"),
    [
        pytest.param(config_map("none"), "ConfigMap|none|values.yaml", "resource not found", id="no object"),
        pytest.param(config_map(valuesKey="none"), "ConfigMap|base|none", "key not found", id="no key"),
        pytest.param(
            {"kind": "Pod", "name": "p"}, "Pod|p|values.yaml", "unsupported values reference kind", id="another kind"
        ),
        pytest.param(
            config_map(valuesKey="port"), "ConfigMap|base|port", "a mapping is expected, not a number", id="no mapping"
        ),
        pytest.param(
            secret(valuesKey="list", optional=True),
            "optional Secret|hidden|list",
            "a mapping is expected, not a list",
            id="optional, but not values",
        ),
        pytest.param(
            secret(valuesKey="bad"),
            "Secret|hidden|bad",
            "yaml: line 1: cannot decode (hidden) as a !!int",
            id="not the yaml it says",
        ),
        pytest.param(
            secret(valuesKey="password", targetPath="a.b"),
            "Secret|hidden|password",
            "targetPath 'a.b': the data is not a value of 'helm --set'; set 'literal: true' to take the data as it is",
            id="not a value",
        ),
        pytest.param(
            config_map(valuesKey="port", targetPath="text.x"),
            "ConfigMap|base|port",
            "targetPath 'text.x': 'text' is text, not a mapping",
            id="a path below a text",
        ),
    ],
)
async def test_what_cannot_be_resolved(reader, namespace, reference, where, why):
    with pytest.raises(Transient) as caught:
        await compose(release(namespace, reference, values={"text": "x"}), reader)
    kind, name, key = where.split("|")
    assert caught.value.reason == "ValuesError"
    optional, _, kind = kind.rpartition(" ")
    assert caught.value.message == (
        f"could not resolve{' optional' if optional else ''} {kind} chart values reference '{namespace}/{name}' "
        f"with key '{key}': {why}"
    )
    assert "hush" not in caught.value.message


@pytest.mark.cluster
async def test_objects_as_layers_lie_below(reader, namespace):
    layers = [
        config_map(),
        secret(optional=True),
        config_map("none", optional=True),
        secret("none", valuesKey="k", optional=True),
    ]
    one = release(namespace, config_map(valuesKey="port", targetPath="a"), layers=layers, values={"b": {"d": 1}})
    assert await compose(one, reader) == {"a": 80, "b": {"c": 1, "password": "hush", "d": 1}}
    assert one.status.observed_values_layers == [
        "ConfigMap/base values.yaml sha256:81b89041557f",
        "Secret/hidden values.yaml",
        "ConfigMap/none values.yaml (missing)",
        "Secret/none k (missing)",
    ]


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("layer", "message"),
    [
        pytest.param(
            config_map("none"), "values layer 2 (ConfigMap/none values.yaml): resource not found", id="no object"
        ),
        pytest.param(secret(valuesKey="x"), "values layer 2 (Secret/hidden x): key not found", id="no key"),
        pytest.param(
            secret(valuesKey="bad"),
            "values layer 2 (Secret/hidden bad): yaml: line 1: cannot decode (hidden) as a !!int",
            id="not yaml",
        ),
    ],
)
async def test_an_object_that_is_no_layer(reader, namespace, layer, message):
    with pytest.raises(Transient) as caught:
        await compose(release(namespace, layers=[config_map(), layer]), reader)
    assert (caught.value.reason, caught.value.message) == ("ValuesError", message)


@pytest.mark.cluster
async def test_an_object_is_read_once(clusters, reader, namespace):
    """Both parts come from one version of the object, whatever happens in between."""
    asked = []
    client = reader._client
    get = client.get

    async def counting(api, name, *more, **options):
        asked.append(name)
        return await get(api, name, *more, **options)

    client.get = counting
    await compose(release(namespace, config_map(), config_map(valuesKey="port", targetPath="p")), reader)
    assert asked == ["base"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param([1], "spec.values must be a mapping, not a list", id="list"),
        pytest.param("text", "spec.values must be a mapping, not a single value", id="text"),
    ],
)
async def test_inline_values_that_are_none(values, message):
    with pytest.raises(Stalled, match=message) as caught:
        await compose(release("ns", values=values), SecretReader(None))
    assert caught.value.reason == "ValuesError"


def test_bytes_are_read_as_go_reads_them():
    assert as_go_reads(b"a\xe2\x82z\xff\xc3\xa9") == "a\ufffd\ufffdz\ufffdé"
