"""The registry, the models and the CRDs say the same."""

import json
import types
from pathlib import Path
from typing import get_args

import pytest
import yaml

from hub.api.crds import crd, crds, files, main, stale
from hub.api.helm import HelmRelease
from hub.api.meta import Duration, Model, Resource
from hub.api.model import plain
from hub.api.registry import KINDS, kind_for, kind_named
from hub.api.schema import schema
from hub.api.source import GitRepository, HelmChart

DATA = Path(__file__).parent / "data"
ROOT = Path(__file__).parents[2]
EVERY_KIND = pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in KINDS])


@pytest.mark.parametrize(
    ("name", "model"),
    [
        pytest.param("hr", HelmRelease, id="short name"),
        pytest.param("HelmRelease", HelmRelease, id="kind"),
        pytest.param("helmreleases.helm.toolkit.fluxcd.io", HelmRelease, id="plural with group"),
        pytest.param("source git", GitRepository, id="two words"),
        pytest.param(" Sources  GIT ", GitRepository, id="case and spaces"),
        pytest.param("gitrepo", GitRepository, id="short name of kubectl"),
        pytest.param("source chart", HelmChart, id="chart"),
        pytest.param("hc", HelmChart, id="short name of a chart"),
    ],
)
def test_kind_named(name, model):
    assert kind_named(name) is model.KIND
    assert kind_named(name).model is model


def test_unknown_kind():
    with pytest.raises(LookupError, match="unknown kind 'carrier'; known are: source git, "):
        kind_named("carrier")


def test_kind_for():
    assert kind_for("helm.toolkit.fluxcd.io/v2beta1", "HelmRelease") is HelmRelease.KIND
    assert kind_for("helm.toolkit.fluxcd.io/v2", "GitRepository") is None
    assert kind_for("v1", "Secret") is None


@EVERY_KIND
def test_kinds_are_consistent(kind):
    assert issubclass(kind.model, Resource)
    assert kind.model.KIND is kind
    assert kind.model.__name__ == kind.name == kind.api.kind
    assert kind.versions[-1].name == kind.api.version
    assert not kind.versions[-1].deprecated
    assert kind.at(kind.versions[0].name).version == kind.versions[0].name
    with pytest.raises(LookupError, match="has no version 'v9'"):
        kind.at("v9")


def test_no_word_means_two_kinds():
    words = [{*kind.names, *kind.short_names, kind.api.plural, kind.name.lower()} for kind in KINDS]
    assert sum(map(len, words)) == len(set().union(*words))


@EVERY_KIND
def test_crd_matches_registry(kind):
    spec = crd(kind)["spec"]
    assert [version["name"] for version in spec["versions"]] == [v.name for v in reversed(kind.versions)]
    assert [version["name"] for version in spec["versions"] if version["storage"]] == [kind.api.version]
    for version, made in zip(reversed(kind.versions), spec["versions"], strict=True):
        assert made["served"]
        assert made.get("deprecated", False) is version.deprecated
        assert ("deprecationWarning" in made) is version.deprecated
        assert made["schema"] == spec["versions"][0]["schema"], "one schema for all"
        columns = kind.columns if version.columns is None else version.columns
        assert [column["name"] for column in made["additionalPrinterColumns"]] == [c.name for c in columns]


def _objects(part):
    if isinstance(part, dict):
        if part.get("type") == "object":
            yield part
        for value in part.values():
            yield from _objects(value)
    if isinstance(part, list):
        for value in part:
            yield from _objects(value)


@EVERY_KIND
def test_schemas_are_structural(kind):
    text = json.dumps(crd(kind))
    assert not any(f'"{word}"' in text for word in ("$ref", "anyOf", "allOf", "oneOf", "null", "nullable", "title"))
    root = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert root["properties"]["status"].get("default") == ({"observedGeneration": -1} if kind.initial_status else None)
    for found in _objects(root):
        assert set(found.get("required", [])) <= set(found.get("properties", {}))


@EVERY_KIND
def test_columns_name_fields_that_exist(kind):
    root = schema(kind.model)
    for column in kind.columns:
        if not column.path.startswith((".spec", ".status")):
            continue
        found = root
        for word in column.path.split("[")[0].strip(".").split("."):
            assert word in found["properties"], column
            found = found["properties"][word]


@EVERY_KIND
def test_schema_defaults_are_the_models_defaults(kind):
    """What the API server fills in is what reading an object without it gives."""

    def compare(model, made):
        for name, field in model.model_fields.items():
            part = made["properties"].get(field.alias)
            if "default" in part and field.alias != "status":
                value = getattr(model(), name)
                assert part["default"] == plain(value), f"{model.__name__}.{name}"
                assert isinstance(value, Model) or type(value) in {str, bool, int, list, Duration}
            for inner in _models(field.annotation):
                compare(inner, part.get("items", part.get("additionalProperties", part)))

    compare(kind.model.model_fields["spec"].annotation, schema(kind.model)["properties"]["spec"])


def _models(annotation):
    if (
        isinstance(annotation, type)
        and not isinstance(annotation, types.GenericAlias)
        and issubclass(annotation, Model)
    ):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


@EVERY_KIND
def test_every_field_is_described(kind):
    def walk(made, path):
        for name, part in made.get("properties", {}).items():
            assert part.get("description"), f"{path}.{name}"
            walk(part.get("items", part), f"{path}.{name}")

    for name in ("spec", "status"):
        walk(schema(kind.model)["properties"][name], name)


def test_a_type_that_no_schema_can_express():
    class Odd(Model):
        either: int | str = 0

    with pytest.raises(TypeError, match="cannot express"):
        schema(Odd)


def test_a_real_release_survives_reading_and_writing():
    raw = json.loads((DATA / "released.json").read_text())
    assert HelmRelease.parse(raw).dump() == raw


def test_generated_files_are_fresh():
    assert stale(ROOT / "crds") == [], "run 'make crds'"


def test_generator(tmp_path, capsys):
    folder = tmp_path / "crds"
    assert main(["--check", str(folder)]) == 1
    assert "source.toolkit.fluxcd.io_helmcharts.yaml" in capsys.readouterr().err
    assert main([str(folder)]) == 0
    assert main(["--check", str(folder)]) == 0
    assert {path.name: path.read_text() for path in folder.iterdir()} == files()
    assert [yaml.safe_load(path.read_text()) for path in sorted(folder.iterdir())] == sorted(
        crds(), key=lambda made: made["metadata"]["name"].partition(".")[2] + made["spec"]["names"]["plural"]
    )
    (folder / "old.yaml").write_text("gone")
    (folder / "source.toolkit.fluxcd.io_helmcharts.yaml").write_text("edited")
    assert main(["--check", str(folder)]) == 1
    assert main([str(folder)]) == 0
    assert stale(folder) == []
