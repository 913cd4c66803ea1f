"""Applies edits at their four stages. What an edit says is in `edits`; what it does is here."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ikelab.harness.edits import Edit, PayloadSpec, Stage
from ikelab.harness.errors import ConfigError, nearest
from ikelab.harness.model import Datagram
from ikelab.harness.paths import MatchesNothing, Name, Place, Tree, parse, positions
from ikelab.harness.sk import Plain, Sealed
from ikelab.layers.config import ConfigurationAttribute
from ikelab.layers.iana import Notify, Payload
from ikelab.layers.message import PAYLOADS, IKEv2, recompute, unknown

Measure = Callable[[IKEv2], IKEv2]
"""Gives the message with every computed field filled in, as it would be sent."""


def on_message(
    message: IKEv2, edits: Iterable[Edit], measure: Measure, *, lenient: bool = False
) -> IKEv2:
    """Apply the message-stage edits to a packet tree; the tree is changed and returned.

    `lenient` leaves out an edit that matches nothing: a planted fault applies where it can.
    """
    for edit in edits:
        if edit.stage is Stage.MESSAGE:
            tree = Tree(message)
            with sense(edit):
                try:
                    _MESSAGE[edit.op](tree, edit, measure)
                except MatchesNothing:
                    if not lenient:
                        raise
                message = tree.message()
    return message


@contextmanager
def sense(*edits: Edit) -> Iterator[None]:
    """What edits ask for and no packet can hold is a ConfigError that names them."""
    try:
        yield
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, struct.error) as e:
        raise ConfigError(
            f"no message can be made with {'; '.join(map(str, edits))}: {e}"
        ) from None


def _set(tree: Tree, edit: Edit, _measure: Measure) -> None:
    path, value = edit.args
    tree.place(path).set(build_payload(value) if isinstance(value, PayloadSpec) else value)


def _change(operate: Callable[[Any, Any], Any]) -> Callable[[Tree, Edit, Measure], None]:
    def change(tree: Tree, edit: Edit, measure: Measure) -> None:
        path, operand = edit.args
        place = tree.place(path)
        value = place.get()
        if value is None:
            # The field is computed at build: take the number that would have been sent. Literal
            # lengths of other edits would only keep what is measured from being read.
            value = Tree(measure(recompute(tree.message().copy()))).place(path).get()
        try:
            changed = operate(value, operand)
        except TypeError:
            raise ConfigError(f"{edit}: the field holds {type(value).__name__}") from None
        if changed == value:
            raise MatchesNothing(f"the edit {edit} changes nothing: the field holds {value!r}")
        place.set(changed)

    return change


def _add(value: Any, operand: Any) -> Any:
    if isinstance(value, str):  # an address field of a traffic selector
        import ipaddress

        return str(ipaddress.ip_address(value) + operand)
    if isinstance(value, bytes):
        raise TypeError
    return int(value) + operand


def _xor(value: Any, operand: Any) -> Any:
    if isinstance(value, bytes):
        mask = operand if isinstance(operand, bytes) else bytes([operand])
        head = bytes(a ^ b for a, b in zip(value, mask, strict=False))
        return head + value[len(mask) :]
    return int(value) ^ operand


def _cut(value: bytes, length: int) -> bytes:
    return value[:length]


def _append(value: bytes, data: bytes) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError
    return value + data


def _elements(place: Place, edit: Edit) -> tuple[list[Any], int]:
    if not isinstance(place.key, int):
        raise ConfigError(f"{edit}: name a payload or a list element, not a field")
    return place.owner, place.key


def _drop(tree: Tree, edit: Edit, _measure: Measure) -> None:
    owner, key = _elements(tree.place(edit.args[0]), edit)
    del owner[key]


def _duplicate(tree: Tree, edit: Edit, _measure: Measure) -> None:
    owner, key = _elements(tree.place(edit.args[0]), edit)
    owner.insert(key + 1, deepcopy_payload(owner[key]))


def _swap(tree: Tree, edit: Edit, _measure: Measure) -> None:
    first, i = _elements(tree.place(edit.args[0]), edit)
    second, j = _elements(tree.place(edit.args[1]), edit)
    first[i], second[j] = second[j], first[i]


def _move(tree: Tree, edit: Edit, _measure: Measure) -> None:
    owner, key = _elements(tree.place(edit.args[0]), edit)
    payload = owner.pop(key)
    owner.insert(_anchor(owner, edit), payload)


def _insert(tree: Tree, edit: Edit, _measure: Measure) -> None:
    payload = edit.option("payload")
    if not isinstance(payload, PayloadSpec):
        raise ConfigError(f"{edit}: say payload=notify(...), unknown(...), vendor(...) or the like")
    payloads = tree.payloads(edit.args[0] if edit.args else "")
    payloads.insert(_anchor(payloads, edit), build_payload(payload))


def _anchor(payloads: list[Any], edit: Edit) -> int:
    """The index that `after=` or `before=` names; the end (but never behind SK) by default."""
    after, before = edit.option("after"), edit.option("before")
    if not after and not before:
        sealed = bool(payloads) and payloads[-1].kind == Payload.SK
        return len(payloads) - sealed
    parts = parse(after or before)
    name = parts[0]
    if not isinstance(name, Name):
        raise ConfigError(f"{edit}: not a payload's name")
    where = positions(payloads, name)
    nth = parts[1] if len(parts) > 1 and isinstance(parts[1], int) else None
    if not where or (nth is not None and nth >= len(where)):
        raise MatchesNothing(f"the edit {edit} matches nothing: no payload {after or before}")
    if after:
        return where[-1 if nth is None else nth] + 1
    return where[0 if nth is None else nth]


_MESSAGE: dict[str, Callable[[Tree, Edit, Measure], None]] = {
    "set": _set,
    "add": _change(_add),
    "xor": _change(_xor),
    "or": _change(lambda value, operand: int(value) | operand),
    "truncate": _change(_cut),
    "append": _change(_append),
    "drop": _drop,
    "duplicate": _duplicate,
    "swap": _swap,
    "move": _move,
    "insert": _insert,
}


def deepcopy_payload(payload: Any) -> Any:
    """A payload or element of its own, without what follows it in a chain."""
    if isinstance(payload, bytes):
        return payload
    copy = payload.copy()
    copy.remove_payload()
    return copy


# What a payload of each kind may be given by name beside `critical`.
_NAMED = {"unknown": {"data"}, "notify": {"data", "proto", "spi"}, "vendor": set(),
          "certreq": set(), "cp": set()}  # fmt: skip


def build_payload(spec: PayloadSpec) -> Any:
    """The packet that a PayloadSpec describes; ConfigError for an unknown kind."""
    options: dict[str, Any] = dict(spec.fields)
    flags = 0x80 if options.pop("critical", False) else 0
    for name in set(options) - _NAMED.get(spec.kind, set(options)):
        close = nearest(name, {*_NAMED[spec.kind], "critical"})
        raise ConfigError(f"{spec.kind} has no {name!r}: {spec}{close}")
    match spec.kind, spec.args:
        case "unknown", (int(kind),):
            return unknown(kind, options.get("data", b""), critical=bool(flags))
        case "notify", (kind,):
            return _notify(kind, options, flags)
        case "vendor", (bytes(data),):
            return PAYLOADS[Payload.V](vendorID=data, flags=flags)
        case "certreq", (int(encoding), bytes(data)):
            return PAYLOADS[Payload.CERTREQ](
                cert_encoding=encoding, cert_authority=data, flags=flags
            )
        case "cp", (int(kind), *attributes):
            found = [_attribute(a) for a in attributes]
            return PAYLOADS[Payload.CP](CFGType=kind, attributes=found, flags=flags)
    known = "unknown(kind, data=), notify(kind, data=), vendor(data), cp(type, ...), "
    raise ConfigError(f"not a payload: {spec}; there are {known}certreq(encoding, data)")


def _notify(kind: Any, options: dict[str, Any], flags: int) -> Any:
    if isinstance(kind, str):
        if kind not in Notify.__members__:
            raise ConfigError(f"unknown notify {kind!r}{nearest(kind, Notify.__members__)}")
        kind = Notify[kind]
    return PAYLOADS[Payload.N](
        type=kind,
        notify=options.get("data", b""),
        proto=options.get("proto", 0),
        SPI=options.get("spi", b""),
        flags=flags,
    )


def _attribute(value: Any) -> ConfigurationAttribute:
    if isinstance(value, tuple):
        return ConfigurationAttribute(type=value[0], value=value[1])
    return ConfigurationAttribute(type=value)


def on_plain(plain: Plain, edits: Iterable[Edit]) -> None:
    """Apply the plain-stage edits in place; a chain of another length is padded anew."""
    for edit in edits:
        if edit.stage is Stage.PLAIN:
            with sense(edit):
                _plain(plain, edit)


def _plain(plain: Plain, edit: Edit) -> None:
    match edit.op, edit.args:
        case "pad", (int(length),):
            plain.padding, plain.pad_length = bytes(length), length
        case "pad_length", (int(value),):
            plain.pad_length = value
        case "padding", (bytes(value),):
            plain.padding, plain.pad_length = value, len(value)
        case "flip", (int(offset), *bit):
            plain.chain = flipped(plain.chain, offset, bit, edit)
        case "truncate", (int(length),):
            plain.chain = shortened(plain.chain, length, edit)
            plain.pad()
        case "append", (bytes(value),):
            plain.chain += value
            plain.pad()
        case "replace", (bytes(value),):
            plain.chain = value
            plain.pad()
        case _:
            raise ConfigError(f"{edit}: wrong arguments")


def on_sealed(sealed: Sealed, edits: Iterable[Edit]) -> None:
    """Apply the sealed-stage edits in place; parts are clear, iv, ciphertext, icv."""
    for edit in edits:
        if edit.stage is not Stage.SEALED:
            continue
        part = edit.args[0] if edit.args else ""
        if part not in ("clear", "iv", "ciphertext", "icv"):
            raise ConfigError(f"{edit}: the parts are clear, iv, ciphertext, icv")
        with sense(edit):
            setattr(sealed, part, _part(getattr(sealed, part), edit))


def _part(value: bytes, edit: Edit) -> bytes:
    match edit.op, edit.args[1:]:
        case "flip", bit:
            return flipped(value, len(value) - 1, bit, edit)
        case "set", (bytes(new),):
            return new
        case "truncate", (int(length),):
            return shortened(value, length, edit)
        case "append", (bytes(more),):
            return value + more
        case "drop", ():
            return b""
    raise ConfigError(f"{edit}: wrong arguments")


def on_wire(datagrams: list[Datagram], edits: Iterable[Edit]) -> list[Datagram]:
    """Apply the wire-stage edits to the datagrams of one message; `now` is when each leaves."""
    for edit in edits:
        if edit.stage is Stage.WIRE:
            with sense(edit):
                datagrams = _wire(datagrams, edit)
    return datagrams


def _wire(datagrams: list[Datagram], edit: Edit) -> list[Datagram]:
    match edit.op, edit.args:
        case "drop", ():
            return []
        case "replay", ():
            return datagrams + datagrams
        case "reverse", ():
            return datagrams[::-1]
        case "duplicate", (int(count),):
            gap = _seconds(edit.option("gap", 0.0))
            return [replace(d, now=d.now + i * gap) for d in datagrams for i in range(count)]
    return [_datagram(d, edit) for d in datagrams]


def _datagram(datagram: Datagram, edit: Edit) -> Datagram:
    data = datagram.data
    match edit.op, edit.args:
        case "flip", (int(offset), *bit):
            return replace(datagram, data=flipped(data, offset, bit, edit))
        case "set", (int(offset), bytes(value)):
            if not 0 <= offset <= len(data):
                raise _nothing(edit, data)
            return replace(datagram, data=data[:offset] + value + data[offset + len(value) :])
        case "truncate", (int(length),):
            return replace(datagram, data=shortened(data, length, edit))
        case "append", (bytes(value),):
            return replace(datagram, data=data + value)
        case "delay", (seconds,):
            return replace(datagram, now=datagram.now + _seconds(seconds))
        case "from_port", (int(port),):
            return replace(datagram, src=(datagram.src[0], _port(port)))
        case "to_port", (int(port),):
            return replace(datagram, dst=(datagram.dst[0], _port(port)))
        case "marker", (bytes(value),):
            return replace(datagram, data=value + data.removeprefix(bytes(4)))
    raise ConfigError(f"{edit}: wrong arguments")


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"{value} are no seconds to wait")
    return seconds


def _port(value: int) -> int:
    if not 0 <= value <= 65535:
        raise ValueError(f"{value} is no port")
    return value


def _nothing(edit: Edit, data: bytes) -> MatchesNothing:
    return MatchesNothing(f"the edit {edit} matches nothing: there are {len(data)} octets")


def shortened(data: bytes, length: int, edit: Edit) -> bytes:
    """The first octets; a negative length cuts that many from the end."""
    if not -len(data) <= length < len(data):
        raise _nothing(edit, data)
    return data[:length]


def flipped(data: bytes, offset: int, bit: list[int] | tuple[int, ...], edit: Edit) -> bytes:
    """The octets with one bit inverted; bit 0 is the lowest."""
    if not -len(data) <= offset < len(data):
        raise _nothing(edit, data)
    changed = bytearray(data)
    changed[offset] ^= 1 << (bit[0] if bit else 0)  # ValueError where an octet has no such bit
    return bytes(changed)
