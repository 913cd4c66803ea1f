"""What a case wants, in Libreswan's words: ipsec.conf and ipsec.secrets.

Pure: values in, text out. What Libreswan's language cannot say is Unsupported. `left` is the peer's
own side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ikelab.harness.errors import nearest
from ikelab.harness.model import TS, Identity
from ikelab.harness.peer.base import PeerConfig, Unsupported
from ikelab.harness.peer.daemon import FOLDER
from ikelab.harness.peer.libreswan import credentials, further, names
from ikelab.layers.iana import IdType, Protocol

CONNECTION = "ikelab"
RUN = f"{FOLDER}/run"
LOG = f"{FOLDER}/log"

_DEBUG = {"keys": "base,private", "plain": "none"}
_OWN = ("log",)
_SECTIONS = ("conn", "setup")
_SHORT = ("mobike", "fragmentation", "encapsulation", "narrowing", "rekey", "initial-contact")


@dataclass(frozen=True, slots=True)
class Build:
    """The daemon at hand, as far as its language depends on it."""

    version: tuple[int, int] = (5, 2)
    tcp: bool = False  # whether it can listen by TCP: the kernel carries the ESP (RFC 9329)

    @property
    def modern(self) -> bool:
        """Whether it is of the fifth series, which renamed some of its words."""
        return self.version >= (5, 0)


def render(config: PeerConfig, build: Build) -> dict[str, str]:
    """The files ipsec.conf and ipsec.secrets."""
    _check(config)
    if config.window != 1:
        raise Unsupported("Libreswan takes one request at a time")
    conf = f"config setup\n{_lines(setup(config, build))}\n"
    conf += f"conn {CONNECTION}\n{_lines(connection(config, build))}"
    secrets = credentials.secrets(config) + further.ppk_lines(config)
    return {"ipsec.conf": conf, "ipsec.secrets": secrets}


def setup(config: PeerConfig, build: Build) -> dict[str, str]:
    """The daemon's own settings."""
    log = config.options.get("log", "keys")
    if log not in _DEBUG:
        raise Unsupported(f"log={log}: Libreswan's driver knows {', '.join(_DEBUG)}")
    return {
        "logfile": LOG,
        "plutodebug": _DEBUG[log],
        # Who listens at one address alone never finds that it has another one (MOBIKE).
        **({} if config.features.mobike else {"listen": config.local_address}),
        **({"listen-tcp": "yes"} if build.tcp else {}),
        "uniqueids": "no",
        "dnssec-enable": "no",
        "keep-alive": str(max(1, round(config.keepalive))),
        "ddos-mode": "busy" if config.cookies else "unlimited",
        **credentials.setup(config),
        **_of(config, "setup"),
    }


def connection(config: PeerConfig, build: Build) -> dict[str, str]:
    """The one connection."""
    settings = {
        **({"keyexchange": "ikev2"} if build.modern else {"ikev2": "insist"}),
        "auto": "ignore",
        "left": config.local_address,
        "right": config.remote_address,
        **credentials.sides(config, identity),
        "type": config.mode,
        **_proposals(config),
        **_selectors(config, build),
        **_addresses(config),
        "narrowing": "yes",
        "mobike": "no",
        "fragmentation": "yes",
        "rekey": "no",
        **({"enable-tcp": "fallback"} if build.tcp else {}),
        "leftupdown": "%disabled",
        # From 0.5 s on, doubled each time; 4.3 misreads milliseconds.
        "retransmit-timeout": f"{max(1, 2**config.tries // 2)}s",
        **({} if build.modern else {"keyingtries": "1"}),
        **_liveness(config, build),
    }
    if config.port != 500:
        settings["leftikeport"] = str(config.port)
    return settings | further.connection(config, modern=build.modern) | _of(config, "conn")


def _proposals(config: PeerConfig) -> dict[str, str]:
    found: dict[str, str] = {}
    if config.ike:
        found["ike"] = ",".join(names.ike(suite) for suite in config.ike)
    if not config.esp:
        return found
    kinds = {suite.protocol for suite in config.esp}
    if len(kinds) > 1:
        raise Unsupported("Libreswan's connection is either ESP or AH, not both")
    word = "ah" if Protocol.AH in kinds else "esp"
    groups = {tuple(g.id for g in s.of(4) if g.id) for s in config.esp}
    if len(groups) > 1:
        raise Unsupported("Libreswan's proposals for children all have the same groups")
    found |= {
        "phase2": word,
        word: ",".join(names.child(suite) for suite in config.esp),
        "esn": names.sequence_numbers(config.esp),
        "pfs": "yes" if groups != {()} else "no",
    }
    return found


def _selectors(config: PeerConfig, build: Build) -> dict[str, str]:
    """The subnets of both sides; one protocol and one port a side."""
    found: dict[str, str] = {}
    protocols = set()
    sides = {"left": (config.local_ts, bool(config.request)),
             "right": (config.remote_ts, bool(config.pool))}  # fmt: skip
    for side, (selectors, assigned) in sides.items():
        ports = {(ts.protocol, ts.start_port, ts.end_port) for ts in selectors}
        if len(ports) > 1 or (len(selectors) > 1 and not build.modern):
            raise Unsupported("Libreswan's connection has one protocol, one port and, before 5.0, "
                              "one subnet a side")  # fmt: skip
        if not selectors:
            continue
        if side == "left" and assigned:
            # RFC 7296 2.19: who is given an address asks for any, and has it narrowed to that one.
            found["leftsubnet"] = "0.0.0.0/0"
        elif not assigned:
            found[f"{side}subnet"] = ",".join(map(_subnet, selectors))
        [(protocol, first, last)] = ports
        protocols.add(protocol)
        if protocol:
            found[f"{side}protoport"] = f"{protocol}/{_port(first, last)}"
    if len(protocols) > 1:
        raise Unsupported("Libreswan's connection has the same protocol on both sides")
    return found


def _subnet(ts: TS) -> str:
    size = int(ts.end) - int(ts.start) + 1
    if size < 1 or size & (size - 1) or int(ts.start) % size:
        raise Unsupported(f"Libreswan takes subnets, not the range {ts}")
    return f"{ts.start}/{ts.start.max_prefixlen - size.bit_length() + 1}"


def _port(first: int, last: int) -> str:
    if (first, last) == (0, 65535):
        return "0"
    if first != last or not first:
        raise Unsupported(f"Libreswan takes one port or all of them, not {first}-{last}")
    return str(first)


def _addresses(config: PeerConfig) -> dict[str, str]:
    """Addresses that are given away, or asked for (RFC 7296 3.15)."""
    found: dict[str, str] = {}
    if len(config.pool) > 1:
        raise Unsupported("Libreswan's connection has one pool of addresses")
    for pool in config.pool:
        ts = TS.parse(pool)
        # The first and the last address of a network are nobody's.
        inner = int(ts.end) - int(ts.start) > 2 and "/" in pool
        first, last = (ts.start + 1, ts.end - 1) if inner else (ts.start, ts.end)
        found["rightaddresspool"] = f"{first}-{last}"
        found |= {"leftmodecfgserver": "yes", "rightmodecfgclient": "yes"}
    if config.dns:
        found["modecfgdns"] = ",".join(config.dns)
    if config.request:
        found |= {"leftmodecfgclient": "yes", "rightmodecfgserver": "yes"}
    return found


def _liveness(config: PeerConfig, build: Build) -> dict[str, str]:
    if not config.dpd_delay:
        return {}
    delay = math.ceil(config.dpd_delay)
    found = {"dpddelay": str(delay)}
    if not build.modern:
        found |= {"dpdtimeout": str(delay + 15), "dpdaction": "clear"}
    return found


def identity(value: Identity) -> str:
    """An identity in Libreswan's words; what is not plain text goes in hexadecimal."""
    if (value.type, len(value.data)) in {(IdType.ID_IPV4_ADDR, 4), (IdType.ID_IPV6_ADDR, 16)}:
        return str(value)
    word = value.data.decode("ascii", "replace")
    plain = word.isascii() and word.isprintable() and not set(word) & set(' ",@#%=\\')
    if value.type == IdType.ID_FQDN and plain and word:
        return f"@{word}"
    user, _, domain = word.partition("@")
    if value.type == IdType.ID_RFC822_ADDR and user and domain.isascii() and "@" not in domain:
        return f"{user}@{domain}"
    hexadecimal = {IdType.ID_KEY_ID: "#", IdType.ID_DER_ASN1_DN: "~"}.get(IdType(value.type))
    if hexadecimal and value.data:
        return f"@{hexadecimal}{value.data.hex()}"
    raise Unsupported(f"Libreswan cannot be told the identity {value}")


def _check(config: PeerConfig) -> None:
    for option in config.options:
        place, _, key = option.partition(".")
        if key and place not in _SECTIONS:
            raise Unsupported(f"option {option!r}: sections are {', '.join(_SECTIONS)}")
        if not key and option not in (*_SHORT, *_OWN):
            hint = nearest(option, [*_SHORT, *_OWN])
            raise Unsupported(f"Libreswan's driver has no option {option!r}{hint}")


def _of(config: PeerConfig, section: str) -> dict[str, str]:
    """The options of one section: `section.key`, or a short word of a connection."""
    found = {}
    for option, value in config.options.items():
        place, _, key = option.partition(".")
        if not key and option in _SHORT:
            place, key = "conn", option
        if place == section:
            found[key] = value
    return found


def _lines(settings: Mapping[str, str]) -> str:
    return "".join(f"\t{key}={value}\n" for key, value in settings.items())
