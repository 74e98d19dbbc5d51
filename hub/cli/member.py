"""``hubctl member``: the clusters that releases go to. The commands; what they do is in ``member_*``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from hub.cli.command import ExampleCommand
from hub.cli.consent import yes_option
from hub.cli.durations import TIMEOUT
from hub.cli.get import FormType
from hub.cli.lazy import SuggestingGroup
from hub.cli.scope import Scope, scope_options

if TYPE_CHECKING:
    from collections.abc import Callable

_FROM = (
    click.option(
        "--from-kubeconfig", metavar="FILE", help="Kubeconfig of the member. Default: KUBECONFIG, else ~/.kube/config."
    ),
    click.option("--from-context", metavar="NAME", help="Context in it. Default: its current one."),
)
_TOKEN_DURATION = click.option(
    "--token-duration", type=TIMEOUT, default="2160h", show_default=True, help="How long a new token is good."
)
_WAIT = (
    click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the hub reaches the member."),
    click.option("--timeout", type=TIMEOUT, default="1m", show_default=True, help="Longest wait."),
)


def _options(*options: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.group(cls=SuggestingGroup)
def member() -> None:
    """Add, look at and renew the clusters that releases go to."""


@member.command(
    cls=ExampleCommand,
    examples=(
        (
            "member add edge --from-context edge --service-account hub",
            "With an account of the hub's own on the member.",
        ),
        ("member add edge --from-kubeconfig edge.yaml -l region=eu", "With the credentials of a file."),
    ),
)
@click.argument("name")
@scope_options()
@_options(*_FROM)
@click.option("--secret", metavar="NAME", help="Secret to make; releases name it. Default: the name of the member.")
@click.option("-l", "--label", "labels", metavar="KEY=VALUE", multiple=True, help="Label of the Member; repeatable.")
@click.option(
    "--service-account", metavar="[NAMESPACE/]NAME",
    help="Make this service account on the member, and give the hub a token of it instead of your own credentials. "
    "NAMESPACE defaults to hub-system.",
)  # fmt: skip
@click.option("--role", default="cluster-admin", show_default=True, help="ClusterRole of that service account.")
@click.option(
    "--in-namespace", "namespaces", metavar="NS", multiple=True,
    help="Let it do that in this namespace alone; repeatable. Default: everywhere.",
)  # fmt: skip
@_TOKEN_DURATION
@_options(*_WAIT)
def add(name: str, scope: Scope, **more: Any) -> None:
    """
    Make a member of a cluster: store its kubeconfig in a Secret of the hub, and a Member beside it.

    With --service-account the hub gets a token of its own that ends some day ('hubctl member rotate' renews it), with
    no more rights than you give; without, the hub acts with the credentials of the context as they are.
    """
    from hub.cli.member_add import Addition, add_member

    given = more.pop("labels")
    if wrong := [one for one in given if one.find("=") < 1]:
        raise click.UsageError(f"'{wrong[0]}' is not KEY=VALUE")
    labels = dict(one.split("=", 1) for one in given)
    wait, timeout = more.pop("wait"), more.pop("timeout")
    wanted = Addition(name=name, labels=labels, timeout=timeout if wait else None, **more)
    asyncio.run(add_member(scope, wanted))


@member.command(
    "list",
    cls=ExampleCommand,
    examples=(("member list -A -o wide", "Of all namespaces, with latency and when credentials end."),),
)
@scope_options(everywhere=True)
@click.option("-o", "--output", "form", type=FormType(), help="Default: a table.")
@click.option("-w", "--watch", is_flag=True, help="Go on showing what changes, until interrupted.")
@click.option("-l", "--selector", "labels", metavar="LABELS", help="Only members with these labels.")
@click.pass_context
def list_(context: click.Context, scope: Scope, *, form: str | None, watch: bool, labels: str | None) -> None:
    """List members and how they are; the same as 'hubctl get members'."""
    from hub.cli.get import get

    context.invoke(
        get, words=("members",), namespace=scope.namespace, kubeconfig=scope.kubeconfig, kube_context=scope.context,
        everywhere=scope.everywhere, form=form, watch=watch, labels=labels, status_selector=None, no_header=False,
    )  # fmt: skip


@member.command(cls=ExampleCommand, examples=(("member show edge", "Conditions and releases too."),))
@click.argument("name")
@scope_options()
def show(name: str, scope: Scope) -> None:
    """Show what is known of a member, and its releases."""
    from hub.cli.member_show import show_member

    asyncio.run(show_member(scope, name))


@member.command(
    cls=ExampleCommand, examples=(("member check edge --in-namespace apps", "When releases go to one namespace only."),)
)
@click.argument("name")
@scope_options()
@click.option("--in-namespace", "namespace_there", metavar="NS", help="Ask for the rights in this namespace alone.")
def check(name: str, scope: Scope, *, namespace_there: str | None) -> None:
    """
    Reach a member from here with the kubeconfig that the hub has, and ask what its user may do.

    Exit code 0 when releases can be brought there.
    """
    from hub.cli.member_check import check_member

    asyncio.run(check_member(scope, name, namespace_there))


@member.command(
    cls=ExampleCommand,
    examples=(
        ("member rotate edge", "A new token of its service account."),
        ("member rotate edge --from-kubeconfig edge.yaml", "What was handed over to you."),
    ),
)
@click.argument("name")
@scope_options()
@_options(*_FROM)
@_TOKEN_DURATION
def rotate(
    name: str, scope: Scope, *, from_kubeconfig: str | None, from_context: str | None, token_duration: float
) -> None:
    """
    Give the hub new credentials for a member; they count from the next request on.

    A member that was added with --service-account gets a new token. For any other one --from-kubeconfig or
    --from-context says where they are.
    """
    from hub.cli.member_add import rotate_member

    asyncio.run(rotate_member(scope, name, from_kubeconfig, from_context, token_duration))


@member.command(cls=ExampleCommand, examples=(("member remove edge", "When its releases are gone; asks first."),))
@click.argument("name")
@scope_options()
@click.option("--force", is_flag=True, help="Even when releases go there; they say that they cannot reach it.")
@yes_option()
def remove(name: str, scope: Scope, *, force: bool, sure: bool) -> None:
    """
    Remove a Member, and its Secret when 'hubctl member add' made that; asks first.

    Nothing changes on the cluster itself: delete the releases first.
    """
    from hub.cli.member_show import remove_member

    asyncio.run(remove_member(scope, name, force=force, sure=sure))
