"""Applies edits at their four stages. What an edit says is in `edits`; what it does is here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ikelab.harness.edits import Edit, PayloadSpec, Stage
from ikelab.harness.errors import ConfigError, nearest
from ikelab.harness.model import Datagram
from ikelab.harness.paths import MatchesNothing, Name, Place, Tree, parse, positions
from ikelab.harness.sk import Plain, Sealed
from ikelab.layers.config import ConfigurationAttribute
from ikelab.layers.iana import Notify, Payload
from ikelab.layers.message import PAYLOADS, IKEv2, unknown

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
            try:
                _MESSAGE[edit.op](tree, edit, measure)
            except MatchesNothing:
                if not lenient:
                    raise
            message = tree.message()
    return message


def _set(tree: Tree, edit: Edit, _measure: Measure) -> None:
    path, value = edit.args
    tree.place(path).set(build_payload(value) if isinstance(value, PayloadSpec) else value)


def _change(operate: Callable[[Any, Any], Any]) -> Callable[[Tree, Edit, Measure], None]:
    def change(tree: Tree, edit: Edit, measure: Measure) -> None:
        path, operand = edit.args
        place = tree.place(path)
        value = place.get()
        if value is None:
            # The field is computed at build: take the number that would have been sent.
            value = Tree(measure(tree.message())).place(path).get()
        try:
            place.set(operate(value, operand))
        except TypeError:
            raise ConfigError(f"{edit}: the field holds {type(value).__name__}") from None

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
    copy = payload.copy()
    copy.remove_payload()
    return copy


def build_payload(spec: PayloadSpec) -> Any:
    """The packet that a PayloadSpec describes; ConfigError for an unknown kind."""
    options: dict[str, Any] = dict(spec.fields)
    critical = 0x80 if options.pop("critical", False) else 0
    match spec.kind, spec.args:
        case "unknown", (int(kind),):
            return unknown(kind, options.get("data", b""), critical=bool(critical))
        case "notify", (kind,):
            return _notify(kind, options, critical)
        case "vendor", (bytes(data),):
            return PAYLOADS[Payload.V](vendorID=data, flags=critical)
        case "certreq", (int(encoding), bytes(data)):
            return PAYLOADS[Payload.CERTREQ](
                cert_encoding=encoding, cert_authority=data, flags=critical
            )
        case "cp", (int(kind), *attributes):
            return PAYLOADS[Payload.CP](
                CFGType=kind, attributes=[_attribute(a) for a in attributes]
            )
        case _:
            known = ["unknown(kind, data=)", "notify(kind, data=)", "vendor(data)", "cp(type, ...)",
                     "certreq(encoding, data)"]  # fmt: skip
            raise ConfigError(f"not a payload: {spec}; there are {', '.join(known)}")


def _notify(kind: Any, options: dict[str, Any], critical: int) -> Any:
    if isinstance(kind, str):
        if kind not in Notify.__members__:
            raise ConfigError(f"unknown notify {kind!r}{nearest(kind, Notify.__members__)}")
        kind = Notify[kind]
    return PAYLOADS[Payload.N](
        type=kind,
        notify=options.get("data", b""),
        proto=options.get("proto", 0),
        SPI=options.get("spi", b""),
        flags=critical,
    )


def _attribute(value: Any) -> ConfigurationAttribute:
    if isinstance(value, tuple):
        return ConfigurationAttribute(type=value[0], value=value[1])
    return ConfigurationAttribute(type=value)


def on_plain(plain: Plain, edits: Iterable[Edit]) -> None:
    """Apply the plain-stage edits in place."""
    for edit in edits:
        if edit.stage is not Stage.PLAIN:
            continue
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
                plain.chain = plain.chain[:length]
            case "append", (bytes(value),):
                plain.chain += value
            case "replace", (bytes(value),):
                plain.chain = value
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
        value: bytes = getattr(sealed, part)
        match edit.op, edit.args[1:]:
            case "flip", bit:
                value = flipped(value, len(value) - 1, bit, edit)
            case "set", (bytes(new),):
                value = new
            case "truncate", (int(length),):
                value = value[:length]
            case "append", (bytes(more),):
                value += more
            case "drop", ():
                value = b""
            case _:
                raise ConfigError(f"{edit}: wrong arguments")
        setattr(sealed, part, value)


def on_wire(datagrams: list[Datagram], edits: Iterable[Edit]) -> list[Datagram]:
    """Apply the wire-stage edits to the datagrams of one message; `now` is when each leaves."""
    for edit in edits:
        if edit.stage is not Stage.WIRE:
            continue
        match edit.op, edit.args:
            case "drop", ():
                datagrams = []
            case "replay", ():
                datagrams = datagrams + datagrams
            case "reverse", ():
                datagrams = datagrams[::-1]
            case "duplicate", (int(count),):
                gap = float(edit.option("gap", 0.0))
                datagrams = [
                    replace(d, now=d.now + i * gap) for d in datagrams for i in range(count)
                ]
            case _:
                datagrams = [_datagram(d, edit) for d in datagrams]
    return datagrams


def _datagram(datagram: Datagram, edit: Edit) -> Datagram:
    data = datagram.data
    match edit.op, edit.args:
        case "flip", (int(offset), *bit):
            return replace(datagram, data=flipped(data, offset, bit, edit))
        case "set", (int(offset), bytes(value)):
            if not 0 <= offset <= len(data):
                raise MatchesNothing(
                    f"the edit {edit} matches nothing: {len(data)} octets are sent"
                )
            return replace(datagram, data=data[:offset] + value + data[offset + len(value) :])
        case "truncate", (int(length),):
            return replace(datagram, data=data[:length])
        case "append", (bytes(value),):
            return replace(datagram, data=data + value)
        case "delay", (seconds,):
            return replace(datagram, now=datagram.now + float(seconds))
        case "from_port", (int(port),):
            return replace(datagram, src=(datagram.src[0], port))
        case "to_port", (int(port),):
            return replace(datagram, dst=(datagram.dst[0], port))
        case "marker", (bytes(value),):
            return replace(datagram, data=value + data.removeprefix(bytes(4)))
        case _:
            raise ConfigError(f"{edit}: wrong arguments")


def flipped(data: bytes, offset: int, bit: list[int] | tuple[int, ...], edit: Edit) -> bytes:
    """The octets with one bit inverted; bit 0 is the lowest."""
    if not -len(data) <= offset < len(data):
        raise MatchesNothing(f"the edit {edit} matches nothing: there are {len(data)} octets")
    changed = bytearray(data)
    changed[offset] ^= 1 << (bit[0] if bit else 0)
    return bytes(changed)
