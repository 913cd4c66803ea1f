"""What is exported reads as what it came from, and tells no more than it should."""

from __future__ import annotations

import stat
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from ikelab.harness.errors import ConfigError
from ikelab.harness.inspect import facts
from ikelab.harness.inspect.export import export, in_clear
from ikelab.harness.inspect.inspection import Inspection, inspect_file
from ikelab.layers.message import IKEv2

WIRESHARK = "captures/wireshark/ikev2-decrypt-{}.pcap"


@pytest.fixture(params=["3des-sha1_160", "aes128ccm12", "aes256gcm16"])
def source(request: pytest.FixtureRequest, shared: Path) -> Path:
    return shared / WIRESHARK.format(request.param)


@pytest.fixture
def it(source: Path, shared: Path) -> Inspection:
    return inspect_file(source, [shared / "captures/wireshark/ikev2_decryption_table"])


def exchanged(it: Inspection) -> list[Any]:
    return [row["exchanges"] for row in it.to_json()["ike_sas"]]


def test_a_profile_holds_the_keys_that_were_used(
    it: Inspection, source: Path, tmp_path: Path
) -> None:
    export(it, [("profile", tmp_path / "keys")], source)
    again = inspect_file(source, [tmp_path / "keys"])
    assert again.decrypted == it.decrypted == len(it.sealed)
    assert len(again.ring.ike) == 1
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_a_decrypted_capture_brings_its_keys_along(
    it: Inspection, source: Path, tmp_path: Path, ask_tshark: Callable[..., Any]
) -> None:
    target = tmp_path / "with-keys.pcapng"
    export(it, [("decrypted", target)], source)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    again = inspect_file(target)
    assert exchanged(again) == exchanged(it)
    assert len(ask_tshark(target)) == it.frames  # others skip the keys and read on


def test_a_plain_capture_shows_tshark_what_was_inside(
    it: Inspection, source: Path, tmp_path: Path, ask_tshark: Callable[..., Any]
) -> None:
    target = tmp_path / "plain.pcapng"
    export(it, [("plain", target)], source)
    frames = ask_tshark(target)
    shown = [[int(v) for k, v in f if k == "isakmp.typepayload" and int(v) > 32] for f in frames]
    halves = [h for s in it.sessions for e in s.exchanges for h in e.halves()]
    assert shown == [[p.kind for p in h.payloads() if p.kind != 46] for h in halves]
    for half in halves:
        message = IKEv2(in_clear(half) if half.plain is not None else half.first.data)
        assert message.length == len(bytes(message))


def test_an_anonymised_capture_tells_nothing_of_the_ends(
    it: Inspection, source: Path, tmp_path: Path, ask_tshark: Callable[..., Any]
) -> None:
    target = tmp_path / "anonymous.pcapng"
    export(it, [("anonymised", target)], source)
    again = inspect_file(target)
    octets = target.read_bytes()
    (old,), (new,) = it.sessions, again.sessions
    for host, _ in (old.initiator, old.responder):
        assert ip_address(host).packed not in octets and host.encode() not in octets
    assert {new.initiator[0], new.responder[0]} == {"198.18.0.1", "198.18.0.2"}
    assert (facts.nat(new).initiator, facts.nat(new).responder) == (False, False)
    assert again.lost is None and len(again.messages) == len(it.messages)
    assert [m.data[:28] for m in again.messages] == [m.data[:28] for m in it.messages]
    assert [m.data[28:] for m in again.sealed] == [m.data[28:] for m in it.sealed]
    assert not any("malformed" in k for frame in ask_tshark(target) for k, _ in frame)


def test_the_source_is_not_overwritten(it: Inspection, source: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.pcap"
    link.symlink_to(source)
    with pytest.raises(ConfigError, match="export to another file"):
        export(it, [("decrypted", link)], source)
    with pytest.raises(ConfigError, match="cannot write"):
        export(it, [("plain", tmp_path / "no/such/folder.pcapng")], source)


def test_what_others_exported_of_esp_stays_esp(shared: Path, tmp_path: Path) -> None:
    path = shared / "captures/scapy/ikev2_nat_t.pcapng"
    it, target = inspect_file(path), tmp_path / "anonymous.pcapng"
    export(it, [("anonymised", target)], path)
    again = inspect_file(target)
    assert again.kinds == it.kinds
    assert [(f.spi, n) for f, n in again.esp.items()] == [(f.spi, n) for f, n in it.esp.items()]
    assert [facts.nat(s) for s in again.sessions] == [facts.nat(s) for s in it.sessions]
