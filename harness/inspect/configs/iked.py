"""OpenIKED's iked.conf: `ikev2` rules, with macros and continued lines."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise

from ikelab.harness.errors import ConfigError
from ikelab.harness.inspect.configs import words
from ikelab.harness.inspect.configs.side import Side
from ikelab.harness.model import TS, Suite, Transform
from ikelab.layers.iana import Protocol, TransformType

_MACRO = re.compile(r'^(\w+)\s*=\s*"?([^"]*)"?\s*$')
_KINDS = {
    "enc": TransformType.ENCR,
    "auth": TransformType.INTEG,
    "prf": TransformType.PRF,
    "group": TransformType.KE,
}
_PROTOCOLS = {"icmp": "1", "tcp": "6", "udp": "17", "icmpv6": "58"}
_SIGNATURES = ("rsa", "rfc7427", "ecdsa256", "ecdsa384", "ecdsa521", "signature")


def read(text: str, source: str) -> list[Side]:
    """Every `ikev2` rule."""
    return [_side(rule, source) for rule in _rules(text, source)]


def _rules(text: str, source: str) -> Iterator[list[str]]:
    macros: dict[str, str] = {}
    for line in re.sub(r"\\\n", " ", text).splitlines():
        bare = line.strip()
        if match := _MACRO.match(bare):
            macros[match[1]] = match[2]
            continue
        if not bare.startswith("ikev2"):
            continue
        full = re.sub(r"\$(\w+)", lambda m: macros.get(m[1], m[0]), bare)
        try:
            yield shlex.split(full.replace(",", " ").replace("{", " ").replace("}", " "), True)
        except ValueError as error:
            raise ConfigError(f"{source}: {error} in {bare[:60]!r}") from None


def _side(rule: list[str], source: str) -> Side:
    values: dict[str, list[str]] = {}
    tail: dict[str, str] = {}
    for here, following in pairwise(rule):
        if here in ("peer", "local", "srcid", "dstid", "proto"):
            values.setdefault(here, []).append(following)
        elif here in ("psk", "eap"):
            tail[here] = following
    notes: list[str] = []
    way = _way(rule, tail)
    name = rule[1] if len(rule) > 1 and rule[1] not in ("active", "passive", "quick") else "?"
    return Side(
        source=f"{source} ({name})",
        ike=_suites(rule, "ikesa", Protocol.IKE, notes),
        esp=_suites(rule, "childsa", Protocol.AH if "ah" in rule else Protocol.ESP, notes),
        local=_addresses(values.get("local", [])),
        remote=_addresses(values.get("peer", [])),
        local_id=next(iter(values.get("srcid", [])), ""),
        remote_id=next(iter(values.get("dstid", [])), ""),
        local_auth="pubkey" if way == "eap" else way,
        remote_auth=way,
        local_ts=_selectors(rule, "from", values),
        remote_ts=_selectors(rule, "to", values),
        psks=(words.key(tail["psk"]),) if "psk" in tail else (),
        notes=tuple(notes),
    )


def _way(rule: list[str], tail: dict[str, str]) -> str:
    if "psk" in tail:
        return "psk"
    if "eap" in tail:
        return "eap"
    return "pubkey" if any(word in rule for word in _SIGNATURES) else ""


def _addresses(found: list[str]) -> tuple[str, ...]:
    return tuple(a for a in found if a != "any")


def _selectors(rule: list[str], word: str, values: dict[str, list[str]]) -> tuple[TS, ...]:
    """The networks behind `from` or `to`, with the rule's protocol and the port behind each."""
    protocol = values.get("proto", ["0"])[0]
    number = _PROTOCOLS.get(protocol, protocol)
    found = []
    for at, here in enumerate(rule[:-1]):
        if here != word:
            continue
        network, port = rule[at + 1], ""
        if rule[at + 2 : at + 3] == ["port"] and at + 3 < len(rule):
            port = rule[at + 3]
        network = {"any": "0.0.0.0/0", "dynamic": ""}.get(network, network)
        if not network or not number.isdigit() or (port and not port.isdigit()):
            return ()
        tail = f"[{number}/{port}]" if port else f"[{number}]" if number != "0" else ""
        found.append(network + tail)
    return words.selectors(found)


def _suites(rule: list[str], word: str, protocol: int, notes: list[str]) -> tuple[Suite, ...]:
    """The proposals behind `ikesa` or `childsa`; none where something is left to defaults."""
    found = []
    for at, here in enumerate(rule):
        if here != word:
            continue
        made = _suite(rule[at + 1 :], protocol)
        if made is None:
            notes.append(f"{word} leaves something to iked's defaults")
            return ()
        found.append(made)
    return tuple(found)


def _suite(rest: list[str], protocol: int) -> Suite | None:
    transforms: list[Transform] = []
    numbers: list[Transform] = []
    position = 0
    while position < len(rest):
        word = rest[position]
        if word in ("esn", "noesn"):
            numbers.append(words.EITHER[word == "esn"])
            position += 1
        elif word in _KINDS and position + 1 < len(rest):
            found = words.of("openiked", _KINDS[word], [rest[position + 1]])
            if found is None:
                return None
            transforms += found
            position += 2
        else:
            break
    made = words.suite(protocol, transforms)
    if protocol == Protocol.IKE:
        whole = made.encr and made.prf and made.ke and (made.aead or made.integ)
        return made if whole else None
    if not made.encr or not (made.aead or made.integ):
        return None
    return words.suite(protocol, transforms, numbers or words.EITHER)
