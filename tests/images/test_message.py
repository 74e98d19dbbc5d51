# ruff: noqa: E501  templates are read as lines
"""What commit messages can say about a change."""

from __future__ import annotations

import pytest

from hub.api.meta import Key
from hub.images.message import BadTemplateError, Changes, compile_template, render
from hub.images.setters import Change, Image, ObjectId

WEB, API = Image("nginx", "1.25.3"), Image("ghcr.io/org/api", "2.0.0", "sha256:" + "a" * 64)
DEPLOYMENT = ObjectId("apps/v1", "Deployment", "Web", "apps")
VALUES = ObjectId()
CHANGES = Changes(
    {
        "b/values.yaml": [Change(3, VALUES, "apps:web:tag", "apps:web", "1.25.2", "1.25.3")],
        "a.yaml": [
            Change(9, DEPLOYMENT, "apps:api", "apps:api", "ghcr.io/org/api:1.0.0", str(API)),
            Change(12, DEPLOYMENT, "apps:web:tag", "apps:web", "1.25.2", "1.25.3"),
        ],
    },
    {"apps:web": WEB, "apps:api": API},
)
DATA = CHANGES.data(Key("ImageUpdateAutomation", "apps", "all"), {"env": "prod"})


@pytest.mark.parametrize(
    ("template", "want"),
    [
        pytest.param("", "Update from image update automation", id="default"),
        pytest.param("{{range .Updated.Images}}{{println .}}{{end}}", f"{API}\nnginx:1.25.3\n", id="seed: images, each once"),
        pytest.param("{{ .AutomationObject }} {{ .AutomationObject.Name }}", "apps/all all", id="automation"),
        pytest.param("{{ .Values.env }} {{ .Values.nope }}", "prod <no value>", id="values"),
        pytest.param("{{ range $f, $_ := .Updated.Files }}{{ $f }} {{ end }}", "a.yaml b/values.yaml ", id="files in order"),
        pytest.param("{{ range $o, $_ := .Updated.Objects }}[{{ $o.Kind | lower }} {{ $o.Name | lower }}]{{ end }}", "[ ][deployment web]", id="seed: objects"),
        pytest.param("{{ range $f, $r := .Updated.Files }}{{ range $o, $i := $r.Objects }}{{ $f }}/{{ $o.Kind }}: {{ len $i }} {{ end }}{{ end }}", "a.yaml/Deployment: 2 b/values.yaml/: 1 ", id="objects of files"),
        pytest.param("{{ with index .Updated.Images 0 }}{{ .Repository }} {{ .Registry }} {{ .Identifier }} {{ .Policy.Namespace }}/{{ .Policy.Name }} {{ .Policy }}{{ end }}", "org/api ghcr.io 2.0.0 apps/api apps/api", id="parts of an image"),
        pytest.param("{{ with index .Updated.Images 1 }}{{ .Name }} {{ .Repository }} {{ .String }}{{ end }}", "index.docker.io/library/nginx:1.25.3 library/nginx nginx:1.25.3", id="full name"),
        pytest.param("{{ range .Changed.Changes }}{{ .OldValue }}->{{ .NewValue | trunc 6 }} ({{ .Setter }}) {{ end }}", "ghcr.io/org/api:1.0.0->ghcr.i (apps:api) 1.25.2->1.25.3 (apps:web:tag) ", id="changes, each once"),
        pytest.param("{{ range $f, $o := .Changed.FileChanges }}{{ $f }} {{ range $k, $c := $o }}{{ $k.Kind }}{{ len $c }} {{ end }}{{ end }}", "a.yaml Deployment2 b/values.yaml 1 ", id="changes of files"),
        pytest.param("{{ range $o, $c := .Changed.Objects }}{{ $o.Namespace }}/{{ $o.Name }}: {{ range $c }}{{ .NewValue | trunc 4 }} {{ end }}{{ end }}", "/: 1.25 apps/Web: ghcr 1.25 ", id="changes of objects"),
        pytest.param('[ci skip] {{ len .Changed.Changes | plural "image" "images" }}', "[ci skip] images", id="for the pipeline"),
    ],
)  # fmt: skip
def test_renders(template, want):
    assert render(compile_template(template), DATA) == want


@pytest.mark.parametrize(
    ("template", "message"),
    [
        pytest.param("{{ .Nope.X", "unable to create commit message template from spec: template: commit message:1: unclosed action", id="no template"),
        pytest.param("{{ .Updated.Nope }}", 'failed to run template from spec: template: commit message:1:3: executing "commit message" at <.Updated.Nope>', id="no such field"),
        pytest.param('{{ range $image, $_ := .Updated.Images }}{{ if contains "1" $image }}{{ end }}{{ end }}', "write 'range $_, $image := .Updated.Images'", id="seed: the index is not the image"),
    ],
)  # fmt: skip
def test_refuses(template, message):
    with pytest.raises(BadTemplateError) as caught:
        render(compile_template(template), DATA)
    assert message in str(caught.value)
