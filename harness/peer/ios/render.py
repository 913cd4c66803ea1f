"""What a case wants, in the words of IOS and IOS XE: lines, and the lines that undo them.

Pure: values in, lines out. What a release cannot say is Unsupported with the reason. A tunnel
interface where the selectors are everything, else a crypto map with an access list.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ikelab.harness.crypto.files import key_kind
from ikelab.harness.exchange.credentials import CertCredential, NullCredential, PskCredential
from ikelab.harness.model import Identity, Suite, Transform
from ikelab.harness.peer.base import PeerConfig, Unsupported
from ikelab.harness.peer.ios import names
from ikelab.harness.peer.ios.releases import ASA, Release
from ikelab.harness.peer.ios.selectors import everything, permitted
from ikelab.layers.iana import IdType, Integ, TransformType

NAME = "IKELAB"
TUNNEL = "Tunnel900"
LINK = "169.254.250.1 255.255.255.252"
FASTEST_DPD, FASTEST_KEEPALIVE = 10, 5  # seconds; the routers take no less
OPTIONS = {"interface", "variant", "tunnel_address", "cookie_challenge", "max_half_open", "max_sa",
           "ppk_id", "ppk", "ppk_required", "pqc", "trustpoint"}  # fmt: skip
_DEFAULT_ESP = "esp-aes 256 esp-sha256-hmac"


@dataclass(frozen=True, slots=True)
class Rendering:
    """Lines for configuration mode, in order; `undo` takes exactly these out again."""

    config: tuple[str, ...]
    undo: tuple[str, ...]

    def files(self) -> dict[str, str]:
        """The two as texts, for the record."""
        return {
            "router.cfg": "\n".join(self.config) + "\n",
            "undo.cfg": "\n".join(self.undo) + "\n",
        }


def render(config: PeerConfig, release: Release) -> Rendering:
    """The configuration of a router of this release; Unsupported says what it cannot do."""
    if release.family == ASA:
        from ikelab.harness.peer.ios import asa

        return asa.render(config, release)
    check(config, release, OPTIONS)
    writer = _Writer(config, release)
    return Rendering(tuple(writer.lines()), tuple(reversed(writer.undo)))


def check(config: PeerConfig, release: Release, options: set[str]) -> None:
    """What no release can do, and algorithms that this one does not take."""
    if unknown := set(config.options) - options:
        raise Unsupported(f"{release}'s driver has no option {', '.join(sorted(unknown))}")
    if wanted := config.features.wanted():
        raise Unsupported(f"{release}'s driver cannot ask for {', '.join(wanted)}")
    if config.port != 500:
        raise Unsupported(f"{release} has no other port than 500")
    if config.pool or config.dns or config.request or config.require_request:
        raise Unsupported(f"{release}'s driver gives and asks for no addresses")
    if isinstance(config.own, NullCredential) or (config.trust is not None and config.trust.null):
        raise Unsupported(f"{release} has no NULL authentication (RFC 7619)")
    for suite in (*config.ike, *config.esp):
        for transform in suite.transforms:
            release.check(transform, suite.protocol)
        _uniform(suite, release)
    if config.dpd_delay and config.dpd_delay < FASTEST_DPD:
        raise Unsupported(f"{release} checks for liveness every {FASTEST_DPD} s at the fastest")


def _uniform(suite: Suite, release: Release) -> None:
    """No list may mix combined-mode ciphers with others, and one cipher means one kind of hash."""
    kinds = {getattr_aead(t) for t in suite.of(TransformType.ENCR)}
    if len(kinds) > 1:
        raise Unsupported(f"{release} takes no proposal of both combined-mode and other ciphers")
    hashes = [t for t in suite.of(TransformType.INTEG) if t.id != Integ.NONE]
    if True in kinds and hashes:
        raise Unsupported(f"{release} takes no integrity algorithm beside a combined-mode cipher")


def getattr_aead(transform: Transform) -> bool:
    """Whether a cipher protects integrity by itself."""
    return Suite((transform,)).aead


class _Writer:
    """One configuration, section by section; what each section's removal is goes into `undo`."""

    def __init__(self, config: PeerConfig, release: Release) -> None:
        self.config, self.release = config, release
        self.undo: list[str] = []
        self.six = ":" in config.local_address
        self.options = config.options
        self.certificate = isinstance(config.own, CertCredential)
        self.trusting = config.trust is not None and bool(config.trust.anchors)

    def lines(self) -> Iterator[str]:
        yield from self._globals()
        yield from self._proposals()
        yield from self._keyring()
        yield from self._profile()
        yield from self._transform_sets()
        if self._variant() == "vti":
            yield from self._tunnel()
        else:
            yield from self._map()

    def _section(self, head: str, *body: str) -> Iterator[str]:
        self.undo.append(f"no {head}")
        yield head
        yield from (f" {line}" for line in body)

    def _variant(self) -> str:
        asked = self.options.get("variant", "")
        if asked not in ("", "vti", "map"):
            raise Unsupported(f"there is no variant {asked!r}: vti or map")
        whole = all(everything(ts) for ts in (*self.config.local_ts, *self.config.remote_ts))
        if asked == "vti" and not whole:
            raise Unsupported("a tunnel interface negotiates selectors of everything only")
        return asked or ("vti" if whole else "map")

    def _globals(self) -> Iterator[str]:
        config, options = self.config, self.options
        found = []
        if config.fragment is not None:
            found.append(f"crypto ikev2 fragmentation mtu {config.fragment}")
        if config.cookies:
            raise Unsupported(
                f"{self.release} asks for cookies only beyond a number of half-open SAs, 1 at least"
            )
        if number := options.get("cookie_challenge"):
            found.append(f"crypto ikev2 cookie-challenge {number}")
        if number := options.get("max_half_open"):
            # Spelt so by the routers.
            found.append(f"crypto ikev2 limit max-in-negotation-sa {number}")
        if number := options.get("max_sa"):
            found.append(f"crypto ikev2 limit max-sa {number}")
        keepalive = max(FASTEST_KEEPALIVE, math.ceil(config.keepalive))
        found += [f"crypto ikev2 nat keepalive {keepalive}", f"crypto ikev2 window {config.window}"]
        for line in found:
            yield from self._section(line)

    def _proposals(self) -> Iterator[str]:
        labels = []
        for number, suite in enumerate(self.config.ike, 1):
            label = f"{NAME}-{number}"
            labels.append(f"proposal {label}")
            yield from self._section(f"crypto ikev2 proposal {label}", *self._proposal(suite))
        match = f"match address local {self.config.local_address}"
        yield from self._section(f"crypto ikev2 policy {NAME}", match, *labels)

    def _proposal(self, suite: Suite) -> Iterator[str]:
        def words(kind: int) -> str:
            listed = (t for t in suite.of(kind) if (kind, t.id) != (TransformType.INTEG, 0))
            return " ".join(names.ike_word(t) for t in listed)

        yield f"encryption {words(TransformType.ENCR)}"
        integrity, prf = words(TransformType.INTEG), words(TransformType.PRF)
        if integrity:
            yield f"integrity {integrity}"
        if prf != integrity:
            yield f"prf {prf}"
        yield f"group {words(TransformType.KE)}"
        if kems := suite.of(TransformType.ADDKE1):
            optional = " optional" if self.options.get("pqc") == "optional" else ""
            yield f"pqc {' '.join(names.kem_word(t) for t in kems)}{optional}"

    def _keyring(self) -> Iterator[str]:
        ppk = self._ppk()
        keyed = not (self.certificate and self.trusting)
        if not keyed and not ppk:
            return
        mask = "/128" if self.six else " 255.255.255.255"
        body = ["peer 1", f" address {self.config.remote_address}{mask}"]
        if keyed:
            own, theirs = self._secrets()
            body += [f" pre-shared-key local {own}", f" pre-shared-key remote {theirs}"]
        yield from self._section(f"crypto ikev2 keyring {NAME}", *body, *ppk)

    def _ppk(self) -> list[str]:
        options = self.options
        if "ppk_id" not in options and "ppk" not in options:
            return []
        self.release.need_ppk()
        if not options.get("ppk_id") or not options.get("ppk"):
            raise Unsupported("a PPK has an id and a key: give both ppk_id and ppk")
        required = " required" if options.get("ppk_required") == "yes" else ""
        return [f" ppk manual id {options['ppk_id']} key hex {options['ppk']}{required}"]

    def _secrets(self) -> tuple[str, str]:
        config = self.config
        own = config.own.key if isinstance(config.own, PskCredential) else config.psk
        trusted = config.trust.psk if config.trust is not None else None
        return secret(own, self.release), secret(trusted or config.psk, self.release)

    def _profile(self) -> Iterator[str]:
        config = self.config
        body = [
            f"match identity remote {_matched(config.remote_id)}",
            f"identity local {_identity(config.local_id)}",
        ]
        ways = {True: "pre-share", False: "pre-share"}
        if self.certificate or self.trusting:
            way = signature(config, self.release)
            ways = {side: way if by else "pre-share"
                    for side, by in ((True, self.certificate), (False, self.trusting))}  # fmt: skip
        body += [f"authentication remote {ways[False]}", f"authentication local {ways[True]}"]
        if "pre-share" in ways.values():
            body.append(f"keyring local {NAME}")
        if set(ways.values()) != {"pre-share"}:
            body.append(f"pki trustpoint {self.options['trustpoint']}")
        if self._ppk():
            body.append(f"keyring ppk {NAME}")
        if config.dpd_delay:
            body.append(f"dpd {math.ceil(config.dpd_delay)} 2 periodic")
        yield from self._section(f"crypto ikev2 profile {NAME}", *body)

    def _transform_sets(self) -> Iterator[str]:
        sets = transform_sets(self.config, self.release)
        for number, words in enumerate(sets, 1):
            yield from self._section(
                f"crypto ipsec transform-set {NAME}-{number} {words}", f"mode {self.config.mode}"
            )
            # What is taken out is named without what it consists of.
            self.undo[-1] = f"no crypto ipsec transform-set {NAME}-{number}"

    def _sets(self) -> str:
        count = len(transform_sets(self.config, self.release))
        return "set transform-set " + " ".join(f"{NAME}-{n}" for n in range(1, count + 1))

    def _tunnel(self) -> Iterator[str]:
        config, family = self.config, "ipv6" if self.six else "ipv4"
        if config.mode != "tunnel":
            raise Unsupported("a tunnel interface has tunnel mode: ask for variant=map")
        body = [self._sets(), f"set ikev2-profile {NAME}", *pfs(config)]
        yield from self._section(f"crypto ipsec profile {NAME}", *body)
        source = self.options.get("interface", config.local_address)
        yield from self._section(
            f"interface {TUNNEL}",
            self._address(),
            f"tunnel source {source}",
            f"tunnel mode ipsec {family}",
            f"tunnel destination {config.remote_address}",
            f"tunnel protection ipsec profile {NAME}",
        )

    def _address(self) -> str:
        """An interface without an address forwards nothing and stays down."""
        if given := self.options.get("tunnel_address"):
            return f"{'ipv6' if ':' in given else 'ip'} address {given}"
        if self.six:
            return "ipv6 enable"
        interface = self.options.get("interface")
        return f"ip unnumbered {interface}" if interface else f"ip address {LINK}"

    def _map(self) -> Iterator[str]:
        config = self.config
        if self.six:
            raise Unsupported("ikelab writes crypto maps for IPv4 only: ask for selectors of all")
        interface = self.options.get("interface")
        if not interface:
            raise Unsupported(
                "selectors other than everything need a crypto map: say interface=GigabitEthernet1"
            )
        permits = [f"permit {permitted(a, b)}" for a in config.local_ts for b in config.remote_ts]
        yield from self._section(f"ip access-list extended {NAME}", *permits)
        yield from self._section(
            f"crypto map {NAME} 10 ipsec-isakmp",
            f"set peer {config.remote_address}",
            self._sets(),
            *pfs(config),
            f"set ikev2-profile {NAME}",
            f"match address {NAME}",
        )
        self.undo[-1] = f"no crypto map {NAME}"
        yield f"interface {interface}"
        yield f" crypto map {NAME}"
        self.undo += [f" no crypto map {NAME}", f"interface {interface}"]


# -- shared with the ASA -------------------------------------------------------------------


def transform_sets(config: PeerConfig, release: Release) -> list[str]:
    """The words of each transform set: one cipher and one hash each, in order of preference."""
    found: list[str] = []
    for suite in config.esp:
        ciphers: tuple[Transform | None, ...] = suite.of(TransformType.ENCR) or (None,)
        hashes: tuple[Transform | None, ...] = suite.of(TransformType.INTEG) or (None,)
        found += [names.esp_words(suite, c, i) for c in ciphers for i in hashes]
    if len(set(found)) > 6:
        raise Unsupported(f"{release} takes six transform sets at most")
    return list(dict.fromkeys(found)) or [_DEFAULT_ESP]


def pfs(config: PeerConfig) -> list[str]:
    """`set pfs group14`: one group for all that is offered."""
    groups = {suite.of(TransformType.KE) for suite in config.esp} - {()}
    kems = {suite.of(TransformType.ADDKE1) for suite in config.esp}
    if not groups:
        return []
    if len(groups) > 1 or len(kems) > 1 or any(len(listed) > 1 for listed in (*groups, *kems)):
        raise Unsupported("a profile has one group for all of its transform sets")
    [[group]] = groups
    [listed] = kems
    extra = f" pqc {names.kem_word(listed[0])}" if listed else ""
    return [f"set pfs group{int(group.id)}{extra}"]


def signature(config: PeerConfig, release: Release) -> str:
    """`rsa-sig` or `ecdsa-sig`, after the key of the certificate.

    A certificate gets onto a router by hand, so somebody has to say that it is there: a case that
    wants one of its own would else be judged by another.
    """
    if "trustpoint" not in config.options:
        raise Unsupported(f"{release} takes certificates by hand: say trustpoint=NAME of one there")
    own = config.own
    if not isinstance(own, CertCredential):
        return "rsa-sig"
    if own.scheme or own.method == 14:
        raise Unsupported(f"{release}'s driver does not choose the schemes of RFC 7427")
    kind = key_kind(own.key)
    if kind != "rsa" and not kind.startswith("p"):
        raise Unsupported(f"{release} signs with RSA and ECDSA, not with {kind}")
    return "rsa-sig" if kind == "rsa" else "ecdsa-sig"


def secret(key: bytes, release: Release) -> str:
    """A shared key as it is typed."""
    text = key.decode("latin-1")
    if not key or not text.isascii() or not text.isprintable() or set(text) & set(' ?"'):
        raise Unsupported(f"{release} takes a key that can be typed: no blank, no ?, not empty")
    return text


def _identity(identity: Identity) -> str:
    """What stands behind `identity local`."""
    word = str(identity)
    kinds: dict[int, str] = {
        IdType.ID_IPV4_ADDR: "address", IdType.ID_IPV6_ADDR: "address", IdType.ID_FQDN: "fqdn",
        IdType.ID_RFC822_ADDR: "email",
    }  # fmt: skip
    kind = kinds.get(identity.type)
    if identity.type == IdType.ID_DER_ASN1_DN:
        return "dn"
    if identity.type == IdType.ID_KEY_ID and identity.data.isascii():
        kind, word = "key-id", identity.data.decode()
    if kind is None or not word.isprintable() or set(word) & set(" ?"):
        raise Unsupported(f"a router cannot be told the identity {identity}")
    return f"{kind} {word}"


def _matched(identity: Identity) -> str:
    """What stands behind `match identity remote`."""
    words = _identity(identity)
    if identity.type == IdType.ID_IPV4_ADDR:
        return f"{words} 255.255.255.255"
    if identity.type == IdType.ID_DER_ASN1_DN:
        raise Unsupported("ikelab writes no certificate map: give the peer another identity")
    return f"{words}/128" if identity.type == IdType.ID_IPV6_ADDR else words
