import pytest

from hub.cli.durations import DURATION, TIMEOUT
from hub.cli.failures import BadInput


@pytest.mark.parametrize(
    ("text", "want"), [pytest.param("30s", 30.0, id="seconds"), pytest.param("1h30m", 5400.0, id="mixed")]
)
def test_seconds(text, want):
    assert TIMEOUT.convert(text, None, None) == want


@pytest.mark.parametrize("text", ["5", "soon", "-1s", "0s"])
def test_refuses(text):
    for kind in (TIMEOUT, DURATION):
        with pytest.raises(BadInput, match=text):
            kind.convert(text, None, None)


def test_what_goes_into_an_object_stays_as_it_is():
    assert DURATION.convert("1h0m", None, None) == "1h0m"
