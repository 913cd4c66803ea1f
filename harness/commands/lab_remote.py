"""`ikelab lab doctor` and `ikelab lab record`: routers that somebody else runs."""

from __future__ import annotations

import click


@click.command()
@click.option("--gns3", "url", metavar="URL", required=True, help="http://HOST:3080, say.")
@click.option("--user", default="admin", show_default=True, help="Who GNS3 knows you as.")
@click.option("--password", envvar="IKELAB_GNS3_PASSWORD", default="admin", metavar="WORD",
              help="Or in IKELAB_GNS3_PASSWORD.")  # fmt: skip
def doctor(url: str, user: str, password: str) -> int:
    """Say what a GNS3 server lacks to run a router, and how to get it.

    Exits with 1 where it lacks anything, or where no server answers.
    """
    from ikelab.harness.lab.doctor import examine
    from ikelab.harness.lab.gns3_api import Api

    status = 0
    for finding in examine(Api(url, user=user, password=password)):
        click.echo(f"{'ok' if finding.ok else 'missing':<8} {finding.what:<10} {finding.found}")
        if finding.remedy:
            click.echo(f"{'':<19} {finding.remedy}")
        status |= not finding.ok
    return int(status)


@click.command()
@click.argument("peer", metavar="ios:NAME")
@click.option("--out", required=True, metavar="DIR", help="A new folder for the fixtures.")
@click.option("--peers-file", metavar="FILE", help="Routers; ikelab.toml where there is one.")
@click.option("--command", "commands", multiple=True, metavar="WORDS",
              help="Record this as well (show, more or dir); repeatable.")  # fmt: skip
@click.option("--capture", metavar="FILE", help="Keep the IKE and ESP of this capture.")
@click.option("--capture-wire", is_flag=True,
              help="Capture on the router's wire meanwhile (GNS3, CML).")  # fmt: skip
@click.option("--capture-interface", metavar="DEVICE",
              help="Capture on this interface of ours meanwhile.")  # fmt: skip
@click.option("--wait", type=click.FloatRange(0), default=0.0, metavar="SECONDS",
              help="Capture for so long before asking; Ctrl-C asks at once.")  # fmt: skip
@click.option("--secret", "secrets", multiple=True, metavar="WORD",
              help="Take this word out as well; the entry's are known.")  # fmt: skip
def record(peer: str, out: str, peers_file: str | None, commands: tuple[str, ...],
           capture: str | None, capture_wire: bool, capture_interface: str | None, wait: float,
           secrets: tuple[str, ...]) -> int:  # fmt: skip
    """Keep what a real router shows as fixtures to give away, without its secrets."""
    from pathlib import Path

    from ikelab.harness.errors import ConfigError, nearest
    from ikelab.harness.lab.record import COMMANDS, check, read_only
    from ikelab.harness.lab.record import record as write
    from ikelab.harness.lab.recording import Source
    from ikelab.harness.peer import external
    from ikelab.harness.routers import find, open_session

    read_only(commands)
    found = {name: e for name, e in find(peers_file or "").items() if e.router}
    if peer not in found or (router := found[peer].router) is None:
        known = sorted(name for name in found if name.startswith("ios:"))
        hint = nearest(peer, known) or f"; there are {', '.join(known) or 'none'}"
        raise ConfigError(f"no router {peer!r} in {peers_file or external.FILE}{hint}")
    source = Source(capture or "", capture_interface or "", wire=capture_wire, wait=wait)
    source.check(bool(router.lab_kind))
    hidden: list[str | bytes] = [*secrets, *router.login.secrets, found[peer].config.psk]
    check(Path(out), hidden)
    opened = open_session(router)
    try:
        asked = [*COMMANDS, *commands]
        with source.captured(opened.lab, opened.session.open, click.echo) as captured:
            booted = opened.lab.console_log() if opened.lab else ""
            unknown = write(opened.session, Path(out), hidden, commands=asked, capture=captured,
                            booted=booted)  # fmt: skip
    finally:
        opened.session.close()
        opened.close()
    click.echo(f"recorded in {out}; look through it before you give it away")
    if unknown:
        click.echo(f"unknown to this router: {', '.join(unknown)}")
    return 0
