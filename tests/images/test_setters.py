# ruff: noqa: E501  the rows of the tables are read as lines
"""Setters: what a marker changes, and that nothing else ever does."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.images.setters import Change, Image, ObjectId, edit

WEB = Image("ghcr.io/org/web", "1.2.3", "sha256:" + "a" * 64)
API = Image("api", "main-abc-17")
IMAGES = {"apps:web": WEB, "apps:api": API, "apps:odd": Image("odd", "1.10"), "apps:hex": Image("hex", "12e4567")}
FULL = str(WEB)


def marker(setter):
    return f'# {{"$imagepolicy": "{setter}"}}'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("tag: 1.0.0 {apps:web:tag}", "tag: 1.2.3 {apps:web:tag}", id="tag"),
        pytest.param("name: x {apps:web:name}", "name: ghcr.io/org/web {apps:web:name}", id="name"),
        pytest.param("d: x {apps:web:digest}", f"d: {WEB.digest} {{apps:web:digest}}", id="digest"),
        pytest.param("d: x {apps:api:digest}", 'd: "" {apps:api:digest}', id="digest when there is none"),
        pytest.param("image: web:1 {apps:web}", f"image: {FULL} {{apps:web}}", id="whole reference"),
        pytest.param("image: web:1 {apps:api}", "image: api:main-abc-17 {apps:api}", id="without a digest"),
        pytest.param("- web:1 {apps:api}", "- api:main-abc-17 {apps:api}", id="item of a list"),
        pytest.param("tag: '1' {apps:web:tag}", "tag: '1.2.3' {apps:web:tag}", id="single quotes stay"),
        pytest.param('tag: "" {apps:web:tag}', 'tag: "1.2.3" {apps:web:tag}', id="double quotes stay"),
        pytest.param("tag: {apps:web:tag}", "tag: 1.2.3 {apps:web:tag}", id="nothing there yet"),
        pytest.param("- {apps:web:tag}", "- 1.2.3 {apps:web:tag}", id="empty item"),
        pytest.param("tag: &t 1 {apps:web:tag}", "tag: &t 1.2.3 {apps:web:tag}", id="anchor stays"),
        pytest.param("tag: !!str 1 {apps:web:tag}", "tag: !!str 1.2.3 {apps:web:tag}", id="YAML tag stays"),
        pytest.param("tag: 1.1 {apps:odd:tag}", 'tag: "1.10" {apps:odd:tag}', id="a tag like a number is quoted"),
        pytest.param("tag: abc {apps:hex:tag}", 'tag: "12e4567" {apps:hex:tag}', id="a hash like a number is quoted"),
        pytest.param("tag:   1.0   {apps:web:tag}", "tag:   1.2.3   {apps:web:tag}", id="spaces stay"),
        pytest.param("a: {b: 1, c: 2} {apps:web:tag}", "a: {b: 1, c: 1.2.3} {apps:web:tag}", id="last of a flow mapping"),
        pytest.param("a: [\n  x, {apps:api:tag}\n  y\n]", "a: [\n  main-abc-17, {apps:api:tag}\n  y\n]", id="before a comma"),
        pytest.param("a: >- {apps:api}\n    web:1\n\n# end", "a: >- {apps:api}\n    api:main-abc-17\n\n# end", id="folded block"),
        pytest.param("a: | {apps:api}\n  web:1\nb: 1", "a: | {apps:api}\n  api:main-abc-17\nb: 1", id="literal block"),
        pytest.param("a: 1\r\nt: 1 {apps:web:tag}\r\nb: 2\r\n", "a: 1\r\nt: 1.2.3 {apps:web:tag}\r\nb: 2\r\n", id="CRLF stays"),
        pytest.param("\ufefft: 1 {apps:web:tag}", "\ufefft: 1.2.3 {apps:web:tag}", id="byte order mark stays"),
        pytest.param("é: ü # 😀\nt: 1 {apps:web:tag}", "é: ü # 😀\nt: 1.2.3 {apps:web:tag}", id="positions are characters"),
        pytest.param("t: >\n  two\n  lines\nu: 'a\n  b' {apps:web:tag}", "t: >\n  two\n  lines\nu: '1.2.3' {apps:web:tag}", id="text over lines"),
        pytest.param("t: 1 {apps:web:tag}", "t: 1.2.3 {apps:web:tag}", id="no line end at the end"),
        pytest.param("a: 1\n...\n---\nt: 1 {apps:web:tag}\n", "a: 1\n...\n---\nt: 1.2.3 {apps:web:tag}\n", id="second document"),
        pytest.param("%YAML 1.1\n---\nt: 1 {apps:web:tag}\n", "%YAML 1.1\n---\nt: 1.2.3 {apps:web:tag}\n", id="directives"),
    ],
)  # fmt: skip
def test_writes(before, after):
    before, after = (_marked(text) for text in (before, after))
    first = edit(before, IMAGES)
    assert (first.text, len(first.changes), first.problems) == (after, 1, [])
    again = edit(after, IMAGES)
    assert (again.text, again.changes) == (after, []), "a second look changes nothing"


def _marked(text):
    """Spell the short ``{ns:policy}`` out."""
    import re

    return re.sub(r"\{(apps:[\w:]+)\}", lambda match: marker(match[1]), text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("a:\n  {{- if .x }}\n  t: 1 {apps:web:tag}\n  {{- end }}\n", "1:", id="template"),
        pytest.param("t: [1 {apps:web:tag}\n", "1:", id="broken YAML"),
        pytest.param("a: {apps:web:tag}\n  b: 1\n", "does not stand behind a value", id="value on the next line"),
        pytest.param("{apps:web:tag}\nt: 1\n", "does not stand behind a value", id="a line of its own"),
        pytest.param("a: &x 1\nt: *x {apps:web:tag}\n", "does not stand behind a value", id="alias"),
        pytest.param("t: 1 {apps:web:size}\n", "ends in ':size'", id="unknown part"),
        pytest.param('t: 1 # {"$imagepolicy": "web"}\n', "does not read", id="no namespace"),
        pytest.param('t: 1 # {"$imagepolicy": "apps:web:tag"\n', "is not JSON", id="no JSON"),
        pytest.param("t: {{ .Values.tag }} {apps:web:tag}\n", "does not stand behind a value", id="braces of a template"),
    ],
)  # fmt: skip
def test_leaves_alone_and_says_why(text, problem):
    text = _marked(text)
    edited = edit(text, IMAGES)
    assert (edited.text, edited.changes) == (text, [])
    assert len(edited.problems) == 1
    assert problem == "1:" or problem in edited.problems[0].message


def test_a_broken_document_does_not_spoil_the_others():
    text = _marked("t: 1 {apps:web:tag}\n---\nt: [1 {apps:web:tag}\n---\nt: 1 {apps:api:tag}\n")
    edited = edit(text, IMAGES)
    want = _marked("t: 1.2.3 {apps:web:tag}\n---\nt: [1 {apps:web:tag}\n---\nt: main-abc-17 {apps:api:tag}\n")
    assert edited.text == want
    assert [(problem.line, "cannot be read as YAML" in problem.message) for problem in edited.problems] == [(3, True)]


def test_a_marker_within_a_text_is_text():
    text = f"a: |\n  t: 1 {marker('apps:web:tag')}\nb: 'x\n  y {marker('apps:web:tag')}'\n"
    assert edit(text, IMAGES).text == text


def test_tells_markers_that_name_no_policy():
    text = _marked("a: 1\nt: 1 {apps:gone:tag}\nu: 1 {apps:web:tag}\n")
    edited = edit(text, IMAGES)
    assert edited.unknown == [(2, "apps:gone")]
    assert [change.policy for change in edited.changes] == ["apps:web"]


def test_tells_object_and_setter_of_a_change():
    text = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: x}\n"
        f"spec:\n  image: web:1 {marker('apps:api')}\n"
    )
    assert edit(text, IMAGES).changes == [
        Change(
            5, ObjectId("apps/v1", "Deployment", "web", "x"), "apps:api", "apps:api", "web:1", "api:main-abc-17"
        )
    ]  # fmt: skip


NEW = "main-abc-17"
# A value as it is written, and how it has to read afterwards; both follow "key:".
VALUES = st.sampled_from([
    (" 1.0.0", f" {NEW}"),
    ("  '1.0.0'", f"  '{NEW}'"),
    (' "x y"', f' "{NEW}"'),
    ("", f" {NEW}"),
    (" &@ v1", f" &@ {NEW}"),
    (" !!str 7", f" !!str {NEW}"),
    (" plain text", f" {NEW}"),
    (" 'it''s # no'", f" '{NEW}'"),
    (' "\\u00e9#"', f' "{NEW}"'),
])  # fmt: skip
OTHERS = [" 1", " '#'", ' "a # b"', " text # comment", "", " {a: b}", " [x, y]", " |\n  two\n\n  lines\n", " >-\n  x"]
LINES = st.one_of(
    st.tuples(st.just("marked"), VALUES),
    st.tuples(st.just("plain"), st.sampled_from(OTHERS)),
    st.tuples(st.just("raw"), st.sampled_from(["# a comment", "", "   ", '# {"other": "marker"}'])),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, max_size=12), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.text("é😀 x", max_size=4))
def test_only_the_scalar_changes(lines, ending, last, comment):
    before, after, keys = [f"# {comment}"], [f"# {comment}"], []
    for number, (kind, value) in enumerate(lines):
        old, new = value if kind == "marked" else (value, value)
        tail = f" \t{marker('apps:api:tag')} " if kind == "marked" else ""
        head = "" if kind == "raw" else f"k{number}:"
        before.append(f"{head}{old}{tail}".replace("&@", f"&a{number}").replace("\n", ending))
        after.append(f"{head}{new}{tail}".replace("&@", f"&a{number}").replace("\n", ending))
        keys += [head[:-1]] if kind == "marked" else []
    text, want = (ending.join(part) + (ending if last else "") for part in (before, after))
    edited = edit(text, IMAGES)
    assert edited.text == want
    assert edited.problems == []
    found = yaml.safe_load(edited.text.replace("\t", " ")) or {}
    assert [found[key] for key in keys] == [NEW] * len(keys)
    assert edit(edited.text, IMAGES).text == edited.text
