"""Which values of a gateway's entry cannot be: addresses, identities, proposals, selectors.

Each is one line without the entry's name. What a test may send on purpose (a range that ends before
it begins, a proposal without a cipher) no gateway is configured with, and here it is a mistake.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import shlex
from collections.abc import Iterable, Iterator

from ikelab.harness.errors import ConfigError
from ikelab.harness.model import OPAQUE, TS, Identity, Suite, selectors, suites
from ikelab.layers.iana import Integ, Protocol, TransformType

_NAME = re.compile(r"\w[\w.+-]*")
_FQDN = re.compile(r"[A-Za-z0-9_*-]+(\.[A-Za-z0-9_*-]+)*\.?")
_SELECTOR = re.compile(r"[^\[\]-]+(-[^\[\]-]+)?(\[\d+(/\d+(-\d+)?)?\])?")
_TAKEN = ("reference",)


def name(text: str) -> str:
    """A gateway's name, which a run's folder and a command line have to bear."""
    if not _NAME.fullmatch(text):
        raise ConfigError("a name has letters, digits and . _ - +")
    if text in _TAKEN:
        raise ConfigError("that is the name of ikelab's own peer: take another one")
    return text


def address(key: str, text: str, *, ours: bool = False) -> int:
    """The IP version of an address that one host has; `ours` may be left to the host (0.0.0.0)."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise ConfigError(f"{key} {text!r} is no IP address") from None
    if "%" in text:
        raise ConfigError(f"{key} {text!r}: no link-local address with a zone, but a routed one")
    if found.is_multicast or text == "255.255.255.255":
        raise ConfigError(f"{key} {text!r} is the address of many hosts, not of one")
    if found.is_unspecified and not ours:
        raise ConfigError(f"{key} {text!r} is the address of no host: write the gateway's own")
    return found.version


def identity(key: str, text: str) -> Identity:
    """An identity; what looks like one in another program's notation is not taken for a name."""
    how = f"{key} {text!r}: write an address, gw.example.org, user@host, or keyid: and hexadecimal"
    with _of(key):
        found = Identity.parse(text)
    if text.startswith("keyid:"):
        if not found.data:
            raise ConfigError(f"{key} {text!r} has nothing after 'keyid:'; write keyid:0a0b")
        return found
    if text.startswith("@"):
        raise ConfigError(f"{how}; a name has no @ before it")
    if "@" in text:
        user, _, host = text.rpartition("@")
        if not user or not _FQDN.fullmatch(host) or re.search(r"\s", user):
            raise ConfigError(how)
    elif re.fullmatch(r"[\d.]+", text):
        if text.count(".") != 3 or str(found) != text or len(found.data) != 4:
            raise ConfigError(f"{key} {text!r} is no IP address")
    elif ":" in text or "%" in text:
        if len(found.data) != 16 or "%" in text:
            raise ConfigError(how)
    elif not _FQDN.fullmatch(text):
        raise ConfigError(how)
    return found


def proposals(key: str, texts: Iterable[str], protocol: Protocol) -> tuple[Suite, ...]:
    """Proposals that can be agreed on: each has all that RFC 7296 3.3.3 wants, and no more."""
    with _of(key):
        found = suites(texts, protocol)
    for suite in found:
        if wrong := _wrong(suite):
            raise ConfigError(f"{key}: the proposal {str(suite)!r} {wrong}")
    twice = [str(s) for n, s in enumerate(found) if s in found[:n]]
    if twice:
        raise ConfigError(f"{key}: the proposal {twice[0]!r} is there twice")
    return found


def _wrong(suite: Suite) -> str:
    kinds = {t.type for t in suite.transforms}
    ike = suite.protocol == Protocol.IKE
    if TransformType.ENCR not in kinds:
        return "has no cipher: aes256-..."
    if not suite.aead and suite.integ is None:
        return "has no integrity: aes256-sha256..., or a cipher as aes256gcm16 that needs none"
    # RFC 7296 3.3: a combined cipher is offered with no integrity, or with NONE.
    if suite.aead and any(t.id != Integ.NONE for t in suite.of(TransformType.INTEG)):
        return "has integrity beside a cipher that needs none; a PRF is written prfsha256"
    if ike and TransformType.PRF not in kinds:
        return "has no PRF: add one as prfsha256"
    if ike and suite.ke is None:
        return "has no group: add one as modp2048 or ecp256"
    if ike and TransformType.SN in kinds:
        return "is of an IKE SA, and those have no sequence numbers of ESP"
    if not ike and TransformType.PRF in kinds:
        return "is of a child, and that has no PRF"
    return ""


def behind(key: str, value: str | list[str]) -> tuple[TS, ...]:
    """What lies behind one end: selectors that select something."""
    for text in [value] if isinstance(value, str) else value:
        if not _SELECTOR.fullmatch(text.strip()):
            raise ConfigError(
                f"{key}: not a traffic selector: {text!r}; write 10.1.0.0/24, "
                "10.1.0.1-10.1.0.9 or 10.1.0.0/24[17/500-500]"
            )
    with _of(key):
        found = selectors(value)
    for ts in found:
        if int(ts.start) > int(ts.end):
            raise ConfigError(f"{key}: {ts.start}-{ts.end} ends before it begins")
        ports = (ts.start_port, ts.end_port)
        if ports[0] > ports[1] and ports != OPAQUE:
            raise ConfigError(f"{key}: the ports {ports[0]}-{ports[1]} end before they begin")
    return found


@contextlib.contextmanager
def _of(key: str) -> Iterator[None]:
    """Name the key in what others say of its value."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from None


def command(key: str, text: str) -> str:
    """A command for this machine; no shell reads it."""
    try:
        shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"{key} {text!r} is no command: {str(error).lower()}") from None
    return text
