"""Suite, proof, fragments, mode and NAT together: what works alone has to work side by side.

By default each value is used at least once; with `--combine 2` each pair that the peer can do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from ikelab.harness.edits import at
from ikelab.harness.endpoint import Initiator, Responder
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Suite
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.pki import Certificates
from ikelab.harness.pytest_plugin import case, rfc
from ikelab.harness.session import Session
from ikelab.harness.settings import MODES, PROOFS, SUITES, Setting, settings
from ikelab.harness.tested import Tested
from ikelab.layers.iana import Protocol

PATIENCE = 8.0  # seconds within which a peer has begun, on a slow machine too
TRANSLATED = "IKE_SA_INIT/response: N(NAT_DETECTION_DESTINATION_IP).notify ^= b'\\x01'"


def knows(peer: Tested, suite: str) -> bool:
    """Whether the peer has every algorithm of a suite."""
    return all(peer.driver.knows(t, Protocol.IKE) for t in Suite.parse(suite).transforms)


@cache
def lacks_of(driver: object) -> dict[str, str]:
    """What this peer cannot be set to, and why; filled once, by those who ask."""
    return {}


def can(peer: Tested, side: Callable[[str], dict[str, Any]]) -> tuple[list[str], list[str]]:
    """The proofs and the modes that the peer can be set to; each is tried, alone, once a run."""
    lacks = lacks_of(peer.driver)
    if not lacks:
        lacks[""] = "has been asked"
        for name in (*PROOFS, *MODES):
            row = Setting("tunnel", False, SUITES[0], "psk", None)
            row = replace(row, mode=name) if name in MODES else replace(row, proof=name)
            try:
                peer.start(**{**words(row, side), "ike": peer.defaults().ike}, **ends(peer, row)[0])
            except Unsupported as lack:
                lacks[name] = str(lack)
    proofs = [name for name in PROOFS if name not in lacks]
    return proofs, [name for name in MODES if name not in lacks]


def those(
    peer: Tested, strength: int, suite: str, side: Callable[[str], dict[str, Any]]
) -> list[Setting]:
    """The rows of the array with this suite, of what the peer can be set to."""
    peer.needs("child")
    if not knows(peer, suite):
        raise Unsupported(f"{peer.name} has not all of {suite}")
    known = [name for name in SUITES if knows(peer, name)]
    rows = settings(strength, known, *can(peer, side))
    if not rows:
        raise Unsupported("; ".join(sorted(set(lacks_of(peer.driver).values()))))
    return [row for row in rows if row.suite == suite]


def words(row: Setting, side: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """The options of one side, or of both."""
    proof = {} if row.proof == "psk" else side(row.proof)
    return {**proof, "ike": [row.suite], "fragment": row.fragment, "mode": row.mode}


def ends(peer: Tested, row: Setting) -> tuple[dict[str, Any], dict[str, Any]]:
    """Selectors of the peer's side and of ours: transport mode is between the hosts themselves."""
    if row.mode == "tunnel":
        return {}, {}
    theirs, ours = str(peer.them.address), str(peer.us.address)
    return {"local_ts": theirs, "remote_ts": ours}, {"local_ts": ours, "remote_ts": theirs}


def established(initiator: Initiator, row: Setting, options: dict[str, Any]) -> Session:
    """An IKE SA of ours; with a source hash that does not match, where we are to be translated."""
    if not row.translated:
        return initiator.establish(**options)
    sa = initiator.init(edits=[at("N(NAT_DETECTION_SOURCE_IP).notify").xor(b"\x01")], **options)
    assert sa.state is State.INIT_DONE, f"{row}: IKE_SA_INIT did not succeed\n{sa}"
    sa.move_to_4500()
    sa.auth()
    assert sa.established, f"{row}: no answer on port 4500\n{sa}"
    return sa


def another(responder: Responder, before: list[Session], row: Setting) -> Session:
    """The IKE SA that the peer has brought up, beside those that were there."""

    def up() -> list[Session]:
        return [s for s in responder.sessions if s not in before and s.established]

    came = responder.pump(lambda: bool(up()), PATIENCE)
    talk = "\n".join(str(s) for s in responder.sessions if s not in before)
    assert came, f"{row}: no IKE SA came up\n{talk}"
    return up()[-1]


def judge(peer: Tested, sa: Session, row: Setting) -> None:
    """What was set is what came of it, and the peer says the same."""
    assert sa.chosen == Suite.parse(row.suite), f"{row}: {sa.chosen} was chosen\n{sa}"
    assert sa.child.mode == row.mode, f"{row}: the child is in {sa.child.mode} mode\n{sa}"
    assert sa.violations == [], f"{row}: {sa.violations[0]}\n{sa}"
    assert peer.disagreements(sa) == [], f"{row}\n{sa}"


@case("OPS-02", "feature")
@rfc(7296, "1.2", "2.7")
@pytest.mark.parametrize("suite", SUITES)
def test_takes_each_combination(
    peer: Tested, initiator: Initiator, certificates: Certificates, suite: str, strength: int
) -> None:
    """As responder it comes up with the suite, however else the two of us are set."""
    rows = those(peer, strength, suite, certificates.theirs)
    for row in rows:
        theirs, ours = ends(peer, row)
        peer.start(**words(row, certificates.theirs), **theirs)
        sa = established(initiator, row, {**words(row, certificates.ours), **ours})
        judge(peer, sa, row)
        sa.close()
    peer.observe(", ".join(map(str, rows)))


@case("OPS-02", "feature")
@rfc(7296, "1.2", "2.7")
@pytest.mark.parametrize("suite", SUITES)
def test_offers_each_combination(
    peer: Tested, responder: Responder, certificates: Certificates, suite: str, strength: int
) -> None:
    """The same with the roles exchanged."""
    rows = those(peer, strength, suite, certificates.theirs)
    for row in rows:
        theirs, ours = ends(peer, row)
        peer.start(**words(row, certificates.theirs), **theirs)
        plan = TRANSLATED if row.translated else ""
        responder.listen(**words(row, certificates.ours), **ours, plan=plan)
        before = list(responder.sessions)
        peer.initiate()
        judge(peer, another(responder, before, row), row)
    peer.observe(", ".join(map(str, rows)))
