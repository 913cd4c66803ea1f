"""Two ends that speak in fragments (RFC 7383), and what tests read of them."""

from __future__ import annotations

from talk import Talk, events

from ikelab.harness.edits import insert, vendor
from ikelab.harness.exchange import frag
from ikelab.harness.exchange.events import Ignored
from ikelab.harness.exchange.inbound import Inbound
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Datagram
from ikelab.harness.transcript import RECEIVED
from ikelab.layers.encrypted import IKEv2_Decrypted
from ikelab.layers.iana import Exchange, Payload
from ikelab.layers.message import IKEv2, demux, message
from ikelab.layers.payloads import IKEv2_VendorID

CBC, GCM = "aes128-sha256-x25519", "aes256gcm16-prfsha256-x25519"
SIZE = 576
BODY = bytes(n * 7 & 0xFF for n in range(8192))
ANSWER = insert("SK", payload=vendor(BODY))
BIG = insert("SK", after="AUTH", payload=vendor(BODY))


def skf(datagram: Datagram) -> IKEv2:
    """The IKE message of a datagram."""
    return IKEv2(demux(datagram.data, datagram.dst[1])[1])


def numbers(datagrams: list[Datagram]) -> list[tuple[int, int, int]]:
    """(number, total, next payload) of fragments."""
    found = [skf(d).payloads[-1] for d in datagrams]
    return [(f.frag_number, f.frag_total, f.next_payload) for f in found]


def ip_octets(datagram: Datagram) -> int:
    """The length of the IP datagram: UDP payload, UDP and IP header."""
    return len(datagram.data) + 8 + (40 if ":" in datagram.src[0] else 20)


def bodies(sa: IkeSa) -> list[bytes]:
    """The vendor IDs that an SA received inside SK."""
    opened = (Inbound(s.message, s.inner()) for s in sa.transcript if s.direction == RECEIVED)
    return [bytes(v.vendorID) for it in opened if it.opened for v in it.all(Payload.V)]


def notes(sa: IkeSa) -> list[str]:
    """Why an SA dropped something."""
    return [e.reason for e in events(sa) if isinstance(e, Ignored)]


def both(**options: object) -> Talk:
    """Two ends that have done IKE_SA_INIT and agreed on fragments."""
    return Talk(**{"fragment": SIZE, **options}).init()  # type: ignore[arg-type]


def up(**options: object) -> Talk:
    """Two ends that are authenticated and agreed on fragments."""
    talk = both(**options).auth()
    assert talk.i.state is talk.r.state is State.ESTABLISHED
    return talk


def inform(talk: Talk, body: bytes = BODY) -> list[Datagram]:
    """The fragments of an INFORMATIONAL request with one vendor ID."""
    talk.i.inform([IKEv2_VendorID(vendorID=body)], talk.now)
    return talk.sent()


def crafted(
    sa: IkeSa, number: int, total: int, text: bytes, first: int = 0, message_id: int | None = None
) -> Datagram:
    """A fragment with a right ICV and any numbers, as `sa` would send it."""
    keys = sa.out_keys
    assert keys is not None
    at = sa.window.next_request if message_id is None else message_id
    header = {"init_SPI": sa.spi_i, "resp_SPI": sa.spi_r, "id": at, "flags": 8 * sa.initiator}
    tree = message([IKEv2_Decrypted(inner=[])], exch_type=Exchange.INFORMATIONAL, **header)
    data = frag._fragment(tree, [], (first, number, total), text, keys, sa.entropy, None)
    return Datagram(data, sa.local, sa.remote)
