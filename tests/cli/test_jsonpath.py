import click
import pytest

from hub.cli.jsonpath import parse, render

DATA = {
    "items": [
        {"metadata": {"name": "a", "annotations": {"x.y/z": "1"}}, "spec": {"n": 3, "on": True}},
        {"metadata": {"name": "b"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}},
    ]
}


@pytest.mark.parametrize(
    ("template", "want"),
    [
        pytest.param("{.items[*].metadata.name}", "a b", id="several are separated by spaces"),
        pytest.param(".items[0].metadata.name", "a", id="without braces it is one path"),
        pytest.param("{$.items[0].spec.n}", "3", id="a number"),
        pytest.param("{.items[0].spec}", '{"n": 3, "on": true}', id="an object"),
        pytest.param("{.items[9].x}", "", id="nothing there"),
        pytest.param("{items[1].metadata.name}", "b", id="without the leading dot"),
        pytest.param(r"{.items[0].metadata.annotations.x\.y/z}", "1", id="an escaped dot"),
        pytest.param('{.items[*].status.conditions[?(@.type=="Ready")].status}', "True", id="a filter"),
        pytest.param('name={.items[0].metadata.name}{"\\n"}', "name=a\n", id="text around"),
        pytest.param('{range .items[*]}{.metadata.name}{"\\t"}{end}', "a\tb\t", id="a range"),
        pytest.param(
            "{range .items[*]}{range .status.conditions[*]}{.type}{end};{end}", ";Ready;", id="a range in a range"
        ),
        pytest.param("{.items[-1:].metadata.name}", "b", id="from the end"),
    ],
)
def test_render(template, want):
    assert render(parse(template), DATA) == want


@pytest.mark.parametrize(
    ("template", "says"),
    [
        pytest.param("{.items[", "a brace is not closed", id="brace"),
        pytest.param("{.items[}", "is not a path", id="path"),
        pytest.param("{range .x}", "{range} without {end}", id="range"),
        pytest.param("{.x}{end}", "{end} without {range}", id="end"),
    ],
)
def test_what_cannot_be_read_is_refused(template, says):
    with pytest.raises(click.UsageError) as caught:
        parse(template)
    assert says in caught.value.message
