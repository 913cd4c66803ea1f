"""No secret survives: of known words in any form, of IOS's places, on the wire."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikelab.harness.errors import ConfigError, LabError
from ikelab.harness.lab.scrub import GONE, Scrubber
from ikelab.harness.lab.wire import only_ike

CONFIG = """\
service password-encryption
enable secret 9 $9$nhEmQVczB7dqsO$X.HsgL6x1il0RxkOSSvyQYwucySCt7qFm4v7pqCxkKM
username admin privilege 15 secret 5 $1$mERr$hx5rVt7rPNoS4wqbXKX7m0
crypto ikev2 keyring ikelab
 peer tester
  address 10.0.0.1
  pre-shared-key local 6 OgXOLKIaIPcYFWAZ
  pre-shared-key remote hex 0011223344556677
  ppk manual id tester key 0 quantum required
crypto isakmp key oldsecret address 192.0.2.1
snmp-server community private RO
tacacs server T
 key 7 070C285F4D06
 password 7 094F471A1A0A
-----BEGIN RSA PRIVATE KEY-----
MIIEogIBAAKCAQEAnahBtR7uxtHm
-----END RSA PRIVATE KEY-----
Processor board ID 9FKLJWM5EB0
crypto ikev2 profile ikelab
 authentication remote pre-share
"""
SECRETS = ("$9$nhEmQ", "$1$mERr", "OgXOLK", "0011223344556677", "quantum", "oldsecret",
           "private RO", "070C285F", "094F471A", "MIIEog", "9FKLJWM5EB0")  # fmt: skip
KEPT = ("crypto ikev2 keyring ikelab", "  address 10.0.0.1", " authentication remote pre-share",
        f"  pre-shared-key local 6 {GONE}", "service password-encryption")  # fmt: skip


def test_every_place_of_a_secret_is_emptied_and_the_lines_stay() -> None:
    text = Scrubber([]).text(CONFIG)

    assert [word for word in SECRETS if word in text] == []
    assert len(text.splitlines()) == len(CONFIG.splitlines())
    assert set(KEPT) <= set(text.splitlines())


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zs")), min_size=3),
    st.sampled_from(["", " ", ":"]),
    st.booleans(),
)
def test_a_known_secret_goes_in_every_form(secret: str, gap: str, upper: bool) -> None:
    digits = [f"{octet:02x}" for octet in secret.encode()]
    dumped = gap.join(digits)
    text = f"echo {secret} end\n dump {dumped.upper() if upper else dumped}\n"
    scrubber = Scrubber([secret])

    found = scrubber.text(text)

    assert scrubber.survivors(text.encode()) >= 2
    assert scrubber.survivors(found.encode()) == 0
    assert secret not in found.replace(GONE, "")


def test_a_secret_that_is_too_short_to_find_is_refused() -> None:
    with pytest.raises(ConfigError, match="fewer than 3 characters"):
        Scrubber(["ab"])


def test_a_file_with_a_secret_in_it_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "wire.pcap").write_bytes(b"\x00\x01let-me-in\x02")

    with pytest.raises(LabError, match=r"a secret was left in wire\.pcap: the file has been"):
        Scrubber(["let-me-in"]).check(tmp_path)
    assert list(tmp_path.iterdir()) == []


def ethernet(payload: bytes, kind: int = 0x0800, vlan: bool = False) -> bytes:
    return bytes(12) + (b"\x81\x00\x00\x05" if vlan else b"") + struct.pack("!H", kind) + payload


def ipv4(protocol: int, payload: bytes, offset: int = 0) -> bytes:
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, offset, 64, protocol, 0,
                       bytes(4), bytes(4))  # fmt: skip
    return head + payload


def udp(src: int, dst: int, data: bytes) -> bytes:
    return struct.pack("!HHHH", src, dst, 8 + len(data), 0) + data


def capture(*frames: bytes, order: str = "<", link: int = 1) -> bytes:
    head = struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)
    return head + b"".join(struct.pack(order + "IIII", 1, 2, len(f), len(f)) + f for f in frames)


def pcapng(*frames: bytes, order: str = "<", link: int = 1, secret: bytes = b"") -> bytes:
    """A section, an interface with a name, packets with comments, a block of decryption secrets."""

    def block(kind: int, body: bytes) -> bytes:
        length = struct.pack(order + "I", 12 + len(body))
        return struct.pack(order + "I", kind) + length + body + length

    def option(code: int, data: bytes) -> bytes:
        return struct.pack(order + "HH", code, len(data)) + data + bytes(-len(data) % 4)

    end = bytes(4)
    section = struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)
    comment = option(1, secret) + end if secret else b""
    name = (option(2, secret) if secret else b"") + option(9, b"\x09") + end
    packets = [
        struct.pack(order + "IIIII", 0, 1, 2, len(f), len(f)) + f + bytes(-len(f) % 4) + comment
        for f in frames
    ]
    keys = [block(10, b"TLSK" + secret + bytes(-len(secret) % 4))] if secret else []
    head = block(1, struct.pack(order + "HHI", link, 0, 0) + name)
    return b"".join([block(0x0A0D0D0A, section + comment), head, *keys,
                     *(block(6, packet) for packet in packets)])  # fmt: skip


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_pcapng_loses_its_comments_names_and_secrets_too(order: str) -> None:
    ike, ssh = ethernet(ipv4(17, udp(500, 500, b"ike!!"))), ethernet(ipv4(6, bytes(24)))

    found = only_ike(pcapng(ike, ssh, ike, order=order, secret=b"let-me-in"))

    assert found == pcapng(ike, ike, order=order)


@pytest.mark.parametrize("order", ["<", ">"])
def test_only_ike_and_esp_stay_in_a_capture(order: str) -> None:
    kept = [
        ethernet(ipv4(17, udp(500, 500, b"ike"))),
        ethernet(ipv4(17, udp(1024, 4500, b"nat-t")), vlan=True),
        ethernet(ipv4(17, b"a later fragment", offset=100)),
        ethernet(ipv4(50, b"esp")),
        ethernet(bytes(6) + bytes((17,)) + bytes(33) + udp(500, 500, b"v6"), kind=0x86DD),
    ]
    gone = [
        ethernet(ipv4(6, struct.pack("!HH", 23, 1024) + b"Password: let-me-in")),
        ethernet(ipv4(17, udp(161, 500_0, b"public"))),
        ethernet(b"arp", kind=0x0806),
        b"\x00\x01",
    ]

    found = only_ike(capture(*kept, *gone, order=order))

    assert found == capture(*kept, order=order)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"MThd" + bytes(40), "neither pcap nor pcapng"),
        (capture(link=113), "not of Ethernet"),
        (pcapng(link=113), "not of Ethernet"),
    ],
)
def test_what_cannot_be_read_is_not_kept(data: bytes, words: str) -> None:
    with pytest.raises(LabError, match=words):
        only_ike(data)
