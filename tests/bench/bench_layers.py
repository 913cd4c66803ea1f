"""Our layers beside scapy.contrib.ikev2 on the same messages: `python tests/bench/bench_layers.py`.

Both sides do the same work in short turns, one after the other, so that a busy machine slows both;
a ratio is that of the medians. Contrib builds with its layers chained in place, not by `/`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from scapy.contrib import ikev2 as contrib

from ikelab.layers.iana import Encr, Integ, Ke, Notify, Prf, TransformType
from ikelab.layers.message import IKEv2, message
from ikelab.layers.notify import IKEv2_Notify
from ikelab.layers.payloads import IKEv2_KE, IKEv2_Nonce
from ikelab.layers.sa import IKEv2_Proposal, IKEv2_SA, IKEv2_Transform

TARGETS = {"dissect": 5.0, "build fresh": 20.0}
"""What the design asks for: our rate over contrib's."""

SPI, NONCE, KE = bytes(range(8)), bytes(range(32)), bytes(256)
TRANSFORMS: tuple[tuple[int, int, int | None], ...] = (
    (TransformType.ENCR, Encr.ENCR_AES_CBC, 256),
    (TransformType.ENCR, Encr.ENCR_AES_CBC, 128),
    (TransformType.PRF, Prf.PRF_HMAC_SHA2_256, None),
    (TransformType.INTEG, Integ.AUTH_HMAC_SHA2_256_128, None),
    (TransformType.KE, Ke.MODP_2048, None),
)
NOTIFIES = (Notify.NAT_DETECTION_SOURCE_IP, Notify.NAT_DETECTION_DESTINATION_IP)


def ours() -> IKEv2:
    """An IKE_SA_INIT request of four proposals with five transforms each."""
    proposals = [
        IKEv2_Proposal(
            transform=[
                IKEv2_Transform(transform_type=kind, transform_id=number, key_length=bits)
                for kind, number, bits in TRANSFORMS
            ]
        )
        for _ in range(4)
    ]
    payloads = [
        IKEv2_SA(proposal=proposals),
        IKEv2_KE(group=Ke.MODP_2048, ke=KE),
        IKEv2_Nonce(nonce=NONCE),
        *(IKEv2_Notify(type=kind, notify=bytes(20)) for kind in NOTIFIES),
    ]
    return message(payloads, init_SPI=SPI, flags=8)


def _chained(packets: list[Any]) -> Any:
    for packet, following in pairwise(packets):
        packet.add_payload(following)
    return packets[0]


def theirs() -> Any:
    """The same message with contrib, chained in place."""
    proposals = []
    for number in range(1, 5):
        transforms = []
        for place, (kind, ident, bits) in enumerate(TRANSFORMS):
            length = {} if bits is None else {"key_length": bits, "length": 12}
            more = 0 if place == len(TRANSFORMS) - 1 else 3
            transforms.append(
                contrib.IKEv2_Transform(
                    next_payload=more, transform_type=kind, transform_id=ident, **length
                )
            )
        proposals.append(
            contrib.IKEv2_Proposal(
                next_payload=0 if number == 4 else 2,
                proposal=number,
                trans_nb=len(TRANSFORMS),
                trans=_chained(transforms),
            )
        )
    return _chained(
        [
            contrib.IKEv2(init_SPI=SPI, next_payload=33, exch_type=34, flags=8),
            contrib.IKEv2_SA(next_payload=34, prop=_chained(proposals)),
            contrib.IKEv2_KE(next_payload=40, group=14, ke=KE),
            contrib.IKEv2_Nonce(next_payload=41, nonce=NONCE),
            contrib.IKEv2_Notify(next_payload=41, type=NOTIFIES[0], notify=bytes(20)),
            contrib.IKEv2_Notify(next_payload=0, type=NOTIFIES[1], notify=bytes(20)),
        ]
    )


def touch(packet: Any) -> int:
    """Read every field of the header and of each payload; how many there were."""
    count = 0
    while packet:
        for field in packet.fields_desc:
            packet.getfieldval(field.name)
            count += 1
        packet = packet.payload
    return count


def touch_deep(packet: Any) -> int:
    """Read every field down to the last attribute."""
    count, todo = 0, [packet]
    while todo:
        item = todo.pop()
        while item:
            for field in item.fields_desc:
                value = item.getfieldval(field.name)
                count += 1
                if isinstance(value, list):
                    todo += [v for v in value if hasattr(v, "fields_desc")]
                elif field.holds_packets and value:
                    todo.append(value)
            item = item.payload
    return count


def pairs() -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Name of the work -> how we do it, how contrib does it."""
    data = bytes(ours())
    if bytes(theirs()) != data:
        raise SystemExit("the two sides do not build the same message")
    template, their_template = IKEv2(data), contrib.IKEv2(data)
    spis = [bytes([n]) * 8 for n in range(256)]
    turn = iter(range(1 << 60))

    def rebuild(packet: Any) -> bytes:
        packet.init_SPI = spis[next(turn) & 255]
        return bytes(packet)

    return {
        "dissect": (lambda: touch(IKEv2(data)), lambda: touch(contrib.IKEv2(data))),
        "dissect header": (lambda: IKEv2(data).id, lambda: contrib.IKEv2(data).id),
        "dissect deep": (
            lambda: touch_deep(IKEv2(data)),
            lambda: touch_deep(contrib.IKEv2(data)),
        ),
        "build fresh": (lambda: bytes(ours()), lambda: bytes(theirs())),
        "rebuild from template": (
            lambda: rebuild(template),
            lambda: rebuild(their_template),
        ),
        "copy": (template.copy, their_template.copy),
    }


def rate(work: Callable[[], object], seconds: float) -> float:
    """Calls in a second, over at least this long."""
    calls, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        for _ in range(4):
            work()
        calls += 4
    return calls / spent


def compare(
    us: Callable[[], object], them: Callable[[], object], rounds: int = 7, seconds: float = 0.1
) -> tuple[float, float]:
    """Median rates of both, measured in turns."""
    rates = [(rate(us, seconds), rate(them, seconds)) for _ in range(rounds)]
    return statistics.median(r[0] for r in rates), statistics.median(r[1] for r in rates)


def main() -> int:
    """Print the ratios; 1 where one is below its target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.1, help="of each turn")
    options = parser.parse_args()
    failed = 0
    print(f"{'':24}{'ours/s':>10}{'contrib/s':>12}{'ratio':>8}  target")
    for name, (us, them) in pairs().items():
        fast, slow = compare(us, them, options.rounds, options.seconds)
        target = TARGETS.get(name)
        failed += target is not None and fast / slow < target
        wanted = f"  {target:.0f}" if target else ""
        print(f"{name:24}{fast:10,.0f}{slow:12,.0f}{fast / slow:8.1f}{wanted}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
