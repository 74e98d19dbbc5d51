import click
import pytest

from hub.cli.selector import StatusSelector


def an_object(**conditions):
    return {"status": {"conditions": [{"type": kind, "status": status} for kind, status in conditions.items()]}}


@pytest.mark.parametrize(
    ("text", "raw", "want"),
    [
        pytest.param("Ready=True", an_object(Ready="True"), True, id="has it"),
        pytest.param("Ready=true", an_object(Ready="True"), True, id="any case"),
        pytest.param("Ready=False", an_object(Ready="True"), False, id="has another"),
        pytest.param("Ready=False", {}, False, id="no status is no False"),
        pytest.param("Ready!=True", {}, True, id="nor is it True"),
        pytest.param("Ready!=True", an_object(Ready="Unknown"), True, id="neither is Unknown"),
        pytest.param("Ready!=True", an_object(Ready="True"), False, id="not what is excluded"),
    ],
)
def test_matches(text, raw, want):
    assert StatusSelector.parse(text).matches(raw) is want


@pytest.mark.parametrize("text", ["Ready", "=True", "Ready=", "!=True"])
def test_refuses(text):
    with pytest.raises(click.BadParameter, match="not of the form Ready=False"):
        StatusSelector.parse(text)
