"""ipsec.conf and ipsec.secrets: Libreswan's, and the old ones of strongSwan.

Neither says which end is its own, so each connection comes in both directions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ikelab.harness.errors import ConfigError
from ikelab.harness.inspect.configs import words
from ikelab.harness.inspect.configs.side import Side
from ikelab.harness.model import TS, Suite, Transform
from ikelab.layers.iana import Encr, Integ, Protocol, TransformType

Conn = dict[str, str]
_SECRET = re.compile(r"^(?P<ids>[^:#]*(?:[^\s:#]:[^\s:#][^:#]*)*)?\s*:\s*PSK\s+(?P<key>.+?)\s*$")
_STRONGSWAN = ("closeaction", "leftfirewall", "rightfirewall", "rightsourceip", "leftsourceip")
_LIBRESWAN = ("ikev2", "narrowing", "pfs", "phase2", "phase2alg", "leftaddresspool")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_AUTH = {"secret": "psk", "psk": "psk", "rsasig": "pubkey", "ecdsa": "pubkey", "pubkey": "pubkey"}
_AUTH |= {"rsa": "pubkey", "null": "null", "never": ""}


def read(text: str, source: str) -> list[Side]:
    """Every connection, as seen from its left and from its right end."""
    conns, keys = parse(text)
    base = conns.pop("%default", {})
    found = []
    for name, own in conns.items():
        conn = _inherited(own, conns, base)
        side = _side(name, conn, keys, source)
        found += [side, side.mirrored()]
    return found


def parse(text: str) -> tuple[dict[str, Conn], list[bytes]]:
    """(settings of each connection, shared keys)."""
    conns: dict[str, Conn] = {}
    keys: list[bytes] = []
    current: Conn | None = None
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if match := _SECRET.match(line):
            keys.append(words.key(match["key"]))
            current = None
        elif not line[0].isspace():
            kind, _, name = line.strip().partition(" ")
            current = conns.setdefault(name.strip(), {}) if kind == "conn" else None
        elif current is not None:
            key, sign, value = _COMMENT.sub("", line).partition("=")
            if sign:
                current[key.strip().lower()] = value.strip().strip('"')
    return conns, keys


def _inherited(own: Conn, conns: dict[str, Conn], base: Conn) -> Conn:
    other = conns.get(own.get("also", ""), {})
    return {**base, **other, **own}


def _side(name: str, conn: Conn, keys: list[bytes], source: str) -> Side:
    strongswan = _is_strongswan(conn)
    notes: list[str] = []
    read_suites = _strongswan if strongswan else _libreswan
    ike = read_suites(conn.get("ike", ""), Protocol.IKE, notes)
    esp = read_suites(conn.get("phase2alg", conn.get("esp", "")), Protocol.ESP, notes)
    if not strongswan:
        esp = _with_pfs(conn, ike, esp, notes)
    auth = conn.get("authby", "")
    return Side(
        source=f"{source} ({name})",
        ike=ike,
        esp=esp,
        local=_address(conn.get("left", "")),
        remote=_address(conn.get("right", "")),
        local_id=_identity(conn.get("leftid", "")),
        remote_id=_identity(conn.get("rightid", "")),
        local_auth=_auth(conn.get("leftauth", auth)),
        remote_auth=_auth(conn.get("rightauth", auth)),
        local_ts=_networks(conn, "left"),
        remote_ts=_networks(conn, "right"),
        psks=tuple(keys),
        notes=tuple(notes),
    )


def _is_strongswan(conn: Conn) -> bool:
    """Whose file it is; the two share most of their words."""
    proposals = f"{conn.get('ike', '')} {conn.get('esp', '')}"
    if "!" in proposals or any(word in conn for word in _STRONGSWAN):
        return True
    if any(word in conn for word in _LIBRESWAN) or re.search(r"_|\+|\bdh\d", proposals):
        return False
    return "keyexchange" in conn


def _address(text: str) -> tuple[str, ...]:
    return (text,) if text and not text.startswith("%") else ()


def _identity(text: str) -> str:
    return "" if text.startswith("%") else text


def _auth(text: str) -> str:
    return _AUTH.get(re.split(r"[-,]", text, maxsplit=1)[0], "")


def _networks(conn: Conn, side: str) -> tuple[TS, ...]:
    text = conn.get(f"{side}subnets", conn.get(f"{side}subnet", ""))
    parts = [p for p in re.split(r"[\s,{}]+", text) if p]
    if not parts:
        return ()
    protocol, _, port = conn.get(f"{side}protoport", "").partition("/")
    if protocol.isdigit() and (not port or port.isdigit()):
        tail = f"[{protocol}/{port}]" if port not in ("", "0") else f"[{protocol}]"
        parts = [p + tail for p in parts]
    elif protocol:
        return ()
    return words.selectors(parts)


def _strongswan(text: str, protocol: int, notes: list[str]) -> tuple[Suite, ...]:
    """Proposals as in swanctl.conf; without `!` the daemon's defaults are taken as well."""
    try:
        return tuple(
            Suite.parse(part.strip(), protocol)
            for part in text.rstrip("! ").split(",")
            if part.strip()
        )
    except ConfigError as error:
        notes.append(str(error))
        return ()


def _libreswan(text: str, protocol: int, notes: list[str]) -> tuple[Suite, ...]:
    """Proposals; none at all where something is left to the daemon's defaults."""
    found = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        made = _libreswan_suite(part, protocol)
        if made is None:
            notes.append(f"the proposal {part!r} leaves something to defaults")
            return ()
        found.append(made)
    return tuple(found)


def _libreswan_suite(text: str, protocol: int) -> Suite | None:
    """`aes256+aes128-sha2_256-dh19`: `+` between words of a type, `-` or `;` between types."""
    groups = [part.split("+") for part in re.split(r"[-;]", text)]
    encr = words.of("libreswan", TransformType.ENCR, groups[0])
    if not encr:
        return None
    hashes: list[Transform] = []
    kes: list[Transform] = []
    prfs: list[Transform] = []
    for group in groups[1:]:
        if (found := words.of("libreswan", TransformType.INTEG, group)) is not None:
            hashes += found
        elif (found := words.of("libreswan", TransformType.KE, group)) is not None:
            kes += found
        elif (found := words.of("libreswan", TransformType.PRF, group)) is not None:
            prfs += found
        else:
            return None
    aead = any(Encr(t.id).aead for t in encr)
    if protocol == Protocol.IKE:
        prfs += [p for h in hashes for p in words.prf_of(h)]
        if not prfs or not kes:
            return None
    real = [h for h in hashes if h.id != Integ.NONE]
    if not aead and not real:
        return None
    return words.suite(protocol, encr, [] if aead else real, kes, prfs if protocol == 1 else [])


def _with_pfs(
    conn: Conn, ike: tuple[Suite, ...], esp: tuple[Suite, ...], notes: list[str]
) -> tuple[Suite, ...]:
    """Sequence numbers, and the group that a child has: PFS is on, with the group of the IKE SA."""
    esn = {"yes": words.EITHER[1:], "no": words.EITHER[:1]}.get(conn.get("esn", ""), words.EITHER)
    found = []
    for suite in esp:
        kes = [t for s in ike for t in s.of(TransformType.KE)]
        if conn.get("pfs") == "no":
            suite, kes = suite.without(TransformType.KE), []
        elif suite.ke is not None:
            kes = []
        elif not kes:
            notes.append("pfs=yes with the IKE SA's group, which the file does not say")
            return ()
        found.append(words.suite(suite.protocol, suite.transforms, kes, esn))
    return tuple(found)


def connections(text: str) -> Iterator[str]:
    """The names of the connections, to recognise the format by."""
    yield from re.findall(r"^conn\s+(\S+)", text, re.MULTILINE)
