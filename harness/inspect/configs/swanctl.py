"""swanctl.conf: connections, their children, and the shared keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ikelab.harness.errors import ConfigError
from ikelab.harness.inspect.configs import words
from ikelab.harness.inspect.configs.side import Side
from ikelab.harness.model import TS, Suite
from ikelab.layers.iana import Protocol

Tree = dict[str, Any]
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|([{}])|([^\s{}"#]+)|(\n)|[^\S\n]+|(#[^\n]*)')
_PORTS = re.compile(r"^(?P<net>[^\[]*)(?:\[(?P<what>[^\]]*)\])?$")
_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "icmpv6": 58}
_AUTH = {"psk": "psk", "pubkey": "pubkey", "rsa": "pubkey", "ecdsa": "pubkey", "eddsa": "pubkey"}


def read(text: str, source: str) -> list[Side]:
    """The connections of a file; ConfigError where its braces do not close."""
    tree = parse(text, source)
    secrets = [s for s in _sections(tree.get("secrets"), "ike") if "secret" in s]
    return [
        _side(name, section, secrets, source) for name, section in _named(tree.get("connections"))
    ]


def parse(text: str, source: str = "swanctl.conf") -> Tree:
    """The settings as nested dictionaries; the values are text."""
    root: Tree = {}
    stack: list[Tree] = [root]
    words_: list[str] = []
    for match in _TOKEN.finditer(text + "\n"):
        quoted, brace, word, newline, _comment = match.groups()
        if quoted is not None or word is not None:
            words_.append(quoted if quoted is not None else word)
        elif brace == "{":
            stack.append(stack[-1].setdefault(_name(words_), {}))
            words_ = []
        elif brace == "}" or newline:
            _setting(stack[-1], words_)
            words_ = []
            if brace == "}":
                stack.pop()
                if not stack:
                    raise ConfigError(f"{source}: a closing brace too many")
    if len(stack) > 1:
        raise ConfigError(f"{source}: {len(stack) - 1} sections are not closed with '}}'")
    return root


def _name(found: list[str]) -> str:
    return found[0] if found else "?"


def _setting(section: Tree, found: list[str]) -> None:
    """`key = value`, with or without blanks around the sign."""
    key, sign, value = " ".join(found).partition("=")
    if sign:
        section[key.strip()] = value.strip()


def _named(tree: Any) -> Iterator[tuple[str, Tree]]:
    if isinstance(tree, Mapping):
        yield from ((name, value) for name, value in tree.items() if isinstance(value, dict))


def _sections(tree: Any, prefix: str) -> list[Tree]:
    return [section for name, section in _named(tree) if name.startswith(prefix)]


def _side(name: str, section: Tree, secrets: list[Tree], source: str) -> Side:
    local = next(iter(_sections(section, "local")), {})
    remote = next(iter(_sections(section, "remote")), {})
    children = [child for _, child in _named(section.get("children"))]
    notes: list[str] = []
    ids = (local.get("id", ""), remote.get("id", ""))
    return Side(
        source=f"{source} ({name})",
        ike=_suites(_list(section.get("proposals", "")), Protocol.IKE, notes),
        esp=_esp(children, notes),
        local=_addresses(section.get("local_addrs", "")),
        remote=_addresses(section.get("remote_addrs", "")),
        local_id=_identity(ids[0]),
        remote_id=_identity(ids[1]),
        local_auth=_auth(local),
        remote_auth=_auth(remote),
        local_ts=_selectors(children, "local_ts"),
        remote_ts=_selectors(children, "remote_ts"),
        psks=tuple(words.key(s["secret"]) for s in secrets if _meant(s, ids)),
        notes=tuple(notes),
    )


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _suites(texts: list[str], protocol: int, notes: list[str]) -> tuple[Suite, ...]:
    """Proposals; none at all where one of them is `default` or not understood."""
    found = []
    for text in texts:
        try:
            found.append(Suite.parse(text, protocol))
        except ConfigError as error:
            notes.append(str(error))
            return ()
    return tuple(found)


def _esp(children: list[Tree], notes: list[str]) -> tuple[Suite, ...]:
    found: list[Suite] = []
    for child in children:
        for key, protocol in (("esp_proposals", Protocol.ESP), ("ah_proposals", Protocol.AH)):
            found += _suites(_list(child.get(key, "")), protocol, notes)
    return tuple(found)


def _selectors(children: list[Tree], key: str) -> tuple[TS, ...]:
    """All children's; nothing where one of them leaves it to the addresses (`dynamic`)."""
    found: list[TS] = []
    for child in children:
        ranges = words.selectors(map(_selector, _list(child.get(key, "dynamic"))))
        if not ranges:
            return ()
        found += ranges
    return tuple(found)


def _selector(text: str) -> str:
    """`10.1.0.0/24[tcp/http]` with numbers, as far as numbers or these names stand there."""
    match = _PORTS.match(text)
    if match is None or not match["what"]:
        return text
    protocol, _, ports = match["what"].partition("/")
    number = _PROTOCOLS.get(protocol.lower(), protocol)
    ports = {"any": "", "opaque": "65535-0"}.get(ports, ports)
    return f"{match['net']}[{number or 0}{'/' + ports if ports else ''}]"


def _addresses(text: str) -> tuple[str, ...]:
    return tuple(a for a in _list(text) if "%" not in a)


def _identity(text: str) -> str:
    return "" if text in ("%any", "") else text


def _auth(section: Tree) -> str:
    word = str(section.get("auth", "pubkey" if section else "")).split("-")[0]
    return _AUTH.get(word, word)


def _meant(secret: Tree, ids: tuple[str, str]) -> bool:
    """Whether a shared key is for these identities: it names one of them, or none at all."""
    owners = {value for key, value in secret.items() if key.startswith("id")}
    return not owners or bool(owners & set(ids)) or not any(ids)
