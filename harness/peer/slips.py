"""Faults of the reference peer in what extends RFC 7296. Rows as `manners` has them."""

from __future__ import annotations

from ikelab.harness.peer.fault_rows import Row, conduct, wire

ALSO: dict[str, str] = {
    "accepts-any-key": "AUT-21 AUT-22",
    "takes-any-public-value": "PQ-08",
    "takes-no-fragments": "PQ-13",
    "proves-nothing": "AGG-01 AUT-21 AUT-23 GIK-01 PQ-02 RED-ERR TCP-01",
    "chokes-on-oddities": "AUT-24",
    "answers-to-the-old-port": "MOB-03",
    "ignores-liveness-checks": "CP-05 MOB-02 TS-14",
    "never-begins": "RED-02 COO-09",
    "answers-a-child-with-two-proposals": "AGG-01 CHL-01",
}


ROWS: list[Row] = [
    # EAP and further proofs
    wire(
        "proves-no-key",
        "AUT-21 AUT-23 CHL-01",
        "as initiator its AUTH does not verify",
        "IKE_AUTH/request: SK.AUTH.load ^= b'\\x01'",
    ),
    wire(
        "announces-proofs-unasked",
        "AUT-21",
        "as initiator it says ANOTHER_AUTH_FOLLOWS to a responder that does not know it",
        'IKE_AUTH/request: insert("SK", payload=notify("ANOTHER_AUTH_FOLLOWS"))',
    ),
    conduct(
        "lets-anybody-in-by-eap",
        "AUT-23",
        "EAP succeeds whatever the user knows",
        "verify_eap",
    ),
    conduct(
        "believes-an-early-success",
        "AUT-24",
        "as initiator it takes EAP Success before the method has come to its end",
        "await_eap",
    ),
    # Announced methods
    wire(
        "announces-no-methods",
        "AUT-25",
        "it does not say by which methods it takes a proof",
        'IKE_SA_INIT/response: drop("N(SUPPORTED_AUTH_METHODS)")',
    ),
    conduct(
        "proves-itself-as-it-likes",
        "AUT-25",
        "its AUTH is of a method that was not announced to it",
        "heed_methods",
    ),
    # MOBIKE
    conduct(
        "follows-without-an-update",
        "MOB-03",
        "with MOBIKE its own requests go to where the last one of ours came from",
        "await_updates",
    ),
    # Childless IKE SAs
    wire(
        "announces-no-childless-sas",
        "CHL-01",
        "it does not say that it can do without a child",
        'IKE_SA_INIT/response: drop("N(CHILDLESS_IKEV2_SUPPORTED)")',
    ),
    conduct(
        "asks-for-no-child-of-anybody",
        "CHL-01",
        "as initiator it leaves the child out where the responder did not announce that",
        "heed_childless",
    ),
    # Lifetimes of proofs
    wire(
        "tells-no-lifetime",
        "CHD-23",
        "AUTH_LIFETIME is left out",
        'IKE_AUTH/response: drop("SK.N(AUTH_LIFETIME)")',
    ),
    conduct(
        "proves-itself-once",
        "CHD-23",
        "as initiator it lets the time of its proof go by",
        "prove_anew",
    ),
    # Crashes and failovers
    conduct(
        "tells-of-crashes-without-a-token",
        "INF-15",
        "INVALID_IKE_SPI comes without the token that proves it",
        "tell_token",
    ),
    conduct("believes-any-token", "INF-15", "any token ends an IKE SA", "check_token"),
    conduct("keeps-the-nonce", "INF-15", "the nonce of a synchronisation is lost", "echo_sync"),
    conduct(
        "counts-anew-for-anybody",
        "INF-15",
        "message IDs are set anew where that was not agreed on",
        "agree_first",
    ),
    # Mobility
    wire(
        "forgets-the-hashes-of-an-update",
        "MOB-01",
        "an update is answered without NAT detection",
        'INFORMATIONAL/response: drop("SK.N(NAT_DETECTION_SOURCE_IP)")',
    ),
    wire(
        "moves-without-a-word",
        "MOB-01",
        "as initiator it tells nobody that its address has changed",
        'INFORMATIONAL/request: drop("SK.N(UPDATE_SA_ADDRESSES)")',
    ),
    conduct("takes-no-updates", "MOB-01", "updates move nothing", "take_updates"),
    conduct("keeps-cookie2", "MOB-01", "COOKIE2 is not given back", "return_cookie2"),
    conduct(
        "allows-every-nat",
        "MOB-02",
        "NO_NATS_ALLOWED is not held against the addresses",
        "heed_no_nats",
    ),
    # Redirects
    conduct("stays-where-it-is", "RED-01", "as initiator it goes nowhere else", "go_elsewhere"),
    conduct(
        "goes-wherever-it-is-sent",
        "RED-02",
        "as initiator it follows a REDIRECT of whoever has not seen its request",
        "check_redirect",
    ),
    conduct(
        "goes-without-end",
        "RED-01",
        "as initiator it follows every REDIRECT, however many there were",
        "bound_redirects",
    ),
    wire(
        "sends-another-nonce-away",
        "RED-01",
        "REDIRECT does not repeat the nonce",
        "IKE_SA_INIT/response: N(REDIRECT).notify ^= b'\\x01'",
    ),
    wire(
        "sends-nobody-away",
        "RED-01",
        "REDIRECT is left out",
        """
        IKE_AUTH/response: drop("SK.N(REDIRECT)")
        INFORMATIONAL/request: drop("SK.N(REDIRECT)")
        """,
    ),
    conduct(
        "sends-everybody-away",
        "RED-01",
        "who did not announce it is redirected too",
        "redirect_who_asks",
    ),
    # Tickets
    wire(
        "answers-tickets-without-a-nonce",
        "RES-01",
        "the answer to a ticket has no nonce",
        'IKE_SESSION_RESUME/response: drop("Nonce")',
    ),
    wire(
        "says-nothing-of-bad-tickets",
        "RES-01",
        "TICKET_NACK is left out",
        'IKE_SESSION_RESUME/response: drop("N(TICKET_NACK)")',
    ),
    # TCP
    conduct(
        "takes-any-prefix", "TCP-02", "a TCP stream may begin with anything", "check_tcp_prefix"
    ),
    conduct(
        "takes-segments-for-messages",
        "TCP-01",
        "of a TCP stream it reads segments that are one frame each",
        "join_segments",
    ),
    conduct(
        "chokes-on-streams",
        "TCP-02",
        "after a TCP stream that breaks, no other one is served",
        "survive_streams",
    ),
    # Puzzles
    conduct("asks-for-no-work", "COO-09", "no puzzle goes beside the cookie", "ask_puzzles"),
    conduct("takes-any-solution", "COO-09", "keys that solve nothing are taken", "check_puzzles"),
    # Additional key exchanges
    conduct(
        "answers-no-intermediate",
        "PQ-01 PQ-03 PQ-05 PQ-09 PQ-10 PQ-11 PQ-12 PQ-13 PQ-16",
        "it chooses additional key exchanges and does not announce INTERMEDIATE_EXCHANGE_SUPPORTED",
        "announce_rounds",
    ),
    conduct(
        "leaves-intermediate-uncovered",
        "PQ-04",
        "AUTH does not cover IKE_INTERMEDIATE, ours or its own",
        "cover_intermediate",
    ),
    conduct(
        "keeps-the-first-keys",
        "PQ-01 PQ-05 PQ-11 PQ-13",
        "after an additional key exchange it goes on with the keys it had",
        "change_keys",
    ),
    conduct(
        "takes-skipped-exchanges",
        "PQ-06",
        "IKE_AUTH is taken before the key exchanges that were negotiated",
        "insist_on_rounds",
    ),
    conduct(
        "chooses-a-method-twice",
        "PQ-07",
        "one key exchange method is chosen in two slots",
        "distinct_methods",
    ),
    conduct(
        "gives-a-link-to-nothing",
        "PQ-11",
        "the last response of IKE_FOLLOWUP_KE has a link",
        "end_links",
    ),
    conduct(
        "forgets-what-a-link-is",
        "PQ-12",
        "an unknown link gets another error than STATE_NOT_FOUND",
        "know_links",
    ),
    # Children
    wire(
        "grants-no-aggfrag",
        "AGG-01",
        "USE_AGGFRAG is not answered",
        'IKE_AUTH/response: drop("SK.N(USE_AGGFRAG)")',
    ),
    wire(
        "grants-aggfrag-unasked",
        "AGG-01",
        "USE_AGGFRAG comes without being asked for",
        'IKE_AUTH/response: insert("SK", payload=notify("USE_AGGFRAG", data=b"\\0"))',
    ),
    conduct("counts-no-queues", "AGG-01", "there is no end of children for CPUs", "count_queues"),
    conduct("takes-any-label", "TS-14", "a child of another label comes up", "match_labels"),
    wire(
        "drops-labels",
        "TS-14",
        "the label does not come back",
        'IKE_AUTH/response: drop("SK.TSi[1]")',
    ),
]
