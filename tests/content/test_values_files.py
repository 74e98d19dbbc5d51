"""Values files of a chart, each of which may be optional."""

from __future__ import annotations

import pytest

from hub.content.package import ChartRequest, ValuesFilesError, merge_values_files


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "base.yaml").write_text("{a: 1, b: 1}")
    (tmp_path / "member.yaml").write_text("{b: 2}")
    return tmp_path


@pytest.mark.parametrize(
    ("files", "optional", "merged", "used"),
    [
        pytest.param(["base.yaml", "none.yaml"], ["none.yaml"], b"a: 1\nb: 1\n", ["base.yaml"], id="missing"),
        pytest.param(
            ["base.yaml", "member.yaml"],
            ["member.yaml"],
            b"a: 1\nb: 2\n",
            ["base.yaml", "member.yaml"],
            id="there",
        ),
        pytest.param(["./none.yaml", "base.yaml"], ["none.yaml"], b"a: 1\nb: 1\n", ["base.yaml"], id="other spelling"),
        pytest.param(["none.yaml"], ["./none.yaml"], None, [], id="nothing is left: the chart's own"),
    ],
)
def test_merge(tree, files, optional, merged, used):
    request = ChartRequest("chart", values_files=tuple(files), optional_values_files=tuple(optional))
    found = merge_values_files(tree, request)
    assert (found.data, list(found.used)) == (merged, used)


@pytest.mark.parametrize(
    ("files", "optional", "message"),
    [
        pytest.param(["none.yaml", "base.yaml"], ["base.yaml"], "no values file found at path 'none.yaml'", id="other"),
        pytest.param(
            ["base.yaml"],
            ["bsae.yaml"],
            "the optional values file 'bsae.yaml' is not one of the values files",
            id="typo",
        ),
        pytest.param([], ["x.yaml"], "the optional values file 'x.yaml' is not one of the values files", id="no files"),
        pytest.param(["../x.yaml"], ["../x.yaml"], "the values file path '../x.yaml' leaves the source", id="outside"),
    ],
)
def test_refused(tree, files, optional, message):
    request = ChartRequest("chart", values_files=tuple(files), optional_values_files=tuple(optional))
    with pytest.raises(ValuesFilesError) as caught:
        merge_values_files(tree, request)
    assert message in caught.value.message
