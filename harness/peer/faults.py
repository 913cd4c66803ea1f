"""Planted faults of the reference peer: what trips each oracle, as data.

A fault is a plan of edits on what the peer sends, switches of its conduct, or both. `cases` are
the catalogue ids that must FAIL with it. A case without a fault proves nothing about a peer.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ikelab.harness.edits import Plan
from ikelab.harness.errors import ConfigError, nearest
from ikelab.harness.peer import manners, path_faults, quantum, slips


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to be wrong."""

    name: str
    text: str
    cases: tuple[str, ...]
    plan: Plan = field(default_factory=Plan)
    conduct: tuple[str, ...] = ()


def _fault(
    name: str, cases: str, text: str, plan: str = "", conduct: tuple[str, ...] = ()
) -> tuple[str, Fault]:
    return name, Fault(name, text, tuple(cases.split()), Plan.parse(plan), conduct)


_INIT = "IKE_SA_INIT/response: "
_AUTH = "IKE_AUTH/response: "
_CREATE = "CREATE_CHILD_SA/response: "

FAULTS: dict[str, Fault] = dict(
    [
        _fault(
            "answers-with-two-proposals",
            "INIT-01",
            "the accepted SA holds two proposals",
            _INIT + 'duplicate("SA.proposal[0]")',
        ),
        _fault(
            "answers-with-another-group",
            "INIT-01",
            "the KE payload names another group than the SA chose",
            _INIT + "KE.group = 5",
        ),
        _fault(
            "sends-a-short-nonce",
            "INIT-01",
            "the nonce has eight octets",
            _INIT + 'truncate("Nonce.nonce", 8)',
        ),
        _fault(
            "numbers-every-proposal-1",
            "INIT-02",
            "the accepted proposal is numbered 1, whichever was accepted",
            _INIT + "SA.proposal[0].number = 1",
        ),
        _fault(
            "returns-two-transforms-of-a-type",
            "INIT-03",
            "two ENCR transforms come back",
            _INIT + 'duplicate("SA.proposal[0].transform[0]")',
        ),
        _fault(
            "accepts-any-proposal",
            "INIT-04",
            "a suite outside its policy is accepted",
            conduct=("insist_on_policy",),
        ),
        _fault(
            "takes-aead-with-integrity",
            "INIT-05",
            "a combined-mode cipher that was offered with an integrity algorithm is accepted",
            conduct=("refuse_aead_with_integ",),
        ),
        _fault(
            "answers-aead-with-integrity",
            "INIT-05",
            "an integrity algorithm that nobody offered comes back beside a combined-mode cipher",
            _INIT + "SA.proposal[0].transform[1].transform_type = 3",
        ),
        _fault(
            "asks-for-a-group-never-offered",
            "INIT-12",
            "INVALID_KE_PAYLOAD names a group outside the offer",
            _INIT + r"N(INVALID_KE_PAYLOAD).notify = b'\x00\x01'",
        ),
        _fault(
            "refuses-the-group-it-asked-for",
            "INIT-13",
            "the retry with the group it asked for gets INVALID_KE_PAYLOAD again",
            conduct=("accept_ke_retry",),
        ),
        _fault(
            "answers-repeated-requests-anew",
            "MID-01 MID-02",
            "a repeated request is carried out again and gets another response",
            conduct=("keep_responses",),
        ),
        _fault(
            "ignores-liveness-checks",
            "LIV-01",
            "an empty INFORMATIONAL request is not answered",
            conduct=("answer_liveness",),
        ),
        _fault(
            "answers-liveness-with-a-payload",
            "LIV-01",
            "the response to an empty INFORMATIONAL request is not empty",
            'INFORMATIONAL/response: insert("SK", payload=notify("INITIAL_CONTACT"))',
        ),
        _fault(
            "speaks-any-major-version",
            "VER-01",
            "a message of major version 3 is processed",
            conduct=("check_version",),
        ),
        _fault(
            "drops-higher-minor-versions",
            "VER-02",
            "a message of version 2.5 is dropped",
            conduct=("tolerate_minor",),
        ),
        _fault(
            "refuses-unknown-payloads",
            "VER-05",
            "an unknown payload without the critical bit is refused",
            conduct=("skip_unknown",),
        ),
        _fault(
            "skips-critical-payloads",
            "VER-06",
            "an unknown payload with the critical bit is skipped",
            conduct=("refuse_critical",),
        ),
        _fault(
            "names-another-critical-payload",
            "VER-06",
            "UNSUPPORTED_CRITICAL_PAYLOAD names a type that was not there",
            _INIT + r"N(UNSUPPORTED_CRITICAL_PAYLOAD).notify = b'\x21'",
        ),
        _fault(
            "hangs-on-a-wrong-length",
            "VER-12",
            "after a message whose length is not the datagram's nothing is answered any more",
            conduct=("survive_length",),
        ),
        _fault(
            "refuses-its-own-cookie",
            "COO-02",
            "the right cookie is answered with another COOKIE",
            conduct=("accept_cookie",),
        ),
        _fault(
            "accepts-any-key",
            "AUT-01 AUT-02 AUT-03 AUT-04 AUT-05 AUT-10 AUT-11 AUT-15 AUT-16 AUT-19 AUT-20",
            "AUTH is not verified",
            conduct=("verify_auth",),
        ),
        _fault(
            "refuses-in-clear",
            "AUT-01",
            "AUTHENTICATION_FAILED leaves without protection",
            conduct=("protect_errors",),
        ),
        _fault(
            "narrows-without-need",
            "TS-01",
            "selectors that the policy allows come back smaller",
            _AUTH + "SK.TSr[0].end_port = 1000",
        ),
        _fault(
            "never-narrows",
            "TS-02 TS-03",
            "every offered selector is accepted, whatever the policy",
            conduct=("narrow",),
        ),
        _fault(
            "answers-with-wider-selectors",
            "TS-02",
            "TSr is wider than what was offered",
            _AUTH + "SK.TSr[0].starting_address = '0.0.0.0'",
        ),
        _fault(
            "drops-the-ike-sa-with-its-child",
            "TS-03",
            "TS_UNACCEPTABLE ends the IKE SA too",
            conduct=("keep_ike_on_child_error",),
        ),
        _fault(
            "sends-a-wrong-source-hash",
            "NAT-01",
            "NAT_DETECTION_SOURCE_IP is not the hash of its address",
            _INIT + r"N(NAT_DETECTION_SOURCE_IP).notify ^= b'\x01'",
        ),
        _fault(
            "ignores-nat-detection",
            "NAT-02 NAT-03",
            "a hash that does not match is taken for a match",
            conduct=("detect_nat",),
        ),
        _fault(
            "answers-to-the-old-port",
            "NAT-02",
            "the response goes to port 500 although the request came from 4500",
            conduct=("float_ports",),
        ),
        _fault(
            "sends-no-keepalives",
            "NAT-03",
            "it is behind a NAT and does not keep the mapping alive",
            conduct=("send_keepalives",),
        ),
        _fault(
            "answers-no-deletes",
            "INF-01",
            "the delete of a child is answered without the paired SPI",
            conduct=("answer_deletes",),
        ),
        _fault(
            "keeps-deleted-sas",
            "INF-02",
            "a deleted IKE SA stays",
            conduct=("forget_deleted",),
        ),
        _fault(
            "answers-without-certreq",
            "SEED-01",
            "the walk-through's responder sends no CERTREQ",
            _INIT + 'drop("CERTREQ")',
        ),
        _fault(
            "asks-for-no-configuration",
            "SEED-02",
            "the walk-through's initiator sends no CFG_REQUEST",
            'IKE_AUTH/request: drop("SK.CP")',
        ),
        _fault(
            "sets-reserved-flags",
            "INIT-01",
            "reserved bits of the header's flags are set",
            _INIT + "header.flags |= 1",
        ),
        _fault(
            "answers-a-child-with-two-proposals",
            "CHD-01 CHD-02 CHD-03 CHD-07",
            "the accepted SA of CREATE_CHILD_SA holds two proposals",
            _CREATE + 'duplicate("SK.SA.proposal[0]")',
        ),
        _fault(
            "forgets-its-ke",
            "CHD-02 CHD-03 CHD-10",
            "the response to CREATE_CHILD_SA with KE has none",
            _CREATE + 'drop("SK.KE")',
        ),
        _fault(
            "dies-of-what-it-refuses",
            "CHD-04 CHD-11",
            "after an error notify nothing is answered any more",
            conduct=("survive_refusals",),
        ),
        _fault(
            "refuses-rekeys",
            "CHD-07 CHD-10 CHD-22 MID-10",
            "children and IKE SAs cannot be rekeyed",
            conduct=("allow_rekeys",),
        ),
        _fault(
            "rekeys-what-it-does-not-have",
            "CHD-08",
            "REKEY_SA with an unknown SPI makes a child",
            conduct=("know_children",),
        ),
        _fault(
            "goes-on-counting-message-ids",
            "MID-10",
            "a rekeyed IKE SA expects the message ID that the old one had reached",
            conduct=("restart_ids",),
        ),
        _fault(
            "makes-children-for-strangers",
            "CHD-24",
            "CREATE_CHILD_SA is served before anybody is authenticated",
            conduct=("authenticate_first",),
        ),
        _fault(
            "deletes-twice",
            "CHD-18",
            "the delete of an unknown child is answered with a Delete payload",
            conduct=("delete_once",),
        ),
        _fault(
            "takes-the-responders-keys-first",
            "KEY-01 KEY-03",
            "the keys of a child go to the wrong directions",
            conduct=("order_keymat",),
        ),
        _fault(
            "claims-another-spi",
            "KEY-03 NAT-02 ESP-01",
            "the SPI that it names is not the one that it listens on",
            _AUTH + r"SK.SA.proposal[0].SPI ^= b'\x01'",
        ),
        _fault(
            "sends-no-transport-mode",
            "ESP-01",
            "USE_TRANSPORT_MODE is not answered",
            _AUTH + 'drop("SK.N(USE_TRANSPORT_MODE)")',
        ),
        _fault(
            "takes-replayed-packets",
            "ESP-03",
            "a packet of ESP is taken as often as it comes, however old",
            conduct=("esp_replay",),
        ),
        _fault(
            "takes-any-inner-packet",
            "ESP-04",
            "what is inside ESP is not held against the selectors",
            conduct=("esp_selectors",),
        ),
        _fault(
            "takes-any-icv",
            "ESP-05",
            "the ICV of ESP is not looked at",
            conduct=("esp_icv",),
        ),
        _fault(
            "takes-any-padding",
            "ESP-05",
            "the padding of ESP is not looked at",
            conduct=("esp_padding",),
        ),
        _fault(
            "stumbles-over-tfc-padding",
            "ESP-06",
            "a packet with TFC padding is dropped, although nobody was told not to send any",
            conduct=("esp_tfc",),
        ),
        _fault(
            "pads-unasked",
            "ESP-06",
            "it pads behind the inner packet although it was told not to",
            conduct=("esp_tfc_refusal",),
        ),
        _fault(
            "answers-dummies",
            "ESP-06",
            "a dummy packet is answered with a dummy packet",
            conduct=("esp_dummies",),
        ),
        _fault(
            "takes-keepalives-for-life",
            "NAT-08",
            "a keepalive is answered and counts as a sign of life",
            conduct=("ignore_keepalives",),
        ),
        _fault(
            "takes-no-encapsulated-esp",
            "NAT-11",
            "ESP inside UDP is dropped where no NAT was found",
            conduct=("esp_encap",),
        ),
        _fault(
            "sends-esp-beside-udp",
            "NAT-02 NAT-11",
            "where a NAT was found its ESP goes without UDP all the same",
            conduct=("esp_float",),
        ),
        _fault(
            "tells-of-unknown-spis-in-clear",
            "INF-08",
            "ESP with an unknown SPI is answered with an unprotected INVALID_SPI",
            conduct=("esp_unknown_spi",),
        ),
        _fault(
            "signs-what-it-received",
            "AUT-01 AUT-06 AUT-07 AUT-08 AUT-09 AUT-18 AUT-20",
            "AUTH covers the other side's first message",
            conduct=("sign_own_octets",),
        ),
        _fault(
            "sends-no-certificate",
            "AUT-12",
            "CERTREQ is answered without the certificate that the signature needs",
            'IKE_AUTH/request: drop("SK.CERT")',
        ),
        _fault(
            "trusts-any-issuer",
            "AUT-13",
            "a certificate of an unknown CA is accepted",
            conduct=("check_anchor",),
        ),
        _fault(
            "ignores-validity",
            "AUT-13",
            "a certificate is accepted before and after its time",
            conduct=("check_validity",),
        ),
        _fault(
            "ignores-path-lengths",
            "AUT-13",
            "a CA below one that allows none is accepted",
            conduct=("check_path_length",),
        ),
        _fault(
            "ignores-crls",
            "AUT-14",
            "a revoked certificate is accepted",
            conduct=("check_revocation",),
        ),
        _fault(
            "ignores-names",
            "AUT-15 AUT-16",
            "any trusted certificate speaks for any identity",
            conduct=("match_identity",),
        ),
        _fault(
            "announces-no-hashes",
            "AUT-07",
            "SIGNATURE_HASH_ALGORITHMS is not sent",
            """
            IKE_SA_INIT/request: drop("N(SIGNATURE_HASH_ALGORITHMS)")
            IKE_SA_INIT/response: drop("N(SIGNATURE_HASH_ALGORITHMS)")
            """,
        ),
        _fault(
            "signs-with-the-other-method",
            "AUT-07",
            "method 14 is used where it was not announced, and an older one where it was",
            conduct=("heed_announcement",),
        ),
        _fault(
            "signs-with-any-hash",
            "AUT-09",
            "the signature uses a hash that was not announced to it",
            conduct=("heed_hashes",),
        ),
        _fault(
            "dies-of-who-it-refuses",
            "AUT-09 AUT-10 AUT-13 AUT-19 AUT-26",
            "after AUTHENTICATION_FAILED nothing is answered any more",
            conduct=("survive_refusals",),
        ),
        _fault(
            "takes-no-fragments",
            "FRG-01",
            "fragments are announced and then dropped",
            conduct=("reassemble",),
        ),
    ]
)

FAULTS.update(_fault(*row) for row in (*manners.ROWS, *slips.ROWS, *quantum.ROWS))
FAULTS.update(_fault(*row) for row in path_faults.ROWS)
FAULTS.update(
    (name, replace(FAULTS[name], cases=FAULTS[name].cases + tuple(more.split())))
    for also in (manners.ALSO, slips.ALSO, quantum.ALSO)
    for name, more in also.items()
)


def fault(name: str) -> Fault:
    """The fault of this name; ConfigError names the nearest."""
    if name not in FAULTS:
        hint = nearest(name, FAULTS) or f"; \"ikelab fuzz --fault '?'\" lists the {len(FAULTS)}"
        raise ConfigError(f"unknown fault {name!r}{hint}")
    return FAULTS[name]
