"""The operators: each draws one edit for a target; importing this registers them."""

from __future__ import annotations

from ikelab.harness.edits import Edit, Stage, insert, notify, unknown, vendor
from ikelab.harness.fuzz import values
from ikelab.harness.fuzz.maker import OPERATORS, Maker, Nothing, operator

__all__ = ["OPERATORS", "Maker"]


def _set(path: str, value: object) -> Edit:
    return Edit(Stage.MESSAGE, "set", (path, value))


# -- numbers ---------------------------------------------------------------------------------


@operator("boundary")
def boundary(make: Maker) -> Edit:
    """A number at the edge of what the field, or a smaller one, holds."""
    place = make.place("number")
    return _set(place.path, make.draw.choice(values.boundaries(place.size)))


@operator("step")
def step(make: Maker) -> Edit:
    """A little more or less than honest."""
    place = make.place("number")
    delta = make.draw.choice((-8, -4, -2, -1, 1, 2, 4, 8, 255))
    return _set(place.path, (place.value + delta) % 256**place.size)


@operator("walk")
def walk(make: Maker) -> Edit:
    """The next number that this field has not had: all of them, one after the other."""
    place = make.place("number")
    number = make.walks[place.path] = make.walks.get(place.path, -1) + 1
    return _set(place.path, number % 256**place.size)


@operator("length-lie")
def length_lie(make: Maker) -> Edit:
    """A length, count or next-payload field that is not true."""
    place = make.place("computed")
    top = 256**place.size
    lies = (0, 1, 3, 4, 5, place.value - 1, place.value + 1, place.value * 2, top - 1, top // 2)
    return _set(place.path, make.draw.choice(lies) % top)


@operator("registry")
def registry(make: Maker) -> Edit:
    """Another type or algorithm: one that is assigned, or one next to those."""
    place = make.place("number")
    return _set(place.path, values.number(place, make.draw))


@operator("bit")
def bit(make: Maker) -> Edit:
    """One bit of a number."""
    place = make.place("number")
    return _set(place.path, place.value ^ (1 << make.draw.randrange(place.size * 8)))


@operator("address")
def address(make: Maker) -> Edit:
    """Another address in a traffic selector."""
    return _set(make.place("address").path, make.draw.choice(values.ADDRESSES))


# -- octets ----------------------------------------------------------------------------------


@operator("dictionary")
def dictionary(make: Maker) -> Edit:
    """Octets that trouble programs."""
    return _set(make.place("octets").path, make.draw.choice(values.OCTETS))


@operator("havoc")
def havoc(make: Maker) -> Edit:
    """Random changes of honest octets."""
    place = make.place("octets")
    return _set(place.path, values.havoc(place.value, make.draw))


@operator("fill")
def fill(make: Maker) -> Edit:
    """Octets of the right number and no content."""
    place = make.place("octets")
    return _set(place.path, make.draw.choice((b"\0", b"\xff", b"\x80")) * len(place.value))


@operator("cut")
def cut(make: Maker) -> Edit:
    """Too few octets."""
    place = make.place("octets")
    if not place.value:
        raise Nothing
    length = make.draw.choice((0, 1, 3, len(place.value) // 2, len(place.value) - 1))
    return _set(place.path, place.value[: min(length, len(place.value) - 1)])


@operator("extend")
def extend(make: Maker) -> Edit:
    """Too many octets."""
    more = make.draw.choice((b"\0", b"\xff\xff", b"A" * 16, b"A" * 255, b"A" * 1500))
    return Edit(Stage.MESSAGE, "append", (make.place("octets").path, more))


# -- structure -------------------------------------------------------------------------------


@operator("drop")
def drop(make: Maker) -> Edit:
    """A payload or element less."""
    return Edit(Stage.MESSAGE, "drop", (make.element(),))


@operator("duplicate")
def duplicate(make: Maker) -> Edit:
    """One twice."""
    return Edit(Stage.MESSAGE, "duplicate", (make.element(),))


@operator("reorder")
def reorder(make: Maker) -> Edit:
    """Two in each other's place."""
    return Edit(Stage.MESSAGE, "swap", (make.element(), make.element()))


@operator("insert-unknown")
def insert_unknown(make: Maker) -> Edit:
    """A payload of any type with odd content, critical or not."""
    critical = make.draw.random() < 0.3
    data = make.draw.choice(values.OCTETS)
    return insert(
        make.chain(), payload=unknown(values.any_kind(make.draw), data, critical=critical)
    )


@operator("insert-notify")
def insert_notify(make: Maker) -> Edit:
    """A notify of any type, with data of about the right size."""
    kind = values.any_notify(make.draw)
    return insert(make.chain(), payload=notify(kind, values.notify_data(kind, make.draw)))


@operator("insert-vendor")
def insert_vendor(make: Maker) -> Edit:
    """A vendor ID that somebody really sends."""
    data = make.draw.choice(values.vendor_ids())
    return insert(make.chain(), payload=vendor(data + make.draw.choice((b"", b"\0", b"\x05\x02"))))


@operator("grammar")
def grammar(make: Maker) -> Edit:
    """A payload made from the description of its fields."""
    kind, body = values.grammar(make.draw)
    return insert(make.chain(), payload=unknown(kind, body))


@operator("splice")
def splice(make: Maker) -> Edit:
    """A payload of another message, ours or out of a capture, at times damaged."""
    kind, body = make.pool.any(make.draw)
    if make.draw.random() < 0.5:
        body = values.havoc(body, make.draw)
    return insert(make.chain(), payload=unknown(kind, body))


@operator("nest")
def nest(make: Maker) -> Edit:
    """A whole payload as the content of another one, or of itself."""
    kind, body = make.pool.any(make.draw)
    inner = bytes([0, 0]) + (len(body) + 4).to_bytes(2, "big") + body
    around = kind if make.draw.random() < 0.5 else values.any_kind(make.draw)
    return insert(make.chain(), payload=unknown(around, inner * make.draw.choice((1, 1, 2, 8))))


@operator("many")
def many(make: Maker) -> Edit:
    """A great many small payloads in the place of one."""
    count = make.draw.choice((16, 64, 250))
    kind = values.any_kind(make.draw)
    chain = b"".join(bytes([kind if n + 1 < count else 0, 0, 0, 4]) for n in range(count))
    return insert(make.chain(), payload=unknown(kind, chain))


# -- octets of the whole message ---------------------------------------------------------------


@operator("plain-padding", "sealed")
def plain_padding(make: Maker) -> Edit:
    """Padding of another length, or a pad length that lies."""
    if make.draw.random() < 0.5:
        return Edit(Stage.PLAIN, "pad", (make.draw.choice((0, 1, 15, 16, 100, 255)),))
    return Edit(Stage.PLAIN, "pad_length", (make.draw.choice((0, 1, 15, 16, 64, 255)),))


@operator("plain-havoc", "sealed")
def plain_havoc(make: Maker) -> Edit:
    """Random changes of the chain inside SK."""
    return Edit(Stage.PLAIN, "replace", (values.havoc(make.target.chain, make.draw),))


@operator("plain-splice", "sealed")
def plain_splice(make: Maker) -> Edit:
    """The beginning of this chain and the end of another."""
    other = make.draw.choice(make.pool.chains) if make.pool.chains else make.target.chain
    own = make.target.chain
    head = own[: make.draw.randrange(len(own) + 1)]
    return Edit(Stage.PLAIN, "replace", (head + other[make.draw.randrange(len(other) + 1) :],))


@operator("plain-cut", "sealed")
def plain_cut(make: Maker) -> Edit:
    """The chain inside SK ends early."""
    if not make.target.chain:
        raise Nothing
    length = make.draw.randrange(len(make.target.chain))
    return Edit(Stage.PLAIN, "replace", (make.target.chain[:length],))


@operator("sealed-flip", "sealed")
def sealed_flip(make: Maker) -> Edit:
    """A bit of IV, ciphertext or ICV: the message must not be taken."""
    part = make.draw.choice(("iv", "ciphertext", "icv"))
    return Edit(Stage.SEALED, "flip", (part, make.draw.randrange(8)))


@operator("sealed-cut", "sealed")
def sealed_cut(make: Maker) -> Edit:
    """One of the protected parts is too short, or gone."""
    part = make.draw.choice(("iv", "ciphertext", "icv"))
    return Edit(Stage.SEALED, "truncate", (part, make.draw.choice((0, 1, -1))))


@operator("sealed-set", "sealed")
def sealed_set(make: Maker) -> Edit:
    """Octets of our choice as IV or ICV."""
    part = make.draw.choice(("iv", "icv"))
    return Edit(Stage.SEALED, "set", (part, bytes(make.draw.choice((0, 1, 4, 8, 12, 16, 64)))))


@operator("wire-cut")
def wire_cut(make: Maker) -> Edit:
    """The datagram ends early."""
    length = make.draw.choice((0, 1, 8, 16, 27, 28, 29, 31, 32, -1, -4))
    if make.draw.random() < 0.5 and len(make.target.data) > 1:
        length = make.draw.randrange(len(make.target.data) - 1)
    return Edit(Stage.WIRE, "truncate", (length,))


@operator("wire-extend")
def wire_extend(make: Maker) -> Edit:
    """Octets behind the message."""
    return Edit(
        Stage.WIRE, "append", (make.draw.choice((b"\0", b"A" * 4, b"A" * 64, b"A" * 1400)),)
    )


@operator("wire-flip")
def wire_flip(make: Maker) -> Edit:
    """A bit of the header, as it leaves."""
    return Edit(Stage.WIRE, "flip", (make.draw.randrange(28), make.draw.randrange(8)))


@operator("wire-havoc", "clear")
def wire_havoc(make: Maker) -> Edit:
    """Other octets somewhere in the message, as it leaves."""
    offset = make.draw.randrange(16, max(17, len(make.target.data)))
    return Edit(Stage.WIRE, "set", (offset, make.draw.randbytes(make.draw.choice((1, 2, 4, 16)))))


@operator("other-id", "sealed")
def other_id(make: Maker) -> Edit:
    """The message ID of another message: one before, or one that is not due yet."""
    return Edit(Stage.MESSAGE, "add", ("header.id", make.draw.choice((-2, -1, -1, 1, 2, 5))))


@operator("fragment-numbers", "sealed")
def fragment_numbers(make: Maker) -> Edit:
    """Other numbers where those of a fragment stand (RFC 7383 2.5), as it leaves."""
    number = make.draw.choice((0, 1, 2, 3, 255, 256, 65535))
    return Edit(Stage.WIRE, "set", (make.draw.choice((32, 34)), number.to_bytes(2, "big")))


@operator("wire-repeat")
def wire_repeat(make: Maker) -> Edit:
    """The datagram more than once."""
    return Edit(Stage.WIRE, "duplicate", (make.draw.choice((2, 3)),))
