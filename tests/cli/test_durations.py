import click
import pytest

from hub.cli.durations import TIMEOUT


@pytest.mark.parametrize(
    ("text", "want"), [pytest.param("30s", 30.0, id="seconds"), pytest.param("1h30m", 5400.0, id="mixed")]
)
def test_seconds(text, want):
    assert TIMEOUT.convert(text, None, None) == want


@pytest.mark.parametrize("text", ["5", "soon", "-1s", "0s"])
def test_refuses(text):
    with pytest.raises(click.BadParameter):
        TIMEOUT.convert(text, None, None)
