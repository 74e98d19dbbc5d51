"""JSON as Go writes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.release import gojson


@pytest.mark.parametrize(
    ("value", "want"),
    [
        pytest.param({"b": 1, "a": [True, None]}, '{"b":1,"a":[true,null]}', id="order is kept, no spaces"),
        pytest.param("<a> & \u2028", '"\\u003ca\\u003e \\u0026 \\u2028"', id="HTML and line separators are escaped"),
        pytest.param("äöü €", '"äöü €"', id="UTF-8 as it is"),
        pytest.param(1.0, "1", id="whole floats"),
        pytest.param(0.00001, "0.00001", id="small floats are plain"),
        pytest.param(1e-7, "1e-7", id="smaller ones have a short exponent"),
        pytest.param(1e21, "1e+21", id="large ones too"),
        pytest.param(1e20, "100000000000000000000", id="up to there they are plain"),
    ],
)
def test_dumps(value, want):
    assert gojson.dumps(value) == want


@pytest.mark.parametrize("text", ["1.50", "1e-05", "0.1", "1E5", "-0.0"])
def test_numbers_keep_their_text(text):
    assert gojson.dumps(gojson.loads(text)) == text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_what_is_written_reads_back(value):
    assert gojson.loads(gojson.dumps(value)) == value
