"""NAT verdicts: where a capture is taken, what the hashes tell there, and what they cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ikelab.harness.crypto.auth import nat_detection
from ikelab.harness.edits import Plan
from ikelab.harness.inspect import natview
from ikelab.harness.inspect.inspection import Inspection
from ikelab.harness.inspect.natview import Where, view
from ikelab.harness.model import Datagram
from tests.harness.inspect.lab import Lab

OUTSIDE = "203.0.113.7"
Path = Callable[[Datagram], Datagram]


@pytest.fixture(autouse=True)
def one_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search of one private network instead of three: it is the same code."""
    monkeypatch.setattr(natview, "_INSIDE", natview._INSIDE[:1])


def nat(inside: str, ports: dict[int, int]) -> dict[str, Path]:
    """A NAT before the initiator: both ways."""
    back = {outer: inner for inner, outer in ports.items()}

    def out(datagram: Datagram) -> Datagram:
        return replace(datagram, src=(OUTSIDE, ports[datagram.src[1]]))

    def home(datagram: Datagram) -> Datagram:
        return replace(datagram, dst=(inside, back[datagram.dst[1]]))

    return {"out": out, "back": home}


def verdicts(it: Inspection, *hints: str, thorough: bool = True) -> tuple[Where, Where]:
    found = view(it.sessions[0], hints, thorough=thorough)
    return found.initiator.where, found.responder.where


SHIFTED = {500: 40000, 4500: 40001}
KEPT = {500: 500, 4500: 4500}


def test_no_nat() -> None:
    assert verdicts(Lab().up().inspect()) == (Where.DIRECT, Where.DIRECT)


@pytest.mark.parametrize("ports", [SHIFTED, KEPT])
def test_captured_behind_the_nat_the_inside_address_is_found(ports: dict[int, int]) -> None:
    lab = Lab(tap="responder", both={"local": ("192.168.7.9", 500)}, **nat("192.168.7.9", ports))  # type: ignore[arg-type]
    it = lab.up().inspect()
    found = view(it.sessions[0], thorough=True)
    assert (found.initiator.where, found.responder.where) == (Where.TRANSLATED, Where.DIRECT)
    assert found.initiator.seen == (OUTSIDE, ports[500])
    assert found.initiator.other == ("192.168.7.9", 500)


def test_captured_before_the_nat_only_the_answer_tells() -> None:
    lab = Lab(tap="initiator", **nat("10.0.0.1", SHIFTED))  # type: ignore[arg-type]
    found = view(lab.up().inspect().sessions[0], [OUTSIDE], thorough=True)
    assert (found.initiator.where, found.responder.where) == (Where.TRANSLATED, Where.DIRECT)
    assert found.initiator.seen == ("10.0.0.1", 500)


def spoilt(data: bytes) -> Lab:
    """An initiator that spoils the hash of its own address."""
    text = f"IKE_SA_INIT/request: N(NAT_DETECTION_SOURCE_IP).notify = {data!r}"
    return Lab(i={"edits": Plan.parse(text)})


def test_forced_with_port_0() -> None:
    lab = Lab()
    own = nat_detection(_first_spi(), bytes(8), "10.0.0.1", 0)
    lab = spoilt(own)
    assert verdicts(lab.up().inspect(), thorough=False) == (Where.FORCED, Where.DIRECT)
    (row,) = lab.inspect().to_json()["ike_sas"]
    assert row["nat"] == {"initiator": False, "responder": False}
    assert row["nat_ends"]["initiator"]["verdict"] == "encapsulation forced"


def _first_spi() -> bytes:
    lab = Lab()
    lab.init()
    return lab.sa.spis.i


def test_forced_is_told_by_a_packet_that_no_router_touched() -> None:
    """The frames of the lab have a TTL of 64; a router takes one off."""
    it = spoilt(bytes(20)).up().inspect()
    assert verdicts(it) == (Where.FORCED, Where.DIRECT)
    for message in it.sessions[0].messages:
        message.hops = 63
    assert verdicts(it) == (Where.EITHER, Where.DIRECT)
    assert verdicts(it, thorough=False) == (Where.EITHER, Where.DIRECT)


def test_without_hashes_nobody_knows() -> None:
    it = Lab(both={"nat_detection": False}).up().inspect()
    assert verdicts(it) == (Where.UNKNOWN, Where.UNKNOWN)
    assert it.to_json()["ike_sas"][0]["nat"] == {"initiator": None, "responder": None}
