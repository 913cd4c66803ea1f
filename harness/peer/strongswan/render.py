"""What a case wants, in strongSwan's words: strongswan.conf, and connections as vici takes them.

Pure: values in, text and trees out. What strongSwan's language cannot say is Unsupported.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping
from dataclasses import dataclass

from ikelab.harness.errors import nearest
from ikelab.harness.model import TS, Identity, Suite
from ikelab.harness.peer.base import PeerConfig, Unsupported, shared_key
from ikelab.harness.peer.daemon import FOLDER
from ikelab.harness.peer.strongswan import credentials, eap, further, names
from ikelab.layers.iana import CfgAttr, IdType, Protocol

Value = str | bytes | list[str] | Mapping[str, "Value"]
Tree = dict[str, Value]

CONNECTION = "ikelab"
CHILD = "child"
PRIMER_PROPOSAL = "aes128-sha256-x25519"
PRIMER = "ikelab-primer"
"""The connection on the loopback whose half-open SA makes charon ask everyone for cookies."""
FIRST_TABLE, LAST_TABLE = (220, 220), (221, 40000)
"""Routing tables for libipsec's routes and the priorities of the rules that name them."""
LOOPBACK = "127.0.0.1"

_PLUGINS = (
    "random nonce aes des blowfish rc2 sha1 sha2 sha3 md5 md4 mgf1 hmac cmac xcbc kdf ctr ccm gcm "
    "chapoly curve25519 fips-prf gmp openssl ml x509 revocation constraints pubkey pkcs1 pkcs7 "
    "pkcs8 pkcs12 pem attr kernel-libipsec kernel-netlink socket-default eap-identity eap-md5 "
    "eap-mschapv2 eap-gtc xauth-generic eap-tls eap-ttls counters vici"
)
PLUGINS = tuple(_PLUGINS.split())
"""What the daemon loads, in this order, where its build has them."""

_CONNECTION_WORDS = (
    "mobike fragmentation childless encap unique vips send_cert send_certreq keyingtries "
    "dpd_timeout rekey_time reauth_time over_time remote_port dscp"
)
_CHILD_WORDS = "mode life_time rekey_bytes rekey_packets ipcomp replay_window"
_SHORT = {
    **dict.fromkeys(_CONNECTION_WORDS.split(), "connection"),
    **dict.fromkeys(_CHILD_WORDS.split(), "child"),
}
_LISTS = {"proposals", "vips", "pools", "local_addrs", "remote_addrs", "local_ts", "remote_ts"}
_LISTS |= {"esp_proposals", "ah_proposals", "certs", "cacerts", "groups"}
_ID_PREFIXES: dict[int, str] = {
    IdType.ID_FQDN: "fqdn",
    IdType.ID_RFC822_ADDR: "rfc822",
    IdType.ID_KEY_ID: "keyid",
    IdType.ID_DER_ASN1_DN: "asn1dn",
    IdType.ID_DER_ASN1_GN: "asn1gn",
}
_OWN = ("log", "kernel", "pool")
_SECTIONS = ("connection", "child", "local", "remote", "charon")


@dataclass(frozen=True, slots=True)
class Build:
    """What the daemon at hand is able to: which plugins it has, where CHILD_SAs go."""

    plugins: tuple[str, ...] = PLUGINS
    libipsec: bool = True  # CHILD_SAs in the daemon, for kernels without ESP
    raw_esp: bool = True  # libipsec can do so without faking NAT detection


def render(config: PeerConfig, build: Build, *, initiates: bool = False) -> dict[str, str]:
    """The files strongswan.conf and swanctl.conf; the second one is handed over by vici."""
    named = credentials.readable(connections(config, initiates=initiates))
    secrets: Tree = {"ike-psk": _secret(config), **credentials.ppk_secrets(config)}
    tree: Tree = {"connections": named, "secrets": secrets}
    if pools := pool(config):
        tree["pools"] = pools
    return {"strongswan.conf": daemon(config, build), "swanctl.conf": text(tree)}


def daemon(config: PeerConfig, build: Build) -> str:
    """strongswan.conf of the daemon."""
    if config.window != 1:
        raise Unsupported("strongSwan takes one request at a time")
    if config.require_request:
        raise Unsupported("strongSwan makes a child whether an address is asked for or not")
    kernel = config.options.get("kernel", "libipsec" if build.libipsec else "netlink")
    if kernel not in ("libipsec", "netlink"):
        raise Unsupported(f"kernel={kernel}: strongSwan's driver knows libipsec and netlink")
    left_out = () if kernel == "libipsec" else ("kernel-libipsec",)
    libipsec: Tree = {"allow_peer_ts": "yes"}
    if build.raw_esp:
        libipsec["raw_esp"] = "yes"
    settings: Tree = {
        "load": " ".join(p for p in build.plugins if p not in left_out),
        "port": str(config.port),
        "install_routes": "no",
        "install_virtual_ip": "no",
        "retransmit_timeout": "0.5",
        "retransmit_base": "2.0",
        "retransmit_tries": str(config.tries),
        "keep_alive": "1s",
        **({} if config.fragment is None else {"fragment_size": str(config.fragment)}),
        "delete_rekeyed_delay": "0",
        # With the default of 1 the daemon stalls on expiring half-open SAs under load.
        "ikesa_table_size": "4096",
        "ikesa_table_segments": "16",
        **_flood(config.cookies),
        **credentials.daemon(config),
        **eap.daemon(config),
        **_routes(config, kernel),
        "plugins": {
            **({"attr": given} if (given := further.attributes(config)) else {}),
            "eap-gtc": {"backend": "generic"},  # holds tokens against the secrets of users
            "vici": {"socket": f"unix://{FOLDER}/vici"},
            **({"kernel-libipsec": libipsec} if kernel == "libipsec" else {}),
        },
        "filelog": {"main": _log(config.options.get("log", "keys"))},
        "journal": {"default": "-1"},
    }
    for key, value in _of(config, "charon").items():
        _set(settings, key.split("."), value)
    return text({"charon-systemd": settings})


def _routes(config: PeerConfig, kernel: str) -> Tree:
    """Where libipsec puts the routes that lead packets into its device.

    Its own table is asked before the others. Where selectors cover the peer's own address that
    would lead the IKE messages into the tunnel too: then it is asked last, after the links' routes.
    """
    if kernel != "libipsec":
        return {}
    remote = TS.parse(config.remote_address)
    around = any(ts.intersection(remote) for ts in config.remote_ts)
    table, priority = LAST_TABLE if around else FIRST_TABLE
    return {"routing_table": str(table), "routing_table_prio": str(priority)}


def _flood(cookies: bool) -> Tree:
    """Either ask for a cookie as soon as one SA is half open, or never defend against floods."""
    if not cookies:
        return {"dos_protection": "no"}
    return {
        "dos_protection": "yes",
        "cookie_threshold": "1",
        "cookie_threshold_ip": "0",
        "block_threshold": "65535",  # of 0 charon makes 1: the least above cookie_threshold_ip
        "half_open_timeout": "86400",
    }


def _log(kind: str) -> Tree:
    levels: dict[str, Tree] = {
        "keys": {"default": "1", "mgr": "2", "ike": "4", "chd": "4", "cfg": "2"},
        "plain": {"default": "1"},
        "quiet": {"default": "0"},
    }
    if kind not in levels:
        raise Unsupported(f"log={kind}: strongSwan's driver knows {', '.join(levels)}")
    return {
        "path": f"{FOLDER}/log",
        "append": "no",
        "flush_line": "yes",
        "ike_name": "yes",
        "time_format": "%s",
        "time_add_ms": "yes",
        **levels[kind],
    }


def connections(config: PeerConfig, *, initiates: bool = False) -> Tree:
    """The connections as vici's load-conn takes them; before it initiates they may say more."""
    connection: Tree = {
        "version": "2",
        "local_addrs": [config.local_address],
        "remote_addrs": [config.remote_address],
        "proposals": [names.proposal(suite) for suite in config.ike] or ["default"],
        "mobike": "no",
        "fragmentation": "yes",
        **credentials.connection(config),
        "rekey_time": "0s",
        "keyingtries": "1",
        "dpd_delay": f"{math.ceil(config.dpd_delay)}s",
        **further.connection(config, identity, initiates=initiates),
        **_of(config, "connection"),
        "local": {
            **credentials.local(config),
            "id": identity(config.local_id),
            **_of(config, "local"),
        },
        "remote": {
            **credentials.remote(config),
            "id": identity(config.remote_id),
            **_of(config, "remote"),
        },
        "children": {CHILD: _child(config)},
    }
    if pools := pool(config):
        connection["pools"] = list(pools)
    if config.request:
        connection["vips"] = [_virtual(kind) for kind in config.request]
    found: Tree = {CONNECTION: connection}
    if config.cookies:
        found[PRIMER] = {
            "version": "2",
            "local_addrs": [LOOPBACK],
            "remote_addrs": [LOOPBACK],
            "proposals": [names.proposal(Suite.parse(PRIMER_PROPOSAL))],
            "local": {"auth": "psk"},
            "remote": {"auth": "psk"},
        }
    return found


def _child(config: PeerConfig) -> Tree:
    kinds = {suite.protocol for suite in config.esp}
    if len(kinds) > 1:
        raise Unsupported("strongSwan's CHILD_SA is either ESP or AH, not both")
    key = "ah_proposals" if Protocol.AH in kinds else "esp_proposals"
    return {
        # What has an address from the configuration payload has it as its only selector.
        "local_ts": ["dynamic"] if config.request else [selector(ts) for ts in config.local_ts],
        "remote_ts": ["dynamic"] if config.pool else [selector(ts) for ts in config.remote_ts],
        key: [names.proposal(suite) for suite in config.esp] or ["default"],
        "mode": config.mode,
        "rekey_time": "0s",
        **({"ipcomp": "yes"} if config.features.ipcomp else {}),
        **_of(config, "child"),
    }


def pool(config: PeerConfig) -> Tree:
    """Address pools as vici's load-pool takes them (option `pool`, a network or a range)."""
    found: Tree = {}
    if "pool" in config.options:
        found["ikelab"] = {"addrs": config.options["pool"]}
    dns: Tree = {"dns": list(config.dns)} if config.dns else {}
    for number, network in enumerate(config.pool, 1):
        found[f"ikelab-{number}"] = {"addrs": network, **(dns if number == 1 else {})}
    return found


def _virtual(kind: int) -> str:
    """The address that stands for asking for any."""
    wanted: dict[int, str] = {
        CfgAttr.INTERNAL_IP4_ADDRESS: "0.0.0.0",
        CfgAttr.INTERNAL_IP6_ADDRESS: "::",
    }
    if kind not in wanted:
        raise Unsupported("strongSwan can be told to ask for addresses only")
    return wanted[kind]


def shared(config: PeerConfig) -> Tree:
    """The pre-shared key as vici's load-shared takes it."""
    owners = [identity(config.local_id), identity(config.remote_id)]
    return {"id": "psk", "type": "IKE", "data": shared_key(config), "owners": owners}


def _secret(config: PeerConfig) -> Tree:
    key = shared_key(config)
    plain = key.isascii() and key.decode("ascii", "ignore").isprintable()
    quotable = plain and not key.startswith((b"0x", b"0s")) and b'"' not in key
    secret = key.decode("ascii") if quotable else "0x" + key.hex()
    return {
        "id-local": identity(config.local_id),
        "id-remote": identity(config.remote_id),
        "secret": secret,
    }


def identity(value: Identity) -> str:
    """An identity in strongSwan's words; the type is always spelt out where it could be guessed."""
    if (value.type, len(value.data)) in {(IdType.ID_IPV4_ADDR, 4), (IdType.ID_IPV6_ADDR, 16)}:
        return str(ipaddress.ip_address(value.data))
    prefix = _ID_PREFIXES.get(value.type)
    if prefix is None or not value.data:
        raise Unsupported(f"strongSwan cannot be told the identity {value}")
    word = value.data.decode("ascii", "replace")
    texts = (IdType.ID_FQDN, IdType.ID_RFC822_ADDR)
    if value.type in texts and word.isprintable() and word.isascii() and not word.startswith("#"):
        return f"{prefix}:{word}"
    return f"{prefix}:#{value.data.hex()}"


def selector(ts: TS) -> str:
    """A traffic selector in strongSwan's words."""
    if int(ts.start) > int(ts.end):
        raise Unsupported(f"strongSwan cannot be told the empty selector {ts}")
    address = _range(ts)
    ports = (ts.start_port, ts.end_port)
    if ports == (0, 65535):
        return f"{address}[{ts.protocol}]" if ts.protocol else address
    if ports == (65535, 0):
        return f"{address}[{ts.protocol}/opaque]"
    if ports[0] > ports[1]:
        raise Unsupported(f"strongSwan cannot be told the empty selector {ts}")
    said = f"{ports[0]}-{ports[1]}" if ports[0] != ports[1] else f"{ports[0]}"
    return f"{address}[{ts.protocol}/{said}]"


def _range(ts: TS) -> str:
    """A network where the range is one, else first and last address."""
    size = int(ts.end) - int(ts.start) + 1
    prefix = ts.start.max_prefixlen - size.bit_length() + 1
    if size & (size - 1) == 0 and int(ts.start) % size == 0:
        return f"{ts.start}/{prefix}"
    return f"{ts.start}-{ts.end}"


def _of(config: PeerConfig, section: str) -> Tree:
    """The options of one section: `section.key`, or a short word that belongs to it."""
    found: Tree = {}
    for option, value in config.options.items():
        place, _, key = option.partition(".")
        if not key:
            place, key = _SHORT.get(option, ""), option
        if not place and option not in _OWN:
            raise Unsupported(
                f"strongSwan's driver has no option {option!r}{nearest(option, [*_SHORT, *_OWN])}"
            )
        if place and place not in _SECTIONS:
            raise Unsupported(f"option {option!r}: sections are {', '.join(_SECTIONS)}")
        if place == section:
            listed = key in _LISTS and section != "charon"
            found[key] = [v.strip() for v in value.split(",")] if listed else value
    return found


def _set(tree: Tree, path: list[str], value: Value) -> None:
    """Set a value deep in a tree, making the sections on the way."""
    for name in path[:-1]:
        below = tree.setdefault(name, {})
        assert isinstance(below, dict)
        tree = below
    tree[path[-1]] = value


def text(tree: Mapping[str, Value], indent: int = 0) -> str:
    """A tree in the syntax of strongswan.conf and swanctl.conf."""
    lines = []
    pad = "  " * indent
    for key, value in tree.items():
        if isinstance(value, Mapping):
            lines.append(f"{pad}{key} {{\n{text(value, indent + 1)}{pad}}}\n")
        else:
            words = value if isinstance(value, list) else [_plain(value)]
            lines.append(f"{pad}{key} = {_quoted(', '.join(words))}\n")
    return "".join(lines)


def _plain(value: str | bytes) -> str:
    return value if isinstance(value, str) else "0x" + value.hex()


def _quoted(value: str) -> str:
    special = set('{}#"=\n') & set(value) or value != value.strip() or not value
    return '"' + value.replace('"', r"\"") + '"' if special else value
