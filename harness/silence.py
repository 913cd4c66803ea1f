"""Whether a gateway outside is there at all: asked when a whole case has heard nothing of it.

A gateway that nobody reaches is the lab's trouble and never the gateway's fault. One honest
request is what decides, not the case, which may have asked for silence.
"""

from __future__ import annotations

import errno
import socket

from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.entropy import entropy
from ikelab.harness.exchange.config import IkeConfig
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.model import Address

WAIT = 1.0  # seconds that an ICMP error, or an answer to another port of ours, may take
_ICMP = {
    errno.ECONNREFUSED: "its port is closed (ICMP port unreachable): does its IKE daemon run?",
    errno.EHOSTUNREACH: "the host cannot be reached (ICMP or ARP): is the address right?",
    errno.ENETUNREACH: "its network cannot be reached: is there a route to it?",
    errno.EACCES: "a firewall of this machine, or on the way, forbids it",
    errno.EPERM: "a firewall of this machine forbids it",
}


def ask(endpoint: Initiator) -> None:
    """Send an honest IKE_SA_INIT, and wait for its answer as long as the endpoint does."""
    endpoint.init()


def await_one(endpoint: Responder) -> None:
    """Let the peer bring an IKE SA up with us, and end it: it shall not try again later."""
    endpoint.listen()
    endpoint.pump(lambda: any(session.established for session in endpoint.sessions))
    for session in endpoint.sessions:
        if session.established:
            session.close()


def nobody(name: str, config: IkeConfig, *, before: bool) -> str:
    """The line about a gateway that does not answer; `before` where it did so in this run."""
    there = f"{_place(config.remote)} ({name})"
    said = f"{there} answers no more" if before else f"nobody answers at {there}"
    return f"{said}, not even an honest IKE_SA_INIT: {_told(config) or _guess(config.local)}"


def uncalled(name: str, ours: Address) -> str:
    """The line about a gateway that should have begun an IKE SA, twice, and sent nothing."""
    return (
        f"the 'initiate' command of {name} ran, twice, and nothing came to {_place(ours)}: check "
        "what the command does, which address it has for us, and the firewalls between"
    )


def _guess(ours: Address) -> str:
    return (
        "check address and port in its entry, the firewalls between, and that it takes "
        f"{_place(ours)} for a peer of its own"
    )


def _told(config: IkeConfig) -> str:
    """What another port of ours hears of an honest IKE_SA_INIT: an ICMP error, or an answer.

    Empty where it hears nothing either. An endpoint's own sockets are not connected, and the
    kernel tells of ICMP errors only those that are.
    """
    sa = IkeSa(config, initiator=True, entropy=entropy(None))
    sa.start_init(0.0)
    family = socket.AF_INET6 if ":" in config.local[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.settimeout(WAIT)
        try:
            probe.bind((config.local[0], 0))
            probe.connect(config.remote)
            probe.send(sa.datagrams(0.0)[0].data)
            probe.recv(1 << 16)
        except TimeoutError:
            return ""
        except OSError as error:
            return _ICMP.get(error.errno or 0, f"{error.strerror}")
        other = probe.getsockname()[1]
    return (
        f"it answers our port {other} and not {config.local[1]}: does a firewall, here or there, "
        f"keep UDP port {config.local[1]} of ours from it?"
    )


def _place(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
