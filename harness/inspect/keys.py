"""Where keys come from: Wireshark's tables, a profile folder, a run folder, our own keys.jsonl.

Every row is checked when it is read; a wrong one is a ConfigError that names file and line.
"""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ikelab.harness.crypto import integ as macs
from ikelab.harness.crypto.cipher import key_material_length, why_not
from ikelab.harness.errors import ConfigError, UnsupportedAlgorithm
from ikelab.harness.inspect import sources
from ikelab.harness.model import Spis, Transform
from ikelab.harness.wireshark import (
    ESP_ENCR,
    ESP_INTEG,
    ESP_TABLE,
    ESP_UNCHECKED,
    IKE_ENCR,
    IKE_INTEG,
    IKE_TABLE,
    IKE_UNCHECKED,
    NO_INTEG,
    OWN_TABLE,
    EspRow,
    IkeRow,
)
from ikelab.layers.iana import Encr, TransformType

IKE_COLUMNS = "SPIi,SPIr,SK_ei,SK_er,encryption,SK_ai,SK_ar,integrity"
ESP_COLUMNS = "protocol,source,destination,SPI,encryption,key,authentication,key"
# HMAC takes a key of any length; these are what real suites have. Anything else is a slip.
_HMAC_KEYS = frozenset({16, 20, 32, 48, 64})
_CAST_AND_BLOWFISH = (Encr.ENCR_CAST, Encr.ENCR_BLOWFISH)


class _Wrong(ValueError):
    """What is wrong with a row; the caller knows file and line."""


@dataclass(slots=True)
class KeyRing:
    """All rows that were given, by what they open; `notes` are oddities worth telling.

    `loose` are secrets from logs, whose algorithms the capture has to tell; `shared` are values of
    g^ir and `privates` private keys of either end. `ppks` are preshared keys that are mixed in, by
    name (RFC 8784); they open nothing without g^ir. `psks` are shared keys: they open nothing, AUTH
    is verified with them.
    """

    ike: dict[Spis, list[IkeRow]] = field(default_factory=dict)
    esp: list[EspRow] = field(default_factory=list)
    loose: dict[Spis, dict[str, bytes]] = field(default_factory=dict, repr=False)
    shared: list[bytes] = field(default_factory=list, repr=False)
    privates: list[bytes] = field(default_factory=list, repr=False)
    ppks: dict[bytes, bytes] = field(default_factory=dict, repr=False)
    psks: list[bytes] = field(default_factory=list, repr=False)
    notes: list[str] = field(default_factory=list)
    _known: set[EspRow] = field(default_factory=set, repr=False)  # those of `esp`

    @property
    def empty(self) -> bool:
        """Whether there is nothing to open anything with."""
        return not (self.ike or self.esp or self.loose or self.shared or self.privates)

    def join(self, other: KeyRing) -> None:
        """Take in all that another ring holds."""
        for row in (row for rows in other.ike.values() for row in rows):
            self.add(row)
        for state in other.esp:
            self.add(state)
        self.loose |= other.loose
        self.shared += other.shared
        self.privates += other.privates
        self.ppks |= other.ppks
        self.psks += other.psks
        self.notes += other.notes

    def add(self, row: IkeRow | EspRow) -> None:
        """Take a row in, once."""
        if isinstance(row, IkeRow):
            rows = self.ike.setdefault(row.spis, [])
            for place, known in enumerate(rows):
                if _opening(known) == _opening(row):
                    # The same keys from two tables: what tells more (SK_d, SK_p) stays.
                    rows[place] = known if known.sk_d or not row.sk_d else row
                    return
            rows.append(row)
            return
        if len(self._known) != len(self.esp):
            self._known = set(self.esp)
        if row not in self._known:
            self._known.add(row)
            self.esp.append(row)


def _opening(row: IkeRow) -> tuple[object, ...]:
    """What a row opens messages with."""
    return (row.encr, row.integ, row.unchecked, row.sk_ei, row.sk_er, row.sk_ai, row.sk_ar)


def load(paths: Iterable[Path]) -> KeyRing:
    """Read every key source; ConfigError for one that is missing, holds no table, or is wrong."""
    ring = KeyRing()
    for path in paths:
        there = path.exists() and not path.is_dir()  # a pipe is as good as a file
        files = [path] if there else _tables(path)
        for file in files:
            text = _text(file)
            if (found := sources.read(text, str(file))) is not None:
                ring.loose |= found.loose
                ring.notes += found.notes
                for state in found.esp:
                    ring.add(state)
                continue
            rows = list(_read(file, text, ring.notes))
            for row in rows:
                ring.add(row)
            if there and not rows:
                ring.notes.append(f"{file} holds no key")
    return ring


def learn(ring: KeyRing, text: str, place: str) -> None:
    """Take in tables that came as text, from within a capture; a wrong row is a note."""
    for number, line in enumerate(text.splitlines(), 1):
        try:
            if line.strip() and not line.startswith("#"):
                note = partial(_note, ring.notes, f"{place}, line {number}")
                ring.add(replace(_parse(line, "", note), source=place))
        except (_Wrong, UnsupportedAlgorithm) as error:
            ring.notes.append(f"{place}, line {number}: {error}")


def _tables(folder: Path) -> list[Path]:
    """The key tables of a profile folder, or of all tests in a run folder."""
    if not folder.exists():
        raise ConfigError(f"no such file or folder of keys: {folder}")
    names = (OWN_TABLE, IKE_TABLE, ESP_TABLE)
    found = [folder / name for name in names if (folder / name).is_file()]
    if not found:
        found = [p for name in names for p in sorted(folder.rglob(name)) if p.is_file()]
    if not found:
        raise ConfigError(
            f"no keys in {folder}: give a file {IKE_TABLE} or {ESP_TABLE}, or a folder with one"
        )
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read keys {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is no key table: it is not text") from None


def _read(file: Path, text: str, notes: list[str]) -> Iterator[IkeRow | EspRow]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        place = f"{file}:{number}"
        try:
            row = _parse(line, file.name, partial(_note, notes, place))
        except (_Wrong, UnsupportedAlgorithm) as error:
            raise ConfigError(f"{place}: {error}") from None
        yield replace(row, source=place)


def _note(notes: list[str], place: str, text: str) -> None:
    notes.append(f"{place}: {text}")


def _parse(line: str, name: str, note: Callable[[str], None]) -> IkeRow | EspRow:
    """One line of any of the three tables, told apart by how it begins."""
    if line.lstrip().startswith("{"):
        return _own(line, note)
    try:
        columns = [c.strip() for c in next(csv.reader([line], strict=True, skipinitialspace=True))]
    except (csv.Error, StopIteration) as error:
        raise _Wrong(f"not comma-separated columns with closed quotes ({error})") from None
    is_esp = name == ESP_TABLE or columns[0] in ("IPv4", "IPv6")
    if len(columns) < 8 if is_esp else len(columns) != 8:
        wanted = ESP_COLUMNS if is_esp else IKE_COLUMNS
        raise _Wrong(f"{len(columns)} columns instead of 8 ({wanted})")
    return _esp(columns, note) if is_esp else _ike(columns, note)


def _ike(columns: list[str], note: Callable[[str], None]) -> IkeRow:
    spi_i, spi_r, ei, er, encr_name, ai, ar, integ_name = columns
    spis = Spis(_spi("SPIi", spi_i), _spi("SPIr", spi_r))
    row = IkeRow(
        spis,
        IKE_ENCR[_known(IKE_ENCR, encr_name, "encryption")],
        IKE_INTEG.get(integ_name),
        sk_ei=_hex("SK_ei", ei),
        sk_er=_hex("SK_er", er),
        sk_ai=_hex("SK_ai", ai),
        sk_ar=_hex("SK_ar", ar),
        unchecked=IKE_UNCHECKED.get(integ_name, 0),
    )
    _known({*IKE_INTEG, *IKE_UNCHECKED, NO_INTEG}, integ_name, "integrity")
    # Without a check there is nothing to do with SK_a, whatever the row has for it.
    return _checked(replace(row, sk_ai=b"", sk_ar=b"") if row.unchecked else row, note)


def checked(row: IkeRow, notes: list[str]) -> IkeRow | None:
    """A row made elsewhere, if its keys fit its algorithms; a note where they do not."""
    try:
        return _checked(row, partial(_note, notes, row.source))
    except (_Wrong, UnsupportedAlgorithm) as error:
        notes.append(f"{row.source}, {row.spis}: {error}")
        return None


def _checked(row: IkeRow, note: Callable[[str], None]) -> IkeRow:
    """The row with lengths that fit its algorithms; _Wrong where they cannot."""
    aead = Encr(row.encr.id).aead
    if aead and row.integ:
        raise _Wrong(f"{row.encr.name} has its own integrity: write {NO_INTEG} and no SK_a")
    if not aead and not row.integ and not row.unchecked:
        raise _Wrong(f"{row.encr.name} needs an integrity algorithm: nothing could be checked")
    octets = len(row.sk_ei)
    if octets != len(row.sk_er):
        raise _Wrong(f"SK_ei has {octets} octets and SK_er {len(row.sk_er)}")
    fitting = _fitting(row.encr, octets)
    if fitting is None:
        wanted = key_material_length(row.encr.id, row.encr.key_bits)
        raise _Wrong(f"SK_ei and SK_er have {octets} octets; {row.encr} takes {wanted}")
    if fitting != row.encr:
        note(f"SK_e has {octets} octets: taken as {fitting}, not as the row's {row.encr}")
        row = replace(row, encr=fitting)
    for label, key in (("SK_ai", row.sk_ai), ("SK_ar", row.sk_ar)):
        wanted = macs.key_length(row.integ.id) if row.integ else 0
        if len(key) == wanted:
            continue
        if not row.integ or len(key) not in _HMAC_KEYS or "HMAC" not in row.integ.name:
            name = row.integ or "a cipher with its own integrity"
            raise _Wrong(f"{label} has {len(key)} octets; {name} takes {wanted}")
        note(f"{label} has {len(key)} octets, although {row.integ.name} takes {wanted}")
    return row


def _fitting(encr: Transform, octets: int) -> Transform | None:
    """The transform, or the same cipher with another key size, that takes so many octets."""
    for candidate in (encr, *(replace(encr, key_bits=b) for b in Encr(encr.id).key_bits)):
        try:
            if key_material_length(candidate.id, candidate.key_bits) == octets:
                return candidate
        except UnsupportedAlgorithm:
            continue
    return None


def _esp(columns: list[str], note: Callable[[str], None]) -> EspRow:
    _, src, dst, spi, encr_name, key_text, integ_name, auth_text = columns[:8]
    number = ESP_ENCR[_known(ESP_ENCR, encr_name, "encryption")]
    key, auth = _key("encryption key", key_text), _key("authentication key", auth_text)
    _known({*ESP_INTEG, *ESP_UNCHECKED}, integ_name, "authentication")
    encr = _sized_by_key(number, len(key))
    digits = spi.removeprefix("0x").removeprefix("0X").lower()
    if "*" not in digits:
        if not digits or any(c not in "0123456789abcdef" for c in digits) or len(digits) > 8:
            raise _Wrong(f"the SPI {spi!r} is not 0x and up to 8 hexadecimal digits")
        digits = digits.zfill(8)
    unchecked = ESP_UNCHECKED.get(integ_name, 0)
    return EspRow(src, dst, digits, encr, ESP_INTEG.get(integ_name), key, auth, unchecked)


def _sized_by_key(number: Encr, octets: int) -> Transform:
    """The ESP table names no key size: the key's length tells."""
    bits = (octets - number.salt) * 8
    if bits not in number.key_bits:
        sizes = ", ".join(str(b // 8 + number.salt) for b in number.key_bits[:8])
        raise _Wrong(f"the encryption key has {octets} octets; {number.iana} takes {sizes}")
    named = number.key_attribute or number in _CAST_AND_BLOWFISH
    return Transform(TransformType.ENCR, number, bits if named else None)


def _own(line: str, note: Callable[[str], None]) -> IkeRow | EspRow:
    """A line of keys.jsonl."""
    try:
        value: Any = json.loads(line)
        encr = Transform(TransformType.ENCR, int(value["encr"]), value["key_bits"])
        number = value["integ"]
        integ = None if number is None else Transform(TransformType.INTEG, int(number))
        if reason := why_not(encr.id, encr.key_bits):
            raise _Wrong(reason)
        if value["sa"] == "esp":
            key, auth = _hex("key", value["key"]), _hex("auth", value["auth"])
            return EspRow(value["src"], value["dst"], value["spi"], encr, integ, key, auth)
        spis = Spis(_spi("spi_i", value["spi_i"]), _spi("spi_r", value["spi_r"]))
        row = IkeRow(
            spis,
            encr,
            integ,
            sk_ei=_hex("sk_ei", value["sk_ei"]),
            sk_er=_hex("sk_er", value["sk_er"]),
            sk_ai=_hex("sk_ai", value["sk_ai"]),
            sk_ar=_hex("sk_ar", value["sk_ar"]),
            prf=value["prf"],
            sk_d=_hex("sk_d", value["sk_d"]),
            # Folders of older runs have no SK_p.
            sk_pi=_hex("sk_pi", value.get("sk_pi", "")),
            sk_pr=_hex("sk_pr", value.get("sk_pr", "")),
        )
        return _checked(row, note)
    except _Wrong:
        raise
    except KeyError as error:
        raise _Wrong(f"the field {error} is missing") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise _Wrong(f"not a row of {OWN_TABLE} ({error})") from None


def _known(names: Collection[str], text: str, what: str) -> str:
    if text not in names:
        lower = {n.lower(): n for n in names}
        close = difflib.get_close_matches(text.lower(), lower, cutoff=0.4)
        hint = " or ".join(repr(lower[c]) for c in close)
        raise _Wrong(f"unknown {what} algorithm {text!r}" + (f"; is it {hint}?" if hint else ""))
    return text


def _spi(label: str, text: str) -> bytes:
    value = _hex(label, text)
    if len(value) != 8:
        raise _Wrong(f"{label} has {len(value)} octets instead of 8")
    return value


def _hex(label: str, text: str) -> bytes:
    digits = text.removeprefix("0x").removeprefix("0X")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        if len(digits) % 2 and all(c in "0123456789abcdefABCDEF" for c in digits):
            raise _Wrong(
                f"{label} has an odd number of hexadecimal digits: {len(digits)}"
            ) from None
        raise _Wrong(f"{label} is not hexadecimal: {text[:40]!r}") from None


def octets(label: str, text: str) -> bytes:
    """Octets that were given in hexadecimal; ConfigError where they are not."""
    try:
        found = _hex(label, "".join(text.split()).replace(":", ""))
    except _Wrong as error:
        raise ConfigError(str(error)) from None
    if not found:
        raise ConfigError(f"{label} is empty")
    return found


def _key(label: str, text: str) -> bytes:
    """A key of the ESP table: 0x and hexadecimal, or the octets themselves as text."""
    return _hex(label, text) if text[:2] in ("0x", "0X") else text.encode()
