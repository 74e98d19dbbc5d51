"""``hubctl create``: objects of every kind that :mod:`hub.cli.flags` has flags for, created, updated or printed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from hub.cli.command import ExampleCommand
from hub.cli.durations import DURATION, TIMEOUT
from hub.cli.lazy import SuggestingGroup, Verb
from hub.cli.scope import Scope, connect, scope_options
from hub.cli.setters import pairs

if TYPE_CHECKING:
    from hub.api.kind import Kind
    from hub.cli.flags import Flag
    from hub.cli.say import Say
    from hub.cli.scope import Cluster

MORE: dict[str, Verb] = {
    "secret": Verb("hub.cli.secret", "secret", "Create Secrets with credentials, or print them."),
}
"""Further subcommands of ``hubctl create``, which are no kinds of the registry."""

_WITHOUT_INTERVAL = frozenset({"ImagePolicy"})
"""Kinds that have an interval only when it is asked for."""
_TYPES: dict[str, Any] = {"duration": DURATION, "number": int}


class CreateGroup(SuggestingGroup):
    """
    The kinds that can be created, and groups of them.

    Args:
        group: First word of the kinds in here, e.g. ``source``; empty for those of one word.
    """

    def __init__(self, *args: Any, group: str = "", **more: Any) -> None:
        super().__init__(*args, **more)
        self._group = group

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the first name of each kind, then groups of kinds."""
        own = [one.removeprefix(f"{self._group} ") for one in _creatable() if one.startswith(f"{self._group} ")]
        if self._group:
            return own
        words = [one for one in _creatable() if " " not in one]
        groups = dict.fromkeys(one.partition(" ")[0] for one in _creatable() if " " in one)
        return [*words, *groups, *MORE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Make the command of one kind, or of a group."""
        from hub.api.kinds import kind_named
        from hub.cli.flags import FLAGS

        if not self._group and cmd_name in MORE:
            return MORE[cmd_name].load()
        try:
            kind = kind_named(f"{self._group} {cmd_name}".strip())
        except LookupError:
            return self._inner(cmd_name)
        return command_of(kind, FLAGS[kind.name]) if kind.name in FLAGS else None

    def _inner(self, name: str) -> click.Command | None:
        if self._group or not any(one.startswith(f"{name} ") for one in _creatable()):
            return None
        return CreateGroup(name=name, group=name, help=f"Create or update a {name}, or print it.")


create = CreateGroup(name="create", help="Create or update objects, or print them.")


def _creatable() -> list[str]:
    """Return the names of the kinds that there are flags for."""
    from hub.api.kinds import KINDS
    from hub.cli.flags import FLAGS

    return [kind.names[0] for kind in KINDS if kind.name in FLAGS]


@dataclass(frozen=True, slots=True)
class Order:
    """
    What shall be.

    Attributes:
        timeout: Seconds to wait until it is ready; None does not wait.
    """

    kind: Kind
    name: str
    spec: dict[str, Any]
    labels: dict[str, str]
    timeout: float | None


def command_of(kind: Kind, flags: tuple[Flag, ...]) -> click.Command:
    """Return the command that creates objects of a kind."""

    @scope_options()
    def run(*, scope: Scope, name: str, labels: tuple[str, ...], interval: str | None, **given: Any) -> None:
        shown, wait, timeout = given.pop("export"), given.pop("wait"), given.pop("timeout")
        spec = {**({"interval": _as_go(interval)} if interval else {}), **spec_of(flags, given)}
        order = Order(kind, name, spec, pairs(labels, "label"), timeout if wait else None)
        asyncio.run(_print(scope, order) if shown else _create(scope, order))

    words = kind.names[0]
    common = [
        click.Argument(["name"]),
        *(_option(flag) for flag in flags),
        _interval(kind),
        click.Option(["--label", "labels"], metavar="KEY=VALUE", multiple=True, help="A label; may be repeated."),
        click.Option(["--export"], is_flag=True, help="Print the object instead; no cluster is asked."),
        click.Option(["--wait/--no-wait"], default=True, show_default=True, help="Wait until it is ready."),
        click.Option(["--timeout"], type=TIMEOUT, default="5m", show_default=True, help="Longest wait."),
    ]
    more: list[click.Parameter] = getattr(run, "__click_params__", [])
    return ExampleCommand(
        name=words.rpartition(" ")[2],
        callback=run,
        params=[*common, *reversed(more)],
        help=f"Create or update a {kind.name}, or print it.",
        examples=EXAMPLES.get(kind.name, ()),
    )


def _as_go(interval: str) -> str:
    """Return a duration as the flux CLI writes it: ``1m0s``."""
    from hub.api.duration import Duration

    return str(Duration.from_seconds(Duration(interval).seconds))


def _interval(kind: Kind) -> click.Option:
    default = None if kind.name in _WITHOUT_INTERVAL else "1m"
    return click.Option(
        ["--interval"], type=DURATION, default=default, show_default=True, help="How often to look again."
    )


def _option(flag: Flag) -> click.Option:
    several = flag.shape in ("list", "texts", "files")
    return click.Option(
        [f"--{flag.name}", flag.name.replace("-", "_")],
        help=flag.help + (" May be repeated." if several else ""),
        required=flag.needed,
        is_flag=flag.shape == "flag",
        multiple=several,
        type=None if flag.shape == "flag" else _TYPES.get(flag.shape, str),
        metavar="FILE" if flag.shape == "files" else None,
    )


def spec_of(flags: tuple[Flag, ...], given: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a spec that flags ask for; what was not given is left out."""
    spec: dict[str, Any] = {}
    for flag in flags:
        value = given.get(flag.name.replace("-", "_"))
        if value in (None, False, ()):
            continue
        flag.put(spec, flag.path, _given(flag, value))
    return spec


def _given(flag: Flag, value: Any) -> Any:
    """Return a value as it goes into the spec; commas part the items of a list, but not expressions."""
    if flag.shape == "list":
        return [one for text in value for one in text.split(",")]
    return list(value) if flag.shape == "texts" else value


def _body(order: Order, namespace: str | None) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": order.name, "namespace": namespace}
    meta |= {"labels": order.labels} if order.labels else {}
    api = order.kind.api
    return {"apiVersion": api.api_version, "kind": api.kind, "metadata": meta, "spec": order.spec}


async def _print(scope: Scope, order: Order) -> None:
    from hub.cli.document import text
    from hub.cli.output import write_lines

    write_lines(["---", text("yaml", _body(order, home_of(scope)))])


def home_of(scope: Scope) -> str:
    """Return the namespace that an object is printed with: what is said, else the context's, else ``default``."""
    from hub.kube.config import BadKubeconfig, load_kubeconfig

    if scope.namespace:
        return scope.namespace
    try:
        return load_kubeconfig(scope.kubeconfig, scope.context).namespace or "default"
    except BadKubeconfig:
        return "default"


async def _create(scope: Scope, order: Order) -> None:
    from hub.cli.rows import revision
    from hub.cli.say import Say
    from hub.cli.waiting import Wait

    say, kind = Say(), order.kind
    async with connect(scope) as cluster:
        await write(cluster, kind.api, _body(order, cluster.namespace), say)
        if order.timeout is None:
            return
        say.waiting(f"waiting for {kind.name} {order.name}")
        done = await Wait(cluster, kind, order.name, say).until_ready(order.timeout)
        found = revision(done)
        say.success(f"{kind.name} {order.name} is ready{f', revision {found}' if found else ''}")


async def write(cluster: Cluster, api: Any, body: dict[str, Any], say: Say) -> None:
    """Create an object; one that is there gets the labels and the content, and keeps what else it has."""
    from hub.errors import Conflict

    name = body["metadata"]["name"]
    try:
        await cluster.client.create(api, body, cluster.namespace)
        say.success(f"{api.kind} {name} created in {cluster.namespace} namespace")
    except Conflict:
        labels = body["metadata"].get("labels") or {}
        content = {key: value for key, value in body.items() if key not in ("apiVersion", "kind", "metadata", "type")}
        await cluster.client.patch(api, name, cluster.namespace, {**content, "metadata": {"labels": labels}})
        say.success(f"{api.kind} {name} updated in {cluster.namespace} namespace")


EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "Receiver": (
        (
            "create receiver app --type github --event ping,push --secret-ref token --resource GitRepository/app",
            "Have a push to GitHub looked at now.",
        ),
    ),
    "ImageRepository": (("create image repository app --image ghcr.io/org/app --interval 30s --export", "Print one."),),
    "ImagePolicy": (("create image policy app --image-ref app --select-semver '>=1.0.0'", "Follow versions."),),
    "ImageUpdateAutomation": (
        (
            "create image update app --git-repo-ref app --git-repo-path ./helm --author-email bot@example.com",
            "Commit the latest images.",
        ),
    ),
    "GitRepository": (
        ("create source git charts --url https://git.example.com/charts.git --branch main", "Follow a branch."),
        ("create source git charts --url https://git.example.com/charts.git --export", "Print it only."),
    ),
    "HelmRepository": (
        ("create source helm podinfo --url https://stefanprodan.github.io/podinfo", "A chart repository."),
        ("create source helm charts --url oci://ghcr.io/org/charts --secret-ref login", "A registry."),
    ),
    "OCIRepository": (
        ("create source oci app --url oci://ghcr.io/org/app --tag-semver '>=1.0.0'", "The highest version."),
    ),
    "Bucket": (
        ("create source bucket charts --bucket-name charts --endpoint s3.amazonaws.com --secret-ref keys", "A bucket."),
    ),
    "HelmChart": (
        ("create source chart web --source GitRepository/charts --chart ./web", "A chart that releases may refer to."),
    ),
    "HelmRelease": (
        (
            "create hr web --source GitRepository/charts --chart ./web --kubeconfig-secret-ref member1",
            "Release a chart of a repository to a member.",
        ),
    ),
}
