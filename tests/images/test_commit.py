# ruff: noqa: E501  rows and Git commands are read as lines
"""What a run of an automation does to a real Git server: cluster-free."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from git_kit import SshGitServer, ssh_key
from image_kit import VALUES, WEB, Desk, marked

from hub.content.commitsign import ssh
from hub.content.gitauth import auth_of
from hub.content.gitcache import Remote
from hub.content.gitwrite import WriteFailed
from hub.dev.gitserver import Fault
from hub.errors import Transient
from hub.images.message import BadTemplateError
from hub.images.setters import Image


@pytest.fixture
async def desk(git_server, tmp_path):
    desk = await Desk(git_server, tmp_path / "cache").prepare()
    yield desk
    desk.cache.close()


async def test_one_commit_changes_just_the_value(desk):
    outcome = await desk.run(desk.order(template="{{range .Updated.Images}}{{println .}}{{end}}"))
    assert desk.git("rev-parse", "master").strip() == outcome.commit
    assert desk.git("show", "master:values.yaml") == VALUES.replace("1.0.0", "1.1.0")
    assert (
        desk.git("log", "-1", "--format=%an <%ae> %cn <%ce>|%s", "master")
        == "Bot <bot@x.io> Bot <bot@x.io>|ghcr.io/org/web:1.1.0\n"
    )
    assert desk.git("diff", "--name-only", "master~1", "master") == "values.yaml\n"
    assert desk.announced == [(outcome.commit, "master")]
    assert desk.git("rev-list", "--count", "master").strip() == "2"


async def test_nothing_to_change_makes_no_commit(desk):
    outcome = await desk.run(desk.order("1.0.0"))
    assert (outcome.commit, desk.announced) == ("", [])
    assert outcome.revision == f"master@sha1:{desk.git('rev-parse', 'master').strip()}"


async def test_many_policies_are_one_commit(desk):
    await desk.server.commit(
        "app", {"b/api.yml": f"a: api:1 {marked('apps:api')}\r\n", "Kustomization": f"t: 1 {marked('apps:api:tag')}"}
    )
    images = {"apps:web": Image(WEB, "2.0.0"), "apps:api": Image("api", "7")}
    outcome = await desk.run(
        desk.order(
            images=images, template="{{ len .Changed.Changes }} {{ range $f, $_ := .Updated.Files }}{{ $f }} {{ end }}"
        )
    )
    assert desk.git("log", "-1", "--format=%s", "master").strip() == "3 Kustomization b/api.yml values.yaml"
    assert desk.git("show", "master:b/api.yml") == f"a: api:7 {marked('apps:api')}\r\n"
    assert desk.git("show", "master:Kustomization") == f't: "7" {marked("apps:api:tag")}'
    assert desk.git("rev-list", "--count", "master").strip() == "3"
    changed = [change.policy for one in outcome.edits.changes.values() for change in one]
    assert changed == ["apps:api", "apps:api", "apps:web"]


async def test_the_mode_of_a_file_stays(desk):
    await desk.server.commit("app", {"x.yaml": VALUES})
    work = desk.server.root / "w"
    import subprocess

    for command in (["clone", "-q", str(desk.server.root / "app.git"), str(work)], ["-C", str(work), "update-index", "--chmod=+x", "x.yaml"],
                    ["-C", str(work), "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"], ["-C", str(work), "push", "-q"]):  # fmt: skip
        await asyncio.to_thread(subprocess.run, ["git", *command], check=True)
    await desk.run(desk.order())
    assert desk.git("ls-tree", "master", "x.yaml").startswith("100755 ")


@pytest.mark.parametrize("path", ["apps", "./apps", "apps/", "/apps", "apps/a.yaml"])
async def test_only_below_the_path(desk, path):
    await desk.server.commit("app", {"apps/a.yaml": VALUES, "apps-2/b.yaml": VALUES})
    await desk.run(desk.order(path=path))
    assert desk.git("diff", "--name-only", "master~1", "master") == "apps/a.yaml\n"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("gone", "spec.update.path 'gone' is not in commit", id="missing"),
        pytest.param("../x", "leaves the repository", id="out of the repository"),
        pytest.param("link.yaml", "is a symbolic link", id="link"),
    ],
)
async def test_path_that_leads_nowhere(desk, path, message):
    await desk.server.commit("app", {"link.yaml": Path("/etc/passwd")})
    with pytest.raises(Transient, match=message) as caught:
        await desk.run(desk.order(path=path))
    assert caught.value.reason == "UpdateFailed"


async def test_links_are_not_followed(desk):
    await desk.server.commit("app", {"out.yaml": Path("../../secret.yaml"), "in.yaml": Path("values.yaml")})
    outcome = await desk.run(desk.order())
    assert outcome.edits.problems == ["out.yaml: a symbolic link out of the repository, which is not followed"]
    assert desk.git("diff", "--name-only", "master~1", "master") == "values.yaml\n"


async def test_problems_name_file_and_line(desk):
    await desk.server.commit(
        "app",
        {"t.yaml": f"a: 1\n---\nt: {{{{ if }} {marked('apps:web')}\n", "bin.yaml": b'\xff # {"$imagepolicy": "a:b"}'},
    )
    outcome = await desk.run(desk.order(images={"apps:api": Image("x", "1")}))
    assert [problem.partition(": ")[0] for problem in outcome.edits.problems] in (
        ["bin.yaml", "t.yaml:3"],
        ["t.yaml:3"],
    )
    assert outcome.edits.unknown == [("values.yaml:3", "apps:web"), ("values.yaml:4", "apps:web")]


async def test_another_branch_is_made_and_not_repeated(desk):
    first = await desk.run(desk.order(push="bot/update"))
    assert desk.git("rev-parse", "bot/update").strip() == first.commit
    assert desk.git("rev-parse", "bot/update~1") == desk.git("rev-parse", "master")
    assert (await desk.run(desk.order(push="bot/update"))).commit == ""
    second = await desk.run(desk.order("1.2.0", push="bot/update"))
    assert desk.git("rev-list", "--count", "bot/update").strip() == "3"
    assert desk.git("rev-parse", "bot/update~1").strip() == first.commit
    await desk.server.commit("app", {"other.txt": "x"}, message="Moved on")
    third = await desk.run(desk.order("1.2.0", push="bot/update"))
    assert third.commit != second.commit, "the branch starts anew from what was checked out"
    assert desk.git("rev-parse", "bot/update~1") == desk.git("rev-parse", "master")


async def test_two_automations_share_a_branch(desk):
    await desk.server.commit("app", {"api.yaml": f"a: api:1 {marked('apps:api')}\n"})
    web = desk.order(push="bot")
    api = desk.order(push="bot", images={"apps:api": Image("api", "2")})
    await asyncio.gather(desk.run(web), desk.run(api))
    assert "1.1.0" in desk.git("show", "bot:values.yaml")
    assert "api:2" in desk.git("show", "bot:api.yaml")
    assert desk.git("rev-list", "--count", "bot").strip() == "4"


async def test_many_at_once_lose_nothing(desk):
    names = [f"n{number}" for number in range(4)]
    await desk.server.commit("app", {f"{name}.yaml": f"a: x:1 {marked(f'apps:{name}')}\n" for name in names})
    orders = [desk.order(images={f"apps:{name}": Image("x", name)}) for name in names]
    await asyncio.gather(*map(desk.run, orders))
    assert [desk.git("show", f"master:{name}.yaml").split()[1] for name in names] == [f"x:{name}" for name in names]
    assert desk.git("rev-list", "--count", "master").strip() == str(2 + len(names))


async def test_a_push_in_between_is_rebased_upon(desk):
    async def announce(commit, branch):
        desk.announced.append(commit)
        if len(desk.announced) == 1:
            await desk.server.commit("app", {"other.txt": "x"}, message="First")

    outcome = await desk.run(desk.order(), announce=announce)
    assert len(desk.announced) == 2
    assert desk.git("log", "--format=%s", "master").split("\n")[:3] == [
        "Update from image update automation",
        "First",
        "Begin",
    ]
    assert desk.git("rev-parse", "master").strip() == outcome.commit


async def test_refspec_and_options(desk):
    desk.git("config", "receive.advertisePushOptions", "true")
    hook = desk.server.root / "app.git" / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\necho "$GIT_PUSH_OPTION_0 $GIT_PUSH_OPTION_1" >>options\n')
    hook.chmod(0o755)
    order = desk.order(
        refspec="refs/heads/master:refs/heads/mirror", options={"ci.skip": "", "merge_request.create": "1"}
    )
    outcome = await desk.run(order)
    assert desk.git("rev-parse", "mirror").strip() == desk.git("rev-parse", "master").strip() == outcome.commit
    assert (desk.server.root / "app.git" / "options").read_text().startswith("ci.skip merge_request.create=1")


async def test_a_branch_for_each_change(desk):
    order = desk.order(push="update/{{ (index .Updated.Images 0).Identifier }}")
    outcome = await desk.run(order)
    assert outcome.branch == "update/1.1.0"
    assert desk.git("show", "update/1.1.0:values.yaml") == VALUES.replace("1.0.0", "1.1.0")
    assert (await desk.run(order)).commit == ""
    assert "1.0.0" in desk.git("show", "master:values.yaml")


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        pytest.param({"template": '{{ .Nope.X }}{{ fail "no" }}'}, BadTemplateError, "failed to run template from spec: template: commit message:1:", id="template fails"),
        pytest.param({"template": "{{ if }}"}, BadTemplateError, "unable to create commit message template from spec: template: commit message:1: missing value for if", id="template is none"),
        pytest.param({"template": '{{ range $image, $_ := .Updated.Images }}{{ contains "1" $image }}{{ end }}'}, BadTemplateError, "write 'range $_, $image := .Updated.Images'", id="index instead of the image"),
        pytest.param({"push": "a..b"}, Transient, "'a..b' is not a branch name", id="bad branch"),
        pytest.param({"push": "x{{ .Nope.Y.Z | upper }}"}, BadTemplateError, "failed to run template", id="branch template fails"),
        pytest.param({"refspec": "refs/heads/other:x"}, Transient, "has to begin with HEAD or the branch", id="refspec of something else"),
    ],
)  # fmt: skip
async def test_refused_before_anything_is_pushed(desk, more, error, message):
    before = desk.git("rev-parse", "master")
    with pytest.raises(error) as caught:
        await desk.run(desk.order(**more))
    assert message in str(caught.value)
    assert (desk.git("rev-parse", "master"), desk.announced) == (before, [])


async def test_a_protected_branch(desk):
    hook = desk.server.root / "app.git" / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'master is protected' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(WriteFailed) as caught:
        await desk.run(desk.order())
    assert "the server refused the push: pre-receive hook declined" in caught.value.message
    assert "master is protected" in caught.value.message
    assert "spec.git.push.branch" in caught.value.message


async def test_credentials_that_may_only_read(desk):
    desk.git("config", "http.receivepack", "false")
    with pytest.raises(WriteFailed, match="may not write") as caught:
        await desk.run(desk.order())
    assert "user or key may push" in caught.value.message


async def test_a_server_that_fails_at_the_push(desk):
    async def announce(commit, branch):
        desk.server.faults["app"] = Fault.ERROR

    with pytest.raises(WriteFailed, match="failed to push to remote"):
        await desk.run(desk.order(), announce=announce)
    desk.server.faults.clear()
    assert desk.git("rev-list", "--count", "master").strip() == "1"


async def test_preview_pushes_nothing(desk):
    before = desk.git("rev-parse", "master")
    outcome = await desk.committer.preview(desk.remote(), desk.order())
    assert [content.decode() for content in outcome.edits.files.values()] == [VALUES.replace("1.0.0", "1.1.0")]
    assert desk.git("rev-parse", "master") == before


async def test_over_ssh(desk):
    key, text = ssh_key()
    async with SshGitServer(desk.server.root, key) as server:
        data = {"identity": text.encode(), "known_hosts": server.known_hosts.encode()}
        remote = Remote.of(server.url("app"), auth_of(server.url("app"), data), 20.0)
        outcome = await desk.run(desk.order(), remote=remote)
        assert desk.git("rev-parse", "master").strip() == outcome.commit
        assert [request.split()[0] for request in server.requests][-1] == "git-receive-pack"


async def test_with_a_password_that_is_in_no_error(git_server, tmp_path):
    desk = await Desk(git_server, tmp_path / "cache").prepare()
    git_server.username, git_server.password = "bot", "s3cret"
    try:
        outcome = await desk.run(desk.order(), remote=desk.remote(username="bot", password="s3cret"))
        assert desk.git("rev-parse", "master").strip() == outcome.commit
        hook = desk.server.root / "app.git" / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\necho 'no s3cret here' >&2\nexit 1\n")
        hook.chmod(0o755)
        with pytest.raises(WriteFailed) as caught:
            await desk.run(desk.order("2.0.0"), remote=desk.remote(username="bot", password="s3cret"))
        assert "s3cret" not in caught.value.message
    finally:
        desk.cache.close()


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs ssh-keygen")
async def test_git_itself_accepts_the_signature(desk, tmp_path):
    key, text = ssh_key()
    outcome = await desk.run(desk.order(signer=ssh(text.encode(), "")))
    allowed = tmp_path / "allowed"
    allowed.write_text(f"bot@x.io {key.export_public_key().decode()}")
    desk.git("-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-commit", outcome.commit)
    assert "gpgsig -----BEGIN SSH SIGNATURE-----" in desk.git("cat-file", "commit", outcome.commit)
