"""`ikelab scan`: what a responder takes."""

from __future__ import annotations

import contextlib
import ipaddress
import json as jsons
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ikelab.harness.commands.number import Number
from ikelab.harness.commands.place import PLACE
from ikelab.harness.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from ikelab.harness.model import IPAddress
    from ikelab.harness.scan import Found, Scan


@click.command()
@click.argument("target", metavar="ADDRESS[:PORT]|PEER")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--rate", type=Number(0.1, 1000), default=10.0, show_default=True,
    help="Offers a second to an address outside.",
)  # fmt: skip
@click.option(
    "--local-port", type=click.IntRange(1, 65535), default=500, show_default=True,
    help="Our port towards an address; one above 1024 needs no right.",
)  # fmt: skip
@click.option(
    "--out",
    type=PLACE,
    metavar="DIR",
    help="Keep the messages: capture.pcapng in this folder, which is made.",
)
def scan(target: str, as_json: bool, rate: float, local_port: int, out: Path | None) -> int:
    """Offer each transform once in IKE_SA_INIT, and say which ones a responder takes.

    A target is an address that you may test, a gateway of ikelab.toml, a daemon in a lab
    (strongswan@trixie) or the built-in peer (reference). It takes no credentials.
    """
    from ikelab.harness.record import vacant

    if out is not None:
        vacant(out)
    with _place(target, rate, local_port, out) as scanning:
        for asked in scanning.run():
            if not as_json and asked.outcome != "refused":
                click.echo(f"{asked.transform.word:<16} {asked.outcome}")
    found = scanning.found
    click.echo(jsons.dumps(found.json(), indent=1) if as_json else _words(found))
    return 0


@contextlib.contextmanager
def _place(target: str, rate: float, local_port: int, folder: Path | None) -> Iterator[Scan]:
    """A scan of the target, with the messages kept when it is over, however it ends."""
    from ikelab.harness.commands.provision import settings_of
    from ikelab.harness.rig import Settings, rig
    from ikelab.harness.scan import Scan

    address = _address(target)
    if address is None:
        settings = settings_of(target, None, "", authorised=True)
    else:
        settings = Settings(outside={target: _entry(target, *address, local_port)})
    with rig(target, settings) as ground:
        if folder is not None:
            folder.mkdir(parents=True)
        ground.begin("scan", folder)
        try:
            if target not in settings.outside:
                ground.peer.start()
            pause = 1 / rate if target in settings.outside else 0.0
            yield Scan(ground.initiator(), pause=pause)
        finally:
            ground.end()


def _address(target: str) -> tuple[str, int] | None:
    """The address and port that the user names; None where it is a name."""
    bracketed = re.fullmatch(r"\[([^][]*)\](?::(.*))?", target)
    host, _, port = target.rpartition(":")
    found, number = _ip(target), "500"
    if bracketed:
        found, number = _ip(bracketed[1]), number if bracketed[2] is None else bracketed[2]
        if found is None:
            raise ConfigError(f"{target}: between the brackets is no IPv6 address")
    elif found is None:
        found, number = _ip(host), port
    elif _ip(host) is not None and port.isdecimal():
        raise ConfigError(f"{target} has two meanings: write [{target}] or [{host}]:{port}")
    if found is None:
        return None
    if not (number.isdecimal() and 0 < int(number) < 1 << 16):
        raise ConfigError(f"{target}: {number!r} is no port: 1 to 65535 are")
    if found.is_multicast or found.is_unspecified or str(found) == "255.255.255.255":
        raise ConfigError(f"{target} is not the address of one responder")
    return str(found), int(number)


def _ip(text: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _entry(target: str, address: str, port: int, local_port: int) -> Any:
    """What is known of a gateway of which only the address is said."""
    from ikelab.harness.model import Identity, selectors, suites
    from ikelab.harness.peer.base import PeerConfig
    from ikelab.harness.peer.external import Entry

    nobody = "::" if ":" in address else "0.0.0.0"
    config = PeerConfig(
        local_address=address,
        remote_address=nobody,
        local_id=Identity.parse(address),
        remote_id=Identity.parse(nobody),
        psk=b"no credentials",
        ike=suites(["aes256-sha256-x25519"]),
        esp=(),
        local_ts=selectors(f"{nobody}/0"),
        remote_ts=selectors(f"{nobody}/0"),
        port=port,
    )
    return Entry(target, config, (nobody, local_port))


def _words(found: Found) -> str:
    """What was found, in lines."""
    from ikelab.harness.scan import ACCEPTED, ASKED, REFUSED

    told = found.json()
    lines = [""]
    for kind in ASKED:
        taken = " ".join(t.word for t in found.of(kind)) or "none"
        lines.append(f"{kind.name:<8}{taken}  ({len(found.of(kind, REFUSED))} refused)")
    odd = [a for a in found.asked if a.outcome not in (ACCEPTED, REFUSED)]
    lines += [f"{a.transform.word}: {a.outcome}" for a in odd]
    if found.chosen is not None:
        decides = {None: "", "responder": ", by its own order", "initiator": ", by our order"}
        lines.append(f"chosen of everything: {found.chosen}{decides[told['order']]}")
    for title, texts in (
        ("discouraged", told["discouraged"]),
        ("notifies", found.notifies),
        ("vendor IDs", found.vendors),
    ):
        if texts:
            lines.append(f"{title}: {', '.join(texts)}")
    cookies = f", {found.cookies} of them after a cookie" if found.cookies else ""
    lines.append(f"{found.offers} offers{cookies}")
    if found.stopped:
        lines.append("it stopped answering on the way: wait, and scan with a lower --rate")
    return "\n".join(lines)
