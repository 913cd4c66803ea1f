"""What pluto's own log tells: which SA has which SPIs, suites and selectors, and the keys. Pure.

pluto numbers its states, `#1` an IKE SA, `#2` a child of it; plain lines name their state, lines of
debugging (`| ...`) belong to what is being worked on. Releases 4.3 to 5.2 differ in words, which
is why each fact has a pattern of its own. Nothing here raises on what a log says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ikelab.harness.model import Spis
from ikelab.harness.peer import dumps
from ikelab.harness.peer.base import Keys

_TIME = re.compile(r"^[A-Z][a-z]{2} +\d+ [\d:.]+: ")
_NAMED = re.compile(r'"[^"]*"(?:\[\d+\])?(?: \S+)? #(\d+): (.*)')
_SENT = re.compile(r"\| sending \d+ bytes for .* \(for #(\d+)\)")
_FOUND = re.compile(r"\| State DB: found IKEv2 state #(\d+) in")
_CREATED = re.compile(r"\| (parent|child) state #(\d+): UNDEFINED\(\w+\) => (\w+)")
_MOVED = re.compile(r"\| (?:parent|child) state #(\d+): ")
_OCTETS = r"0x((?:[0-9a-f]{2})+)"
_IKE_KEYS = re.compile(
    r"\| ikev2 ([IR]) 0x([0-9a-f]{16}) 0x([0-9a-f]{16}) "
    rf"\S+?:?(?:{_OCTETS})? \S+:{_OCTETS}$"
)
_OUR_SPI = re.compile(r"\| our spi: ((?:[0-9a-f]{2} +){7}[0-9a-f]{2})$")
_THEIR_SPI = "| remote SPI"
_FROM = re.compile(r"\| duplicating state object #(\d+) .* as #(\d+)")
_ROW = re.compile(r"\|   (?P<hex>(?:[0-9a-f]{2} {1,2})+[0-9a-f]{2}|[0-9a-f]{2})(?:   .*)?$")
_HELPER = re.compile(r"\| helper \d+: ")
_END = re.compile(r"\| NAT_TRAVERSAL (this|that) end is (NOT )?behind NAT")
_SUITE = re.compile(r"\{(?:auth=\S+ )?cipher=(\S+) integ=(\S+) prf=(\S+) group=(\w+)")
_PEER = re.compile(r"(?:peer ID is|authenticated peer .* and) ID_\w+:? '([^']*)'")
_SELECTORS = re.compile(r"(?:IPsec \w+|negotiated connection|IPsec SA .*?) \[(.+)\](?: \{|$)")
_CHILD = re.compile(
    r"\{(ESP|AH)(inUDP|inTCP)?(/ESN)?(?:/NAT)?=>0x([0-9a-f]+) <0x([0-9a-f]+) "
    r"xfrm=(\S+?)-([^-\s]+?)(?:-((?:MODP|DH|ECP)\w+))? "
)
_INSTALL = re.compile(r"\| .*install_(?:inbound_|outbound_)?ipsec_sa\(\) for #(\d+)")
_WAY = re.compile(r"\| .*setup_half_\w+\(\) (in|out)bound ", re.IGNORECASE)
_KEY = re.compile(r"\| (?:ESP|AH) (enc|encrypt |auth|integrity )key:$")
_CIPHER = ("enc", "encrypt ")


@dataclass(slots=True)
class State:
    """What the log says of one state of pluto's, an IKE SA or a child."""

    number: int
    ike: bool = True
    initiator: bool = False
    spis: Spis | None = None
    own_spi: bytes = b""  # of an IKE SA that succeeds another one, before it says anything
    other_spi: bytes = b""
    cipher: tuple[str, str, str, str] | None = None  # cipher, integrity, PRF, group
    remote_id: str = ""
    here: bool | None = None  # behind a NAT
    there: bool | None = None
    protocol: str = ""
    encap: bool = False
    esn: bool = False
    spi_out: bytes = b""
    spi_in: bytes = b""
    child: tuple[str, str, str] | None = None  # cipher, integrity, group
    selectors: str = ""
    keys: dict[str, bytes] = field(default_factory=dict)  # "SK_ei" ...; of a child "out encr" ...


def states(log: str) -> dict[int, State]:
    """Every state that a log tells of, by number."""
    reader = _Reader()
    for line, dump in dumps.lines(log, _ROW, _TIME, _HELPER):
        reader.take(line, dump)
    return reader.states


def ike_secrets(log: str) -> dict[Spis, dict[str, bytes]]:
    """SK_ei, SK_er and, less combined-mode ciphers, SK_ai, SK_ar of every IKE SA that came up.

    The salt of a combined-mode cipher is not among what pluto logs.
    """
    found = (state for state in states(log).values() if state.ike and state.keys)
    return {state.spis: dict(state.keys) for state in found if state.spis is not None}


def child_keys(log: str) -> frozenset[Keys]:
    """The keys of every child in a log that has both of its halves, the initiator's SA first."""
    found = set()
    for state in states(log).values():
        if {"in", "out"} <= {name.partition(" ")[0] for name in state.keys}:
            first, second = ("out", "in") if state.initiator else ("in", "out")
            names = (f"{way} {kind}" for way in (first, second) for kind in ("encr", "integ"))
            encr_i, integ_i, encr_r, integ_r = (state.keys.get(name, b"") for name in names)
            found.add((encr_i, integ_i, encr_r, integ_r))
    return frozenset(found)


class _Reader:
    """One pass over a log: `current` is the state that pluto is at work on."""

    def __init__(self) -> None:
        self.states: dict[int, State] = {}
        self.current = 0
        self.way = ""
        self.unsaid = "out"

    def take(self, line: str, dump: bytes) -> None:
        """One line, with the octets of the dump below it."""
        if line.startswith("|"):
            self._detail(line, dump)
        elif match := _NAMED.match(line):
            self.current = int(match[1])
            self._fact(self._state(self.current), match[2])

    def _state(self, number: int) -> State:
        return self.states.setdefault(number, State(number))

    def _detail(self, line: str, dump: bytes) -> None:
        if match := _SENT.match(line):
            state = self._state(int(match[1]))
            dump = dump.removeprefix(bytes(4))  # the marker of port 4500 (RFC 3948 2.2)
            if len(dump) >= 16 and any(dump[8:16]):
                state.spis = Spis(dump[:8], dump[8:16])
        elif match := _CREATED.match(line):
            self.current = int(match[2])
            state = self._state(self.current)
            state.ike = match[1] == "parent"
            state.initiator = bool(re.search(r"_I\d?$", match[3]))
        elif match := _MOVED.match(line):
            self.current = int(match[1])
        elif match := _OUR_SPI.match(line):
            self._successor(own=bytes.fromhex(match[1]))
        elif line.startswith(_THEIR_SPI) and len(dump) == 8:
            self._successor(other=dump)
        elif match := _IKE_KEYS.match(line):
            self._ike_keys(match)
        elif match := _FROM.match(line):
            old = self._state(int(match[1]))
            new = self._state(int(match[2]))
            new.here, new.there, new.remote_id = old.here, old.there, old.remote_id
        elif match := _FOUND.match(line):
            self.current = int(match[1])
        elif match := _END.match(line):
            behind = match[2] is None
            state = self._state(self.current)
            if match[1] == "this":
                state.here = behind
            else:
                state.there = behind
        elif match := _INSTALL.match(line):
            self.current, self.way = int(match[1]), ""
        elif match := _WAY.match(line):
            self.way = match[1].lower()
        elif match := _KEY.match(line):
            self._key(self._state(self.current), match[1] in _CIPHER, dump)

    def _successor(self, own: bytes = b"", other: bytes = b"") -> None:
        """One of the two SPIs that proposals for a new IKE SA carry (RFC 7296 1.3.2)."""
        state = self._state(self.current)
        state.own_spi, state.other_spi = own or state.own_spi, other or state.other_spi
        if state.own_spi and state.other_spi:
            state.ike = True  # it begins as a child of the old one
            ends = (state.own_spi, state.other_spi)
            state.spis = Spis(*(ends if state.initiator else reversed(ends)))

    def _ike_keys(self, match: re.Match[str]) -> None:
        """The keys of the IKE SA that has just come up, which also tells its SPIs."""
        state = self._state(self.current)
        spis = Spis(bytes.fromhex(match[2]), bytes.fromhex(match[3]))
        if any(s.spis == spis and s is not state for s in self.states.values()):
            return  # 4.3 tells the old keys again when it rekeys
        state.ike, state.spis = True, spis
        who = match[1].lower()
        state.keys[f"SK_e{who}"] = bytes.fromhex(match[5])
        if match[4]:
            state.keys[f"SK_a{who}"] = bytes.fromhex(match[4])

    def _key(self, state: State, cipher: bool, dump: bytes) -> None:
        """A key on its way into the kernel; 4.3 says not which way, but gives outbound first."""
        if cipher and not self.way:
            self.unsaid = "in" if "out encr" in state.keys else "out"
        way = self.way or self.unsaid
        state.keys[f"{way} {'encr' if cipher else 'integ'}"] = dump

    def _fact(self, state: State, text: str) -> None:
        if match := _SUITE.search(text):
            state.cipher = (match[1], match[2], match[3], match[4])
        if match := _PEER.search(text):
            state.remote_id = match[1]
        if match := _SELECTORS.search(text):
            state.selectors = match[1]
        if match := _CHILD.search(text):
            state.protocol, state.encap, state.esn = match[1], bool(match[2]), bool(match[3])
            state.spi_out = bytes.fromhex(match[4].rjust(8, "0"))
            state.spi_in = bytes.fromhex(match[5].rjust(8, "0"))
            state.child = (match[6], match[7], match[8] or "")
