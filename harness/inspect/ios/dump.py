"""The payload dumps of the debug log, `SA  Next payload: KE, reserved: 0x0, length: 56` and so on.

Labels are skipped and values are read, so that a translated dump reads as the English one. Values
that the router does not print (public values, nonces, hashes) stay unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ikelab.harness.errors import ConfigError
from ikelab.harness.inspect.ios import words
from ikelab.harness.model import TS
from ikelab.layers.iana import CertEncoding, CfgType, Payload, Protocol, TransformType


@dataclass(slots=True)
class Transform:
    """One transform as printed: its type, and its id (None for a name that nobody knows).

    The router prints no key length here; `key_bits` comes from a policy line or a configuration.
    """

    type: int
    id: int | None
    name: str
    length: int | None = None
    key_bits: int | None = None


@dataclass(slots=True)
class Proposal:
    """A proposal as printed."""

    number: int
    protocol: int
    spi_size: int
    count: int
    transforms: list[Transform] = field(default_factory=list)


@dataclass(slots=True)
class PayloadLine:
    """One payload of a dump; `length` is None in the short style, which prints names only."""

    kind: int
    length: int | None = None
    notify: int | None = None
    notify_text: str = ""
    protocol: int = 0
    spi_size: int = 0
    vendor: str | None = None
    group: int | None = None
    id_type: int | None = None
    identity: str | None = None
    method: int | None = None
    cfg: int | None = None
    encoding: int | None = None
    attributes: list[tuple[int, int]] = field(default_factory=list)  # (type, length)
    selectors: list[TS] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The router's name of it."""
        return words.payload_name(self.kind, self.notify)

    @property
    def richness(self) -> int:
        """How much the router told of it: of two sightings the fuller one counts."""
        known = (self.length, self.notify, self.vendor, self.group, self.id_type, self.method,
                 self.cfg, self.encoding)  # fmt: skip
        parts = len(self.attributes) + len(self.selectors) + len(self.proposals)
        return sum(value is not None for value in known) + parts


_L = r"[^:,()\d]{2,24}:\s*"  # a label in whatever language, with its colon
_NAMES = "|".join(sorted((n for n in words.PAYLOADS if n != "NONE"), key=len, reverse=True))
_UNTRANSLATED = r"[^:,()\dA-Za-z]{2,20}:\s*"
_ROW = re.compile(
    rf"(?<![\w(\-])(?:(?P<name>NOTIFY\((?:\w+|Unknown - \d+)\)|{_NAMES}|Unknown - \d+)\.?\s*{_L}"
    rf"|(?P<foreign>[^\x00-\x7f]\S*)\s+{_UNTRANSLATED})"
    rf"(?P<next>[^\W\d][^:,]*?)\s*,\s*{_L}0x[0-9a-fA-F]+,\s*{_L}(?P<length>\d+)\b"
)
_PROPOSAL = re.compile(rf"{_L}(\d+),\s*{_L}(IKE|ESP|AH),\s*{_L}(\d+),\s*#?{_L}(\d+)", re.IGNORECASE)
_TRANSFORM_ID = (
    r"(?P<id>DH_GROUP_\w+/Group \d+|Don't use ESN|Use ESN|ESN(?:\s[^\x00-\x7f]\S*)*|Unknown - \d+"
    r"|ML-?KEM-?\d+|[\w\-]+)"
)
_TRANSFORM = re.compile(
    rf"0x[03],\s*{_L}0x0:?\s*{_L}(?P<length>\d+)\s+{_L}(?P<type>\d+),\s*{_L}0x0,\s*[^:,]{{2,12}}:\s*{_TRANSFORM_ID}"
)
_GROUP = re.compile(r"\bDH(?:\s+[^:,\d]{2,12})?:\s*(\d+)")
_ID = re.compile(r"\bID\b[^:,]{0,12}:\s*([^,:]+?),\s*[^:,]{2,12}:\s*0x0\s+0x0", re.IGNORECASE)
_METHOD = re.compile(
    r"\b(PSK|RSA|DSS|ECDSA[\w\-]*|NULL|DIGITAL-SIGNATURE|EAP|Unknown - \d+)"
    r"\s*,\s*[^:,]{2,12}:\s*0x0,\s*\S+\s+0x0",
    re.IGNORECASE,
)
_CFG = re.compile(r"\b(CFG_(?:REQUEST|REPLY|SET|ACK))\b")
ATTRIBUTE = re.compile(
    r"(?:attrib(?:ute)? type|속성 유형|특성 유형):\s*([^:,]+?),\s*[^:,]{2,10}:\s*(\d+)\b",
    re.IGNORECASE,
)
_SELECTOR = re.compile(
    rf"(TS_IPV[46]_ADDR_RANGE),\s*{_L}(\d+),\s*{_L}(\d+)\s+{_L}(\d+),\s*{_L}(\d+)\s+"
    r"[^:,]{2,20}:\s+([0-9a-fA-F:.]+),\s*[^:,]{2,20}:\s+([0-9a-fA-F:.]+)"
)
_NOTIFY = re.compile(
    rf"{_L}(IKE|ESP|AH|Unknown - \d+),\s*[^:,\d]{{2,20}}:\s*(\d+),\s*[^:,]{{2,12}}:"
    r"\s*([A-Z][A-Z0-9_]{4,}|Unknown - \d+)"
)
_DELETE = re.compile(
    rf"{_L}(IKE|ESP|AH),\s*spi[^:,]{{2,12}}:\s*(\d+),\s*[^:,]{{2,14}}:\s*(\d+)", re.IGNORECASE
)
_HASH_AND_URL = re.compile(
    r"(?:Hash and URL of PKIX|PKIX의 인증서 인코딩 해시 및 URL)", re.IGNORECASE
)
_X509 = re.compile(r"X\.?509 Certificate ?- ?signature", re.IGNORECASE)

_BARE = re.compile(rf"\s*(?:NOTIFY\((\w+|Unknown - \d+)\)|({_NAMES}|Unknown - \d+)\.?)(?=\s|$)")


def read_rows(text: str, before: Iterable[PayloadLine] = ()) -> list[PayloadLine]:
    """The payloads of a dump; details at its beginning go to the last payload of `before`."""
    found: list[PayloadLine] = list(before)
    known = len(found)
    upcoming: str | None = None
    at = 0
    while (hit := _earliest(text, at)) is not None:
        match, take = hit
        if take is None:
            kind = match["name"] or upcoming or ""
            found.append(_row(kind, int(match["length"])))
            upcoming = match["next"].strip().rstrip(".")
        elif found:
            take(found[-1], match)
        at = match.end()
    return found[known:]


Take = Callable[[PayloadLine, "re.Match[str]"], None]


def _earliest(text: str, at: int) -> tuple[re.Match[str], Take | None] | None:
    best: tuple[re.Match[str], Take | None] | None = None
    for pattern, take in _PATTERNS:
        match = pattern.search(text, at)
        if match and (best is None or match.start() < best[0].start()):
            best = match, take
    return best


def _row(name: str, length: int | None) -> PayloadLine:
    if name.startswith("NOTIFY("):
        text = name[7:-1]
        return PayloadLine(Payload.N, length, words.notify_number(text), text)
    return PayloadLine(words.payload_number(name), length)


def read_names(text: str) -> list[PayloadLine]:
    """The payloads of the short style: ` SA KE N VID NOTIFY(NAT_DETECTION_SOURCE_IP)`."""
    found: list[PayloadLine] = []
    at = 0
    while match := _BARE.match(text, at):
        found.append(_row(f"NOTIFY({match[1]})" if match[1] else match[2], None))
        at = match.end()
    return found


def protocol(word: str) -> int:
    """IKE, ESP or AH by name; 0 for what the router calls unknown."""
    found = Protocol.__members__.get(word.upper())
    return int(found) if found else 0


def _proposal(line: PayloadLine, match: re.Match[str]) -> None:
    numbers = int(match[1]), protocol(match[2]), int(match[3]), int(match[4])
    line.proposals.append(Proposal(*numbers))


def _transform(line: PayloadLine, match: re.Match[str]) -> None:
    if not line.proposals:
        line.proposals.append(Proposal(1, Protocol.IKE, 0, 0))
    kind, name = int(match["type"]), match["id"]
    number = words.transform_number(kind, name)
    line.proposals[-1].transforms.append(Transform(kind, number, name, int(match["length"])))


def _group(line: PayloadLine, match: re.Match[str]) -> None:
    line.group = int(match[1])


def _id(line: PayloadLine, match: re.Match[str]) -> None:
    line.id_type = words.id_number(match[1].strip())


def _method(line: PayloadLine, match: re.Match[str]) -> None:
    number = words.METHODS.get(match[1].upper())
    line.method = int(number) if number is not None else int(match[1].rpartition(" ")[2] or 0)


def _cfg(line: PayloadLine, match: re.Match[str]) -> None:
    line.cfg = int(CfgType[match[1]])


def _attribute(line: PayloadLine, match: re.Match[str]) -> None:
    line.attributes.append((words.attribute_number(match[1].strip()), int(match[2])))


def _selector(line: PayloadLine, match: re.Match[str]) -> None:
    kind, proto, _, first, last, start, end = match.groups()
    try:
        line.selectors.append(TS.parse(f"{start}-{end}[{proto}/{first}-{last}]"))
    except ConfigError:
        line.selectors.append(TS.parse("0.0.0.0-0.0.0.0" if "V4" in kind else "::-::"))


def _notify(line: PayloadLine, match: re.Match[str]) -> None:
    line.protocol, line.spi_size = protocol(match[1]), int(match[2])
    if line.kind == Payload.N and line.notify is None:
        line.notify, line.notify_text = words.notify_number(match[3]), match[3]


def _delete(line: PayloadLine, match: re.Match[str]) -> None:
    line.protocol, line.spi_size = protocol(match[1]), int(match[2])


def _hash_and_url(line: PayloadLine, _: re.Match[str]) -> None:
    line.encoding = int(CertEncoding.HASH_AND_URL_OF_X_509_CERTIFICATE)


def _x509(line: PayloadLine, _: re.Match[str]) -> None:
    line.encoding = int(CertEncoding.X_509_CERTIFICATE_SIGNATURE)


_PATTERNS: tuple[tuple[re.Pattern[str], Take | None], ...] = (
    (_ROW, None), (_PROPOSAL, _proposal), (_TRANSFORM, _transform), (_GROUP, _group), (_ID, _id),
    (_METHOD, _method), (_CFG, _cfg), (ATTRIBUTE, _attribute), (_SELECTOR, _selector),
    (_NOTIFY, _notify), (_DELETE, _delete), (_HASH_AND_URL, _hash_and_url), (_X509, _x509),
)  # fmt: skip


_LINE_GROUP = re.compile(r"(DH_GROUP_\w+)/Group (\d+)")
_UNNAMED = re.compile(r"Unknown - (\d+)-(128|192|256)\b")  # a cipher that routers do not know
_SIZED = re.compile(r"(AES-(?:CBC|GCM))-(128|192|256)$")


def policy(text: str) -> list[Transform]:
    """The transforms of `Proposal 1: 3DES AES-CBC-128 SHA1 SHA96 DH_GROUP_1024_MODP/Group 2`.

    SHA256 and its like are both a PRF and an integrity algorithm: the first run of hashes is the
    PRFs', a name that comes again begins the second.
    """
    text = _LINE_GROUP.sub(r"\1/Group_\2", re.sub(r"(Don't )?[Uu]se ESN", _joined, text))
    found = [
        Transform(TransformType.ENCR, int(m[1]), m[0], None, int(m[2]))
        for m in _UNNAMED.finditer(text)
    ]
    hashes: list[str] = []
    for word in _UNNAMED.sub(" ", text).split():
        sized = _SIZED.fullmatch(word)
        name = sized[1] if sized else word.replace("Group_", "Group ")
        name = name.replace("_", " ") if "ESN" in name else name
        if words.transform_number(TransformType.ENCR, name) is not None:
            bits = int(sized[2]) if sized else None
            found.append(
                Transform(
                    TransformType.ENCR,
                    words.transform_number(TransformType.ENCR, name),
                    name,
                    None,
                    bits,
                )
            )
        elif "ESN" in name:
            found.append(
                Transform(TransformType.SN, words.transform_number(TransformType.SN, name), name)
            )
        elif "Group " in name:
            found.append(
                Transform(TransformType.KE, words.transform_number(TransformType.KE, name), name)
            )
        elif any(
            words.transform_number(k, name) is not None
            for k in (TransformType.PRF, TransformType.INTEG)
        ):
            hashes.append(name)
    return sorted([*found, *_hashes(hashes)], key=lambda t: t.type)


def _joined(match: re.Match[str]) -> str:
    return match[0].replace(" ", "_")


def _hashes(names: list[str]) -> list[Transform]:
    prf = words.transform_number
    cut = len(names)
    for index, name in enumerate(names):
        if name in ("SHA96", "MD596", "None") or name in names[:index]:
            cut = index
            break
    # An AEAD suite has PRFs only; ESP has integrity only, and says so by SHA96 or by its place.
    kinds = [(TransformType.PRF, names[:cut]), (TransformType.INTEG, names[cut:])]
    return [Transform(kind, prf(kind, n), n) for kind, group in kinds for n in group]
