"""Go templates: the table of cases as they render here and by the real engine, and the errors in Go's words."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hub.content.gotemplate import Struct, Template, TemplateError
from hub.dev.binaries import Toolbox
from hub.dev.progress import Progress

TABLE = yaml.safe_load((Path(__file__).parent / "gotemplate_cases.yaml").read_text())
CASES = {case["name"]: case for case in TABLE["cases"]}
ERRORS = {case["name"]: case for case in TABLE["errors"]}


@pytest.mark.parametrize("name", CASES)
def test_renders(name):
    case = CASES[name]
    assert Template("case", case["template"]).render(TABLE["data"]) == case["want"]


async def test_renders_as_the_real_engine(tmp_path):
    """One run of helm renders the whole table."""
    helm = (await Toolbox(Progress(lambda _: None)).ensure("helm"))["helm"]
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: cases, version: 1.0.0}")
    (chart / "values.yaml").write_text(json.dumps({"data": TABLE["data"]}))
    lines = []
    for number, case in enumerate(CASES.values()):
        (chart / f"case-{number}.tmpl").write_text(case["template"])
        lines.append(f'c{number}: {{{{ tpl (.Files.Get "case-{number}.tmpl") .Values.data | toJson }}}}')
    (chart / "templates" / "cases.yaml").write_text("\n".join(lines))
    command = [str(helm), "template", "x", str(chart)]
    ran = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    rendered = yaml.safe_load(ran.stdout)
    got = {name: rendered[f"c{number}"] for number, name in enumerate(CASES)}
    assert got == {name: case["want"] for name, case in CASES.items()}


@pytest.mark.parametrize("name", ERRORS)
def test_says_what_is_wrong(name):
    template, message = ERRORS[name]["template"], ERRORS[name]["message"]
    with pytest.raises(TemplateError) as caught:
        Template("x", template).render(TABLE["data"] | {"s": Struct("T", {"A": 1})})
    assert message in str(caught.value)
    assert str(caught.value).startswith("template: x:1" if "\n" not in template else "template: x:2")


def test_missing_keys_print_as_in_go():
    """Helm's own option hides this one, so it is no case of the table."""
    assert Template("x", "{{ .gone }} {{ .gone.deeper }} {{ .nothing }}").render({"nothing": None}) == (
        "<no value> <no value> <no value>"
    )


def test_structs_print_as_in_go():
    ref = Struct("ImageRef", {"Name": "n", "Policy": "p"}, text="app:1", hidden=("Name", "Policy"))
    plain = Struct("Change", {"OldValue": "a", "NewValue": "b"})
    data = {"ref": ref, "plain": plain, "by": {plain: [ref]}}
    template = '{{ .ref }} {{ .ref.Name }} {{ .plain }} {{ printf "%+v" .plain }} {{ .by }}'
    assert Template("x", template).render(data) == "app:1 n {a b} {OldValue:a NewValue:b} map[{a b}:[app:1]]"
    assert Template("x", "{{ range $k, $v := .by }}{{ $k.NewValue }}{{ end }}").render(data) == "b"


@given(st.text(alphabet="{}-. \n\t$|()\":=,ab1/*`'", max_size=40))
def test_any_text_renders_or_is_refused(source):
    with contextlib.suppress(TemplateError):
        assert isinstance(Template("x", source).render({"a": {"b": "c"}}), str)
