"""Cisco's show outputs: every field of every real one, and the PeerViews that they make."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from daemon_pair import config

from ikelab.harness.model import TS, Nat, Spis, Suite, suites
from ikelab.harness.peer.addresses import V4
from ikelab.harness.peer.base import PeerView
from ikelab.harness.peer.ios import parse
from ikelab.harness.peer.ios.dialect import Cisco, of
from ikelab.harness.peer.ios.releases import Release
from ikelab.harness.peer.ios.shown import read
from ikelab.layers.iana import Ke, Protocol, TransformType

KINDS = {
    "Ikev2Sa": "ikev2", "Ikev2SaDetail": "ikev2", "Ikev2SaLocal": "ikev2",
    "Ikev2SaRemote": "ikev2", "Ikev2Session": "ikev2", "Session": "session",
    "SessionDetail": "session", "SessionInterfaceDetail": "session", "SessionLocal": "session",
    "SessionRemoteDetail": "session", "IpsecSaDetail": "ipsec sa", "IpsecSaInterface": "ipsec sa",
    "IpsecSaPeer": "ipsec sa", "IpsecProfile": "ipsec profile", "Ikev2Proposal": "proposal",
    "Ikev2Count": "count", "Ikev2DiagnoseError": "diagnose", "Ikev2Performance": "performance",
    "Ikev2StatsExchange": "stats exchange", "Ikev2StatsExt": "stats ext-service",
    "Ikev2StatsPsh": "stats psh", "Ikev2StatsTimeout": "stats timeout",
    "CallAdmissionStatistics": "call admission",
}  # fmt: skip
# Words of the labels; their digits say nothing of the router.
LABELS = {"IKEv2", "IKEv1", "IPv4", "IPv6", "Phase1_id", "Phase1.5", "IPsecv6", "ipv6"}


def outputs(shared: Path) -> list[Path]:
    return sorted((shared / "cisco" / "show").iterdir())


def leaves(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        for key, inner in found.items():
            yield str(key)
            yield from leaves(inner)
    elif isinstance(found, list | tuple):
        for inner in found:
            yield from leaves(inner)
    else:
        yield str(found)


def test_every_real_output_is_known_and_every_line_of_it(shared: Path) -> None:
    files = outputs(shared)
    assert len(files) == 37
    for path in files:
        found = read(path.read_text())
        kind = re.sub(r"ShowCrypto", "", path.name.split("__")[1])
        assert (found.kind, found.unknown) == (KINDS[kind], []), path.name


def test_every_value_of_every_real_output_is_in_some_field(shared: Path) -> None:
    """Each word with a digit (addresses, SPIs, counters, names) turns up among the values."""
    for path in outputs(shared):
        text = path.read_text()
        found = read(text)
        values = set(re.findall(r"[\w.:\-]+", " ".join(leaves(found.fields))))
        parts = values | {part for value in values for part in re.split(r"[:\-]", value)}
        for word in re.findall(r"[\w.:\-]*\d[\w.:\-]*", text):
            pieces = [p for p in re.split(r"[:\-]", word.strip(".:-")) if re.search(r"\d", p)]
            known = word.strip(".:-") in values or all(
                p in parts or p.lstrip("0") in parts or int_of(p) in parts or p in LABELS
                for p in pieces
            )
            assert known, f"{path.name}: {word}"


def int_of(text: str) -> str:
    return str(int(text)) if text.isdecimal() else text


def test_a_line_that_nobody_knows_is_kept(shared: Path) -> None:
    path = shared / "cisco" / "show" / "iosxe__ShowCryptoIkev2SaDetail__golden_output.txt"
    text = path.read_text().replace("NAT-T is not detected", "Flux capacitor is charged")
    assert read(text).unknown == [(18, "Flux capacitor is charged")]
    assert parse.unknown({"show": text}) == ["Flux capacitor is charged"]


def test_what_is_no_output_at_all() -> None:
    assert read("% Invalid input detected at '^' marker.").kind == ""
    assert parse.view({"show crypto ikev2 sa": "% Invalid input"}) == PeerView()


def seen(shared: Path, *files: str) -> PeerView:
    folder = shared / "cisco" / "show"
    return parse.view({name: (folder / name).read_text() for name in files})


def test_detailed_sa_of_an_initiator(shared: Path) -> None:
    [sa] = seen(shared, "iosxe__ShowCryptoIkev2SaDetail__golden_output.txt").sas
    assert sa.spis == Spis(bytes.fromhex("000D3669857A0F82"), bytes.fromhex("E0419B1DB02DE6AE"))
    assert (sa.state, sa.initiator) == ("ESTABLISHED", True)
    assert sa.suite == Suite.parse("aes256-sha256-ecp256")
    assert (sa.local_id, sa.remote_id) == ("user2621@cisco.com", "22.1.1.2")
    assert sa.nat == Nat(False, False)


def test_detailed_sa_of_a_responder_has_the_spis_the_other_way_round(shared: Path) -> None:
    [sa] = seen(shared, "iosxe__ShowCryptoIkev2SaDetail__golden_output5.txt").sas
    assert (sa.initiator, sa.spis.r.hex()) == (False, "4924fd2741cc90fd")


def test_ml_kem_of_ios_xe_26(shared: Path) -> None:
    first, second = seen(shared, "iosxe__ShowCryptoIkev2SaDetail__golden_output7.txt").sas
    assert first.suite is not None
    assert first.suite.one(TransformType.ADDKE1).id == Ke.ML_KEM_1024
    assert first.suite.ke.id == Ke.ECP_521
    assert second.remote_id == "2001:DB8:1202::123"


def test_session_detailed(shared: Path) -> None:
    four, six = seen(shared, "iosxe__ShowCryptoIkev2Session__golden_output_csr8kv_detailed.txt").sas
    assert four.spis.i.hex() == "6f86196ab2c574e3" and six.spis.i.hex() == "6f86196ab2c574e5"
    [child] = four.children  # two blocks with the same SPIs are one child
    assert (child.spi_in.hex(), child.spi_out.hex()) == ("232cb82d", "30767b6e")
    assert child.suite == Suite.parse("aes256-sha256", Protocol.ESP)
    assert TS.parse("89.89.89.0-89.89.89.255") in child.local_ts
    assert TS.parse("9001::-9001::ffff:ffff:ffff:ffff") in child.remote_ts
    assert child.mode == "tunnel"


def test_the_asa(shared: Path) -> None:
    [sa] = seen(shared, "asa__ShowCryptoIkev2Sa__golden_output1.txt").sas
    assert (sa.state, sa.initiator) == ("ESTABLISHED", True)
    assert sa.suite == Suite.parse("3des-sha1-modp1024")
    assert [c.spi_in.hex() for c in sa.children] == ["be064bdc", "69b865f8"]
    assert sa.children[0].local_ts == (TS.parse("2001:db8:1:2::/64"),)


def test_session_and_ipsec_sa_are_one_view(shared: Path) -> None:
    """The router's own account of the seed's tunnel: what each output adds."""
    texts = dict(zip(parse.QUESTIONS, SEED, strict=True))
    assert parse.unknown(texts) == []
    [sa] = parse.view(texts).sas
    assert sa.spis == Spis(bytes.fromhex("F074D8BBD5A59F0B"), bytes.fromhex("F94020DD8CB4B9C4"))
    assert sa.suite == Suite.parse("aes128-sha1-modp1024")
    assert sa.nat == Nat(initiator=True, responder=False)
    [child] = sa.children
    assert (child.spi_in.hex(), child.spi_out.hex()) == ("9506d414", "11223344")
    assert child.suite == Suite.parse("3des-sha1", Protocol.ESP)
    assert child.local_ts == child.remote_ts == (TS.parse("0.0.0.0-255.255.255.255"),)
    assert (child.mode, child.state, child.encap) == ("tunnel", "INSTALLED", True)


SA = """\
 IPv4 Crypto IKEv2  SA

Tunnel-id Local                 Remote                fvrf/ivrf            Status
1         10.0.0.1/4500         10.0.0.2/4500         none/none            READY
      Encr: AES-CBC, keysize: 128, PRF: SHA1, Hash: SHA96, DH Grp:2, Auth sign: PSK, \
Auth verify: PSK
      Life/Active Time: 86400/12 sec
      CE id: 1001, Session-id: 8
      Status Description: Negotiation done
      Local spi: F074D8BBD5A59F0B       Remote spi: F94020DD8CB4B9C4
      Local id: 10.0.0.1
      Remote id: 10.0.0.2
      NAT-T is detected  inside
      Initiator of SA : Yes
"""
SESSION = (
    SA.replace("Crypto IKEv2  SA", "Crypto IKEv2 Session").replace(
        "Tunnel-id Local",
        "Session-id:8, Status:UP-ACTIVE, IKE count:1, CHILD count:1\n\nTunnel-id Local",
    )
    + """\
Child sa: local selector  0.0.0.0/0 - 255.255.255.255/65535
          remote selector 0.0.0.0/0 - 255.255.255.255/65535
          ESP spi in/out: 0x9506D414/0x11223344
"""
)
IPSEC = """\
interface: Tunnel900
    Crypto map tag: Tunnel900-head-0, local addr 10.0.0.1

   protected vrf: (none)
   local  ident (addr/mask/prot/port): (0.0.0.0/0.0.0.0/0/0)
   remote ident (addr/mask/prot/port): (0.0.0.0/0.0.0.0/0/0)
   current_peer 10.0.0.2 port 4500
     inbound esp sas:
      spi: 0x9506D414(2500252692)
        transform: esp-3des esp-sha-hmac ,
        in use settings ={Tunnel UDP-Encaps, }
        Status: ACTIVE(ACTIVE)
     outbound esp sas:
      spi: 0x11223344(287454020)
        transform: esp-3des esp-sha-hmac ,
        in use settings ={Tunnel UDP-Encaps, }
        Status: ACTIVE(ACTIVE)
"""
SEED = (SA, SESSION, IPSEC)


ASA_SA = """\
IKEv2 SAs:

Session-id:1, Status:UP-ACTIVE, IKE count:1, CHILD count:1

Tunnel-id Local                                   Remote                    Status         Role
   98765 10.0.0.2/500                             10.0.0.1/500              READY    RESPONDER
      Encr: AES-CBC, keysize: 256, Hash: SHA256, DH Grp:14, Auth sign: PSK, Auth verify: PSK
      Life/Active Time: 86400/30 sec
      Session-id: 1
      Status Description: Negotiation done
      Local spi: F94020DD8CB4B9C4       Remote spi: F074D8BBD5A59F0B
      Local id: 10.0.0.2
      Remote id: 10.0.0.1
      Local req mess id: 4              Remote req mess id: 6
      Local next mess id: 4             Remote next mess id: 6
      Local req queued: 4               Remote req queued: 6
      Local window: 1                   Remote window: 5
      DPD configured for 10 seconds, retry 2
      NAT-T is not detected
      IKEv2 Fragmentation Configured MTU: 576 bytes, Overhead: 28 bytes, Effective MTU: 548 bytes
      Parent SA Extended Status:
        Delete in progress: FALSE
        Marked for delete: FALSE
Child sa: local selector  10.2.0.0/0 - 10.2.0.255/65535
          remote selector 10.1.0.0/0 - 10.1.0.255/65535
          ESP spi in/out: 0x0a0b0c0d/0x01020304
          AH spi in/out: 0x0/0x0
          CPI in/out: 0x0/0x0
          Encr: AES-CBC, keysize: 256, esp_hmac: SHA96
          ah_hmac: None, comp: IPCOMP_NONE, mode tunnel
"""
ASA_IPSEC = """\
interface: outside
    Crypto map tag: IKELAB, seq num: 10, local addr: 10.0.0.2

      access-list IKELAB extended permit ip 10.2.0.0 255.255.255.0 10.1.0.0 255.255.255.0
      local ident (addr/mask/prot/port): (10.2.0.0/255.255.255.0/0/0)
      remote ident (addr/mask/prot/port): (10.1.0.0/255.255.255.0/0/0)
      current_peer: 10.0.0.1

      #pkts encaps: 3, #pkts encrypt: 3, #pkts digest: 3
      #pkts not compressed: 3, #pkts comp failed: 0, #pkts decomp failed: 0
      #pre-frag successes: 0, #pre-frag failures: 0, #fragments created: 0
      #PMTUs sent: 0, #PMTUs rcvd: 0, #decapsulated frgs needing reassembly: 0
      #TFC rcvd: 0, #TFC sent: 0
      #Valid ICMP Errors rcvd: 0, #Invalid ICMP Errors rcvd: 0
      #send errors: 0, #recv errors: 0

      local crypto endpt.: 10.0.0.2/500, remote crypto endpt.: 10.0.0.1/500
      path mtu 1500, ipsec overhead 74(44), media mtu 1500
      PMTU time remaining (sec): 0, DF policy: copy-df
      ICMP error validation: disabled, TFC packets: disabled
      current outbound spi: 01020304
      current inbound spi : 0A0B0C0D

    inbound esp sas:
      spi: 0x0A0B0C0D (168496141)
         SA State: active
         transform: esp-aes-256 esp-sha-hmac no compression
         in use settings ={L2L, Tunnel, IKEv2, }
         slot: 0, conn_id: 4096, crypto-map: IKELAB
         sa timing: remaining key lifetime (kB/sec): (4055040/28682)
         IV size: 16 bytes
         replay detection support: Y
         Anti replay bitmap:
          0x00000000 0x0000000F
    outbound esp sas:
      spi: 0x01020304 (16909060)
         SA State: active
         transform: esp-aes-256 esp-sha-hmac no compression
         in use settings ={L2L, Tunnel, IKEv2, }
"""


def test_both_outputs_of_an_asa_are_one_view() -> None:
    texts = dict(zip(parse.ASA_QUESTIONS, (ASA_SA, ASA_IPSEC), strict=True))
    assert parse.unknown(texts) == []
    [sa] = parse.view(texts).sas
    assert (sa.initiator, sa.spis.i.hex()) == (False, "f074d8bbd5a59f0b")
    assert sa.suite == Suite.parse("aes256-sha256-modp2048")
    [child] = sa.children
    assert (child.spi_in.hex(), child.state, child.mode) == ("0a0b0c0d", "INSTALLED", "tunnel")
    assert child.suite == Suite.parse("aes256-sha1", Protocol.ESP)
    assert child.local_ts == (TS.parse("10.2.0.0/24"),)


def test_an_asa_s_suite_is_told_only_where_it_shows_all_of_it() -> None:
    """It prints no PRF; guessing one would accuse it of another."""
    texts = dict(zip(parse.ASA_QUESTIONS, (ASA_SA, ASA_IPSEC), strict=True))
    asa = Cisco(Release.parse("asa 9.16"))
    plain, other = (
        config(V4[1], V4[0], ike=suites([word]))
        for word in ("aes256-sha256-modp2048", "aes256-sha256-prfsha384-modp2048")
    )
    assert asa.view(texts, plain).sas[0].suite == Suite.parse("aes256-sha256-modp2048")
    assert asa.view(texts, other).sas[0].suite is None


def test_the_protocol_of_selectors_comes_from_ipsec_sa() -> None:
    flows = IPSEC.replace("/0/0)", "/17/0)")
    [child] = parse.view({"a": SA, "b": SESSION, "c": flows}).sas[0].children
    assert child.local_ts == (TS.parse("0.0.0.0-255.255.255.255[17]"),)
    several = IPSEC + IPSEC.replace("/0/0)", "/17/0)")
    [child] = parse.view({"a": SA, "b": SESSION, "c": several}).sas[0].children
    assert {ts.protocol for ts in child.local_ts} == {0, 17}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("     inbound esp sas:", "     PFS (Y/N): Y, DH group: group14\n     inbound esp sas:"),
        ("{Tunnel UDP-Encaps, }", "{L2L, Tunnel, PFS Group 14, IKEv2, }"),
    ],
)
def test_the_group_of_a_rekeyed_child(before: str, after: str) -> None:
    [child] = parse.view({"a": SA, "b": IPSEC.replace(before, after)}).sas[0].children
    assert child.suite == Suite.parse("3des-sha1-modp2048", Protocol.ESP)
    none = IPSEC.replace(
        "     inbound esp sas:", "     PFS (Y/N): N, DH group: none\n     inbound esp sas:"
    )
    assert parse.unknown({"b": none}) == []
    [child] = parse.view({"a": SA, "b": none}).sas[0].children
    assert child.suite == Suite.parse("3des-sha1", Protocol.ESP)


def test_ipsec_sa_alone_gives_the_children(shared: Path) -> None:
    [sa] = parse.view({"a": SA, "b": IPSEC}).sas
    assert [c.spi_in.hex() for c in sa.children] == ["9506d414"]


def test_a_session_without_detail_still_tells_the_state(shared: Path) -> None:
    [sa] = seen(shared, "iosxe__ShowCryptoSessionDetail__golden_output2.txt").sas
    assert (sa.state, sa.remote_id) == ("ESTABLISHED", "polaris-test.polaris-test")
    assert seen(shared, "ios__ShowCryptoSession__golden_output.txt").sas == (), "that is IKEv1"


@pytest.mark.parametrize(
    ("transform", "suite"),
    [
        ("esp-256-aes esp-sha256-hmac ,", "aes256-sha256"),
        ("esp-aes esp-sha-hmac", "aes128-sha1"),
        ("esp-gcm 256 ,", "aes256gcm16"),
        ("esp-3des esp-md5-hmac ,", "3des-md5"),
        ("esp-192-aes esp-sha512-hmac", "aes192-sha512"),
    ],
)
def test_transforms(transform: str, suite: str) -> None:
    from ikelab.harness.peer.ios.names import transform_suite

    assert transform_suite(transform) == Suite.parse(suite, Protocol.ESP)


def test_the_dialect_of_a_router_by_its_own_word() -> None:
    cisco = of("Cisco IOS XE Software, Version 17.12.01a")
    assert cisco is not None and str(cisco.release) == "IOS XE 17.12.1"
    assert of("Cisco IOS XE Software, Version 17.12.01a", "asa 9.16").release.family == "ASA"
    assert of("something else") is None
