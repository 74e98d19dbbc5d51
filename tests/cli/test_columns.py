import pytest

from hub.api.registry import KINDS
from hub.cli.columns import columns_of, source_of, value


@pytest.mark.parametrize(
    ("path", "want"),
    [
        pytest.param("a.b", "1", id="below a key"),
        pytest.param("list.1", "y", id="in a list"),
        pytest.param("list.7", "", id="beyond a list"),
        pytest.param("x.y|a.b", "1", id="the first that is there"),
        pytest.param("a.b+a.c", "1/2", id="joined"),
        pytest.param("a.b.c", "", id="below a value"),
    ],
)
def test_value(path, want):
    assert value({"a": {"b": 1, "c": 2}, "list": ["x", "y"]}, path) == want


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        pytest.param({"sourceRef": {"kind": "Bucket", "name": "b"}}, "Bucket/ns/b", id="its own namespace"),
        pytest.param(
            {"chartRef": {"kind": "OCIRepository", "name": "o", "namespace": "x"}}, "OCIRepository/x/o", id="another"
        ),
        pytest.param(
            {"chart": {"spec": {"sourceRef": {"kind": "GitRepository", "name": "g"}}}}, "GitRepository/ns/g", id="chart"
        ),
        pytest.param({"url": "x"}, "", id="an origin itself"),
    ],
)
def test_source_of(spec, want):
    assert source_of({"metadata": {"namespace": "ns"}, "spec": spec}) == want


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_has_columns_that_its_objects_can_have(kind):
    """A path begins with a part that the kind's model knows, or the column would always be empty."""
    for column in columns_of(kind.name):
        for path in column.path.replace("+", "|").split("|"):
            part, field = path.split(".")[:2]
            model = type(getattr(kind.model(), part))
            assert field in {known.alias or name for name, known in model.model_fields.items()}, path
