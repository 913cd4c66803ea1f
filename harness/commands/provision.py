"""Fetching what a command needs, with progress on a terminal and plain lines in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from ikelab.harness.errors import ConfigError


def provision(name: str, *, refresh: bool = False) -> Any:
    """Fetch a peer with a moving line on a terminal, plain lines in a pipe."""
    from ikelab.harness.peer import registry

    if name == "reference":
        return None
    registry.driver(name)
    if (found := registry.there(name)) is not None and not refresh:
        return found
    return shown(name, lambda progress: registry.add(name, progress=progress, refresh=refresh))


def shown(name: str, work: Callable[[Callable[[str, float], None]], Any]) -> Any:
    """Do long work with a moving line on a terminal, plain lines in a pipe."""
    if not sys.stderr.isatty():
        said: list[str] = []

        def say(step: str, _done: float) -> None:
            if step not in said:
                said.append(step)
                click.echo(f"{name}: {step}", err=True)

        return work(say)
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=1.0)

        def show(step: str, done: float) -> None:
            bar.update(task, description=f"{name}: {step}", completed=done)

        return work(show)


def in_guest() -> int:
    """This very command again, inside the guest kernel."""
    from ikelab.harness.peer import kernel
    from ikelab.netns import guest

    root = shown(kernel.NAME, lambda progress: kernel.root(progress=progress))
    program = "import sys; from ikelab.harness.cli import main; sys.exit(main())"
    return guest.run(root, [sys.executable, "-c", program, *sys.argv[1:]])


def kernel_option(default: str) -> Callable[[Any], Any]:
    """`--kernel` of a command that can run itself again inside the guest."""
    return click.option(
        "--kernel",
        type=click.Choice(["host", "guest"]),
        default=default or None,  # None is no choice that click would hold to be a wrong one
        callback=lambda _context, _option, chosen: chosen or "",
        help="Run on the host's kernel, or inside user-mode Linux, which has ESP and AF_KEY.",
    )


def goes_to_guest(peer: str, kernel: str) -> bool:
    """Whether this command has still to go into the guest; the peer is fetched before."""
    from ikelab.harness.peer import registry
    from ikelab.netns import guest

    if kernel != "guest" or guest.inside():
        return False
    if not registry.daemon(peer):
        raise ConfigError(f"--kernel guest is for our labs' daemons, and {peer} is none of them")
    provision(peer)
    return True


def settings_of(peer: str, fault: str | None, topology: str, *, authorised: bool = False) -> Any:
    """Settings for one peer, which is fetched, in a world where it needs one.

    A gateway outside is met only where the user says that he is `authorised` to.
    """
    from ikelab.harness import routers
    from ikelab.harness.peer import faults
    from ikelab.harness.rig import Settings, check, needs_world

    planted = faults.fault(fault) if fault else None
    settings = Settings(topology=topology, fault=planted, outside=routers.find())
    if not peer or peer.partition(":")[0] == "planted":
        return settings
    check(peer, settings)
    if peer in settings.outside:
        if authorised:
            return settings
        raise ConfigError(f"{peer} is a gateway outside: say --authorised if you may fuzz it")
    if needs_world([peer], settings):
        provision(peer)
        from ikelab.netns import world

        world.enter()
    return settings
