"""More faults of the reference peer: how it reads offers, keeps its manners, and what kills it.

Rows as `faults` makes them: name, cases, text, plan, conduct. `ALSO` gives the faults that are
there already more cases to trip.
"""

from __future__ import annotations

from ikelab.harness.peer.fault_rows import Row, conduct, wire

_INIT = "IKE_SA_INIT/response: "
_AUTH = "IKE_AUTH/response: "
_CREATE = "CREATE_CHILD_SA/response: "
_INFO = "INFORMATIONAL/response: "

ALSO: dict[str, str] = {
    "ignores-liveness-checks": "CHD-05 CHD-12 INF-08 MID-08 MID-13 TS-13",
    "answers-repeated-requests-anew": "MID-03 MID-12",
    "keeps-deleted-sas": "MID-11",
    "refuses-unknown-payloads": "VER-07",
    "skips-critical-payloads": "VER-07",
    "refuses-its-own-cookie": "COO-03",
    "narrows-without-need": "TS-05 TS-07 TS-10",
    "deletes-twice": "INF-03",
    "drops-the-ike-sa-with-its-child": "INF-09",
    "dies-of-what-it-refuses": "CHD-06 CHD-09",
    "rekeys-what-it-does-not-have": "CHD-09",
    "refuses-rekeys": "CHD-20 CHD-21",
    "takes-no-fragments": "FRG-02",
    "ignores-nat-detection": "NAT-04",
}


ROWS: list[Row] = [
    conduct(
        "chokes-on-oddities",
        "CP-02 FRG-05 FRG-06 FRG-07 FRG-08 INF-13 INIT-11 INIT-19 INIT-20 INIT-21 INIT-23 INIT-25 "
        "INIT-27 COO-05 TS-07 TS-08 VER-11 VER-14 VER-15 VER-16 VER-18 VER-19 VER-20",
        "after a message that no honest peer sends nothing is answered any more",
        "survive_oddities",
    ),
    # Offers
    conduct(
        "takes-any-key-length",
        "INIT-06 INIT-07",
        "AES is taken as AES-128 whatever Key Length comes with it, or none",
        "check_key_length",
    ),
    conduct(
        "stumbles-over-unknown-transforms",
        "INIT-08",
        "a proposal with an unknown transform is refused as a whole",
        "skip_unknown_transforms",
    ),
    conduct(
        "overlooks-unknown-transform-types",
        "INIT-09",
        "a proposal is accepted without the transform type that it does not know",
        "refuse_unknown_types",
    ),
    conduct(
        "overlooks-unknown-attributes",
        "INIT-10",
        "a transform is accepted without the attribute that it does not know",
        "refuse_unknown_attributes",
    ),
    wire(
        "cuts-its-public-value",
        "INIT-26 INIT-28",
        "the public value has five octets",
        _INIT + 'truncate("KE.ke", 5)',
    ),
    conduct(
        "takes-no-nonces-but-of-32-octets",
        "INIT-21",
        "nonces of another length than its own are refused",
        "accept_nonce_lengths",
    ),
    wire(
        "repeats-its-nonce",
        "INIT-22",
        "every nonce is the same",
        _INIT + "Nonce.nonce = " + repr(bytes(range(32))),
    ),
    conduct(
        "takes-any-public-value",
        "INIT-24",
        "public values are not tested",
        "check_public_values",
    ),
    # An initiator and its answers
    conduct(
        "follows-any-group",
        "INIT-14",
        "as initiator it uses the group of INVALID_KE_PAYLOAD, offered or not",
        "insist_on_own_groups",
    ),
    conduct(
        "retries-without-end",
        "INIT-15 COO-07",
        "as initiator it follows every cookie and every group",
        "bound_retries",
    ),
    conduct(
        "takes-any-answer",
        "INIT-16 INIT-17 INIT-18",
        "as initiator it does not hold the answer against its offer",
        "insist_on_offer",
    ),
    wire(
        "never-begins",
        "INIT-16 INIT-17",
        "as initiator it sends no first request",
        "IKE_SA_INIT/request: wire.drop()",
    ),
    conduct(
        "minds-the-spi-of-refusals",
        "INIT-29",
        "as initiator it rejects a refusal whose SPIr is not zero",
        "ignore_spi_in_refusals",
    ),
    conduct(
        "overlooks-unknown-errors",
        "INF-05",
        "as initiator it takes a response with an unknown error for a success",
        "heed_unknown_errors",
    ),
    conduct(
        "insists-on-its-first-child",
        "INF-10",
        "as initiator it fails the authentication when the child is refused",
        "keep_ike_on_child_error",
    ),
    conduct(
        "takes-wider-selectors",
        "TS-11",
        "as initiator it uses whatever selectors come back",
        "keep_own_selectors",
    ),
    # Cookies
    conduct("asks-for-no-cookies", "COO-01", "no cookie is ever asked for", "demand_cookies"),
    conduct("takes-any-cookie", "COO-03", "any cookie is accepted", "check_cookie"),
    conduct(
        "gives-no-cookies-back",
        "COO-04 COO-05",
        "as initiator it does not repeat its request with the cookie",
        "return_cookie",
    ),
    wire(
        "changes-its-nonce-with-the-cookie",
        "COO-04",
        "as initiator it repeats its request with another nonce",
        "IKE_SA_INIT/request#1: Nonce.nonce ^= b'\\x01'",
    ),
    conduct(
        "gives-one-cookie-back",
        "COO-06",
        "as initiator it does not follow a second cookie",
        "second_cookie",
    ),
    conduct(
        "chokes-on-half-open-sas",
        "COO-08",
        "with more than twenty IKE SAs nothing is answered any more",
        "survive_many",
    ),
    wire(
        "answers-twice",
        "COO-10",
        "the response to IKE_SA_INIT is sent twice",
        _INIT + "wire.duplicate(2, gap=0.2)",
    ),
    # Message IDs and retransmission
    conduct(
        "repeats-at-one-pace",
        "MID-04",
        "requests are repeated after the same time again and again",
        "back_off",
    ),
    conduct(
        "repeats-with-other-octets",
        "MID-04 MID-13 FRG-10",
        "what is sent again differs in its last octet",
        "resend_same",
    ),
    conduct(
        "repeats-nothing",
        "MID-04 MID-07 MID-14",
        "requests are sent once and no more",
        "repeat_requests",
    ),
    conduct(
        "takes-any-message-id",
        "MID-05 MID-06",
        "requests of every message ID are carried out",
        "keep_window",
    ),
    conduct(
        "takes-any-response",
        "MID-07",
        "a response is taken for what is outstanding, whatever its message ID",
        "match_ids",
    ),
    conduct(
        "announces-a-window-that-it-has-not",
        "MID-09",
        "SET_WINDOW_SIZE says four, and one request is taken at a time",
        "honour_window",
    ),
    # Liveness, and what nobody has proven
    conduct("checks-no-liveness", "LIV-02", "a silent peer is left alone", "check_liveness"),
    conduct(
        "gives-up-at-once",
        "LIV-02",
        "one liveness check without an answer is the end",
        "retry_liveness",
    ),
    conduct(
        "deletes-what-is-dead",
        "LIV-05",
        "a delete is sent while the liveness check is still outstanding",
        "keep_quiet",
    ),
    conduct(
        "believes-what-is-unprotected",
        "LIV-03 INF-06",
        "errors and deletes without protection end the IKE SA",
        "require_protection",
    ),
    conduct(
        "refuses-initial-contact", "LIV-04", "INITIAL_CONTACT is refused", "take_initial_contact"
    ),
    conduct(
        "talks-to-strangers",
        "INF-07",
        "messages for unknown SPIs, responses too, get INVALID_SYNTAX",
        "say_little",
    ),
    conduct(
        "answers-responses",
        "INIT-27",
        "IKE_SA_INIT marked as a response is answered",
        "ignore_responses",
    ),
    # What has to be ignored
    conduct(
        "minds-reserved-bits",
        "VER-03 VER-04",
        "messages with reserved bits are refused",
        "ignore_reserved",
    ),
    conduct(
        "minds-the-critical-bit-of-known-payloads",
        "VER-08",
        "known payloads with the critical bit are refused",
        "ignore_critical",
    ),
    conduct("minds-the-order", "VER-09", "payloads in another order are refused", "ignore_order"),
    conduct(
        "minds-vendors",
        "VER-20",
        "messages with an unfamiliar vendor ID are refused",
        "ignore_vendors",
    ),
    conduct(
        "minds-unknown-notifies",
        "INF-05",
        "requests with an unknown notify are refused",
        "ignore_notifies",
    ),
    wire(
        "proves-nothing",
        "AUT-01 INF-15",
        "AUTH of the responder does not verify",
        _AUTH + "SK.AUTH.load ^= b'\\x01'",
    ),
    # Syntax
    conduct(
        "needs-no-payloads",
        "VER-10",
        "a missing nonce, AUTH or selector is made up for",
        "insist_on_payloads",
    ),
    conduct(
        "reads-what-is-broken",
        "VER-13",
        "a chain that breaks, or an SA payload that does not add up, is read as far as it goes",
        "check_chain",
    ),
    conduct(
        "takes-any-exchange-type",
        "VER-16 VER-17",
        "IKE SAs begin, and peers authenticate, under every exchange type",
        "check_exchange",
    ),
    conduct(
        "survives-invalid-syntax",
        "INF-04 INF-11",
        "after INVALID_SYNTAX the IKE SA goes on",
        "end_on_syntax_error",
    ),
    # Protection
    conduct("checks-no-icv", "INF-12", "what does not verify is processed", "check_icv"),
    conduct("minds-padding", "INF-13", "padding of another kind is refused", "take_padding"),
    conduct("minds-ivs", "INF-14", "an IV that came before is not accepted", "take_any_iv"),
    conduct("repeats-its-iv", "INF-14", "every message has the same IV", "fresh_iv"),
    # Selectors
    conduct(
        "takes-one-selector",
        "TS-04 TS-07 TS-09",
        "more than one selector in a payload is refused",
        "take_several_selectors",
    ),
    conduct(
        "minds-unknown-selectors",
        "TS-09",
        "selectors of unknown types are refused",
        "ignore_unknown_selectors",
    ),
    wire(
        "narrows-at-rekeys",
        "TS-12",
        "the new child has fewer ports than the old one",
        _CREATE + "SK.TSr[0].end_port = 1000",
    ),
    # Configuration
    wire(
        "gives-no-address",
        "CP-01 CP-02 CP-03 CP-04 CP-05",
        "CP(CFG_REPLY) is left out",
        _AUTH + 'drop("SK.CP")',
    ),
    wire(
        "puts-the-configuration-last",
        "CP-01",
        "CP stands behind SA",
        _AUTH + 'move("SK.CP", after="SA")',
    ),
    wire(
        "configures-who-did-not-ask",
        "CP-01",
        "CP(CFG_REPLY) comes without a request",
        _AUTH + 'insert("SK", before="SA", payload=cp(2))',
    ),
    wire(
        "asks-for-no-address",
        "CP-01",
        "as initiator it does not ask for the address that it wants",
        'IKE_AUTH/request: drop("SK.CP")',
    ),
    conduct(
        "minds-unknown-attributes",
        "CP-02",
        "a request with an unknown attribute gets no address",
        "ignore_attributes",
    ),
    conduct(
        "minds-the-type-of-address",
        "CP-03",
        "a request for an address that it has no network for gets no other either",
        "skip_versions",
    ),
    conduct(
        "needs-no-address",
        "CP-03",
        "a child comes up without the address that its policy needs",
        "insist_on_request",
    ),
    wire(
        "accepts-with-data",
        "CP-05",
        "CFG_ACK repeats the data that was pushed",
        _INFO + 'insert("SK", payload=cp(4, (3, b"\\x0a\\x02\\x00\\x35")))',
    ),
    # Fragments
    conduct(
        "needs-fragments-in-order",
        "FRG-02",
        "fragments that come out of order are dropped",
        "take_any_order",
    ),
    conduct(
        "drops-all-for-one-bad-fragment",
        "FRG-03",
        "a fragment that does not verify takes the others with it",
        "keep_good_fragments",
    ),
    conduct(
        "answers-every-fragment-again",
        "FRG-02",
        "each fragment of an answered request brings its response once more",
        "ignore_later_fragments",
    ),
    conduct(
        "fragments-unasked",
        "FRG-06",
        "responses go in fragments to who did not announce that it takes them",
        "agree_on_fragments",
    ),
    conduct(
        "mixes-up-sets-of-fragments",
        "FRG-04",
        "a fragment of another total takes the others with it",
        "restart_fragments",
    ),
    # NAT
    conduct(
        "reads-one-source-hash",
        "NAT-04",
        "of several source hashes only the first is looked at",
        "match_any_hash",
    ),
    conduct(
        "sees-nats-everywhere",
        "NAT-05",
        "where no hashes came it takes both sides for translated",
        "no_hash_no_nat",
    ),
    wire(
        "answers-to-port-500",
        "NAT-06",
        "responses go to port 500 whatever port asked",
        _INIT + "wire.to_port(500)",
    ),
    wire(
        "forgets-the-marker",
        "NAT-06",
        "responses on port 4500 come without the non-ESP marker",
        _INIT + "wire.marker(b'')",
    ),
]
