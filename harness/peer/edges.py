"""Faults of the reference peer where a child begins and ends, and in what goes beside it.

Rows as `manners` has them.
"""

from __future__ import annotations

from ikelab.harness.peer.fault_rows import Row, conduct, wire

ALSO: dict[str, str] = {
    "answers-repeated-requests-anew": "MID-14",
    "keeps-what-it-rekeyed": "CHD-19",
    "ends-with-its-rekey": "CHD-14",
    "undoes-no-rekey": "CHD-14",
    "proves-nothing": "AUT-17 ESP-08",
    "drops-the-ike-sa-with-its-child": "CP-04",
    "dies-of-who-it-refuses": "AUT-14",
}

ROWS: list[Row] = [
    wire(
        "accepts-no-address",
        "MOB-01",
        "every INFORMATIONAL request is told UNACCEPTABLE_ADDRESSES",
        'INFORMATIONAL/response: insert("SK", payload=notify("UNACCEPTABLE_ADDRESSES"))',
    ),
    conduct(
        "accepts-any-child",
        "INIT-04",
        "a first child of algorithms outside its policy is accepted",
        "insist_on_child_policy",
    ),
    conduct(
        "counts-what-has-no-order",
        "INIT-04",
        "of unspecified sequence numbers it drops what came before",
        "esp_unspecified",
    ),
    conduct(
        "looks-nothing-up",
        "AUT-26",
        "it says HTTP_CERT_LOOKUP_SUPPORTED and refuses what lies elsewhere",
        "look_up",
    ),
    conduct(
        "takes-whole-nonces",
        "KEY-02",
        "SKEYSEED of AES-XCBC and AES-CMAC is made of all octets of the nonces",
        "cut_nonces",
    ),
    conduct(
        "needs-no-marker",
        "NAT-07",
        "on port 4500 it reads IKE messages without the non-ESP marker",
        "insist_on_marker",
    ),
    conduct(
        "wants-single-pairs-of-everybody",
        "TS-06",
        "SINGLE_PAIR_REQUIRED answers the single pair that it asked for",
        "take_single_pairs",
    ),
    wire(
        "compresses-as-it-likes",
        "ESP-07",
        "IPCOMP_SUPPORTED comes unasked, and with an algorithm that nobody offered",
        'IKE_AUTH/response: insert("SK", before="SA", '
        'payload=notify("IPCOMP_SUPPORTED", data=b"\\x00\\x04\\x04"))',
    ),
    conduct(
        "drops-what-is-compressed",
        "ESP-07",
        "it agrees on DEFLATE with a CPI of its own, and takes nothing that is compressed",
        "esp_compressed",
    ),
    wire(
        "answers-with-both-sequence-numbers",
        "ESP-02",
        "an accepted child with an algorithm for integrity has sequence numbers of both kinds",
        """
        IKE_AUTH/response: duplicate("SK.SA.proposal[0].transform[2]")
        IKE_AUTH/response: SK.SA.proposal[0].transform[3].transform_id = 1
        """,
    ),
    conduct(
        "forgets-the-high-bits",
        "ESP-02",
        "of an extended sequence number it has 32 bits",
        "esp_high_bits",
    ),
    conduct(
        "drops-what-it-rekeys",
        "CHD-19",
        "a child is gone as soon as its rekey has been answered",
        "keep_rekeyed",
    ),
    conduct(
        "opens-what-is-deleted",
        "ESP-09",
        "ESP of a child that was deleted is taken",
        "esp_forget",
    ),
    conduct(
        "answers-in-clear",
        "ESP-09",
        "what a child protects is taken and answered without protection",
        "esp_alone",
    ),
]
