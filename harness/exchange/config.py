"""What an IKE SA is told: identities, keys, offers, selectors, edits, and how it behaves."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from ikelab.harness.edits import Plan
from ikelab.harness.errors import ConfigError, nearest
from ikelab.harness.exchange.configuration import Pool
from ikelab.harness.exchange.credentials import Credential, Trust
from ikelab.harness.exchange.features import NO_FEATURES, Features
from ikelab.harness.model import TS, Address, Identity, Suite


@dataclass(frozen=True, slots=True)
class Conduct:
    """The places where the engine does what RFC 7296 asks; False is a fault, for tests of tests.

    The reference peer is honest with all of them True. A fault of the wire itself is not here:
    it is a Plan of edits on what the peer sends.
    """

    verify_auth: bool = True  # 2.15: a wrong AUTH ends in AUTHENTICATION_FAILED
    check_icv: bool = True  # 3.14: a message with a wrong ICV is dropped
    drop_in_silence: bool = True  # 2.21.4: and gets no answer
    protect_errors: bool = True  # 2.21.2: errors of IKE_AUTH go inside SK
    keep_responses: bool = True  # 2.1: a repeated request gets the same response again
    check_version: bool = True  # 2.5: a higher major version is dropped and refused
    tolerate_minor: bool = True  # 2.5: a higher minor version is accepted
    skip_unknown: bool = True  # 2.5: an unknown payload without critical bit is skipped
    refuse_critical: bool = True  # 2.5: an unknown payload with critical bit is refused
    check_length: bool = True  # 3.1: a length that is not the datagram's is dropped
    survive_length: bool = True  # and what comes after it is served all the same
    check_cookie: bool = True  # 2.6: only its own cookie is accepted
    accept_cookie: bool = True  # 2.6: its own cookie is accepted
    insist_on_protection: bool = True  # 3.3.3, 5: every transform type, none of them NULL or NONE
    check_key_length: bool = True  # 3.3.5: AES without its Key Length is not acceptable
    insist_on_policy: bool = True  # 2.7: what the policy does not allow is not chosen
    refuse_aead_with_integ: bool = True  # 3.3: a combined-mode cipher goes without integrity
    accept_ke_retry: bool = True  # 1.2: the group that was asked for is accepted
    answer_liveness: bool = True  # 1.4: an empty INFORMATIONAL gets an empty response
    answer_deletes: bool = True  # 1.4.1: deletes come back in pairs
    forget_deleted: bool = True  # 1.4.1: a deleted IKE SA is gone
    narrow: bool = True  # 2.9: only what the policy allows
    keep_ike_on_child_error: bool = True  # 1.2: the IKE SA lives on without its first child
    detect_nat: bool = True  # 2.23: believes the hashes
    float_ports: bool = True  # 2.23: answers to where the request came from
    send_keepalives: bool = True  # 2.23: whoever is behind a NAT keeps the mapping
    retry_invalid_ke: bool = True  # 1.2: repeats with the group that was asked for
    repeat_offer: bool = True  # 1.2, 2.7: the retry offers all suites again
    return_cookie: bool = True  # 2.6: repeats with the cookie first
    delete_rekeyed: bool = True  # 2.8: who rekeyed deletes the old SA
    know_children: bool = True  # 2.25: a rekey of an unknown child gets CHILD_SA_NOT_FOUND
    fresh_keys: bool = True  # 2.17: keys come from the new nonces and, with KE, from g^ir
    allow_rekeys: bool = True  # 2.8: rekeys are answered as any other child
    close_redundant: bool = True  # 2.8.1, 2.8.2: of two rekeys at once one is undone
    put_off_children: bool = True  # 2.25.2: no child while the IKE SA is being rekeyed
    rekey_now: bool = True  # 2.25: a rekey is not put off by TEMPORARY_FAILURE without need
    outlive_refusals: bool = True  # 2.25: a rekey that is refused or put off ends nothing
    bide_time: bool = True  # 2.25: after TEMPORARY_FAILURE it does not ask again at once
    restart_ids: bool = True  # 2.2: message IDs begin at 0 in a rekeyed IKE SA
    authenticate_first: bool = True  # 1.2: no child before IKE_AUTH
    delete_once: bool = True  # 1.4.1: what is not there is not deleted
    survive_refusals: bool = True  # a refused request does not end the service
    take_any_order: bool = True  # RFC 7383 2.6: fragments come in any order
    keep_good_fragments: bool = True  # RFC 7383 2.6: a bad fragment is dropped alone
    restart_fragments: bool = True  # RFC 7383 2.6: a larger total starts anew, a smaller is dropped
    reassemble: bool = True  # RFC 7383 2.6: fragments are put together
    agree_on_fragments: bool = True  # RFC 7383 2.4: none are sent to who announced nothing
    ignore_later_fragments: bool = True  # RFC 7383 2.6.1: of a request that is answered
    forget_refused: bool = True  # 2.21.1: no state is kept for a refused IKE_SA_INIT
    skip_unknown_transforms: bool = True  # 3.3.6: other transforms of the type are looked at
    refuse_unknown_types: bool = True  # 3.3.6: an unknown transform type spoils its proposal
    refuse_unknown_attributes: bool = True  # 3.3.6: an unknown attribute spoils its transform
    accept_nonce_lengths: bool = True  # 3.9: 16 to 256 octets
    check_public_values: bool = True  # RFC 6989 2: public values are tested
    ignore_responses: bool = True  # 3.1: what is marked as a response gets no response
    insist_on_offer: bool = True  # 3.3.6: as initiator, terminates when the answer does not fit
    insist_on_own_groups: bool = True  # 3.4: KE is of a group that is offered beside it
    bound_retries: bool = True  # 2.6: cookies and groups are followed a few times only
    zero_spi_in_refusals: bool = True  # 2.6: SPIr is zero where no IKE SA is made
    ignore_spi_in_refusals: bool = True  # 2.6: and is not looked at where it is not
    demand_cookies: bool = True  # 2.6: asks for a cookie under load
    second_cookie: bool = True  # 2.6.1: a second cookie is followed too
    keep_window: bool = True  # 2.3: only message IDs inside the window
    match_ids: bool = True  # 2.2: a response belongs to the request of its message ID
    back_off: bool = True  # 2.4: retransmission times grow
    resend_same: bool = True  # 2.1: a retransmission is bitwise identical
    check_liveness: bool = True  # 2.4: asks whether a silent peer lives
    retry_liveness: bool = True  # 2.4: and more than once before it gives up
    keep_quiet: bool = True  # 2.3: no request while another one is outstanding
    require_protection: bool = True  # 2.21.4: what is not protected changes nothing
    ignore_reserved: bool = True  # 2.5: RESERVED fields are ignored
    ignore_critical: bool = True  # 3.2: the critical bit of a known payload is ignored
    ignore_order: bool = True  # 2.5: payloads in any order
    ignore_vendors: bool = True  # 3.12: unfamiliar vendor IDs are ignored
    ignore_notifies: bool = True  # 3.10.1: unknown notifies are ignored
    heed_unknown_errors: bool = True  # 3.10.1: an unknown error in a response fails the request
    take_initial_contact: bool = True  # 2.4
    take_several_selectors: bool = True  # 3.13: one or more selectors
    insist_on_request: bool = True  # 2.19: FAILED_CP_REQUIRED where an address is needed
    ignore_attributes: bool = True  # 3.15.1: unknown configuration attributes are ignored
    skip_versions: bool = True  # 3.15.4: an address type that it does not have is ignored
    ignore_unknown_selectors: bool = True  # 2.9: selectors of unknown types are ignored
    repeat_requests: bool = True  # 2.1: a request without a response is sent again
    honour_window: bool = True  # 2.3: takes as many requests as it announced
    say_little: bool = True  # 2.21.4: strangers hear INVALID_IKE_SPI at most
    take_any_iv: bool = True  # 3.14: recipients accept any IV
    fresh_iv: bool = True  # 3.14: each message has an IV of its own
    follow_mapping: bool = True  # 2.23: a NAT's new mapping is followed
    await_updates: bool = True  # RFC 4555 3.8: but with MOBIKE UPDATE_SA_ADDRESSES alone
    stay_behind_nat: bool = True  # 2.23: who is behind a NAT follows nobody
    tell_clients_apart: bool = True  # 2.23: one address may be many clients
    match_any_hash: bool = True  # 2.23: one source hash of several is enough
    no_hash_no_nat: bool = True  # 2.23: without hashes nothing is encapsulated
    take_padding: bool = True  # 3.14: padding of any value and any length
    keep_own_selectors: bool = True  # RFC 4301 4.4.1: an answer does not widen its policy
    insist_on_payloads: bool = True  # 1.2: a message without its payloads makes no SA
    check_chain: bool = True  # 3.2: a chain that does not parse makes no SA
    check_exchange: bool = True  # 3.1: only IKE_SA_INIT starts an IKE SA
    end_on_syntax_error: bool = True  # 2.21.3: INVALID_SYNTAX is fatal
    survive_oddities: bool = True  # what no honest peer sends does no harm
    survive_strangers: bool = True  # nor does what comes in place of IKE_AUTH
    survive_short_eap: bool = True  # nor does an EAP method's message that is cut short
    survive_many: bool = True  # many half-open SAs do no harm
    ignore_keepalives: bool = True  # RFC 3948 2.3: they are no sign of life and get no answer
    cut_nonces: bool = True  # 2.14: two PRFs take 64 bits of each nonce for SKEYSEED
    insist_on_marker: bool = True  # RFC 3948 2.2: without the marker it is ESP, on port 4500
    take_single_pairs: bool = True  # 2.9: SINGLE_PAIR_REQUIRED is for more than a pair of addresses
    keep_rekeyed: bool = True  # 2.8: a child that is rekeyed is there until it is deleted
    order_keymat: bool = True  # 2.17: the initiator's keys are taken first
    insist_on_child_policy: bool = True  # 2.7: nor for a child
    look_up: bool = True  # 3.6: who says HTTP_CERT_LOOKUP_SUPPORTED looks up
    esp_replay: bool = True  # RFC 4303 3.4.3: what came before is dropped
    esp_icv: bool = True  # RFC 4303 3.4.4: a wrong ICV is dropped (but for combined modes)
    esp_padding: bool = True  # RFC 4303 2.4: padding is 1, 2, 3
    esp_selectors: bool = True  # RFC 4301 5.2: the inner packet is held against the selectors
    esp_unspecified: bool = True  # RFC 9827 4: numbers of nobody's order are not looked at
    esp_high_bits: bool = True  # RFC 4303 2.2.1: 64 bits of the number count, with ESN
    esp_forget: bool = True  # RFC 4303 3.4.2: what came for a child that is gone is dropped
    esp_alone: bool = True  # RFC 4301 5.2: what a child protects is not taken, nor sent, in clear
    esp_encap: bool = True  # 2.23: ESP inside UDP is taken where no NAT was found, too
    esp_float: bool = True  # 2.23: where a NAT was found, ESP goes inside UDP
    esp_tfc: bool = True  # RFC 4303 2.7: padding behind the inner packet is cut off
    esp_dummies: bool = True  # RFC 4303 2.6: next header 59 is dropped
    esp_tfc_refusal: bool = True  # 1.3.1: who was told not to does not pad
    esp_compressed: bool = True  # 2.22: what is compressed as agreed on is taken
    esp_unknown_spi: bool = True  # 1.5: nothing unprotected is said about an unknown SPI
    check_anchor: bool = True  # RFC 5280 6.1: a chain ends at a trust anchor
    check_validity: bool = True  # RFC 5280 6.1: a certificate has its time
    check_path_length: bool = True  # RFC 5280 6.1: a CA limits the CAs below it
    check_purpose: bool = True  # RFC 4945 5.1.3.12: extended key usage
    check_revocation: bool = True  # RFC 5280 6.3: what a CRL lists is refused
    match_identity: bool = True  # RFC 4945 3.1: the certificate holds the ID
    insist_on_announced_hash: bool = True  # RFC 7427 4: only hashes that it announced
    sign_own_octets: bool = True  # 2.15: AUTH covers what its sender sent
    heed_announcement: bool = True  # RFC 7427 3: method 14 where both announced hashes
    heed_methods: bool = True  # RFC 9593 3.1: proves itself by a method that was announced
    heed_childless: bool = True  # RFC 6023 4: no IKE_AUTH without a child unless announced
    prove_anew: bool = True  # RFC 4478 2: an initiator proves itself again in time
    end_with_proof: bool = True  # RFC 4478 2: an IKE SA ends with its proof
    check_token: bool = True  # RFC 6290 4.5: only the right token ends an IKE SA
    tell_token: bool = True  # RFC 6290 4.3: who knows no such IKE SA says so with its token
    agree_first: bool = True  # RFC 6311 5.1: message IDs are set anew where both announced it
    echo_sync: bool = True  # RFC 6311 5.1: the nonce comes back
    return_cookie2: bool = True  # RFC 4555 3.7: COOKIE2 comes back as it is
    check_path: bool = True  # RFC 4555 3.7: and who does not give it back loses the IKE SA
    take_updates: bool = True  # RFC 4555 3.5: UPDATE_SA_ADDRESSES moves the IKE SA
    heed_no_nats: bool = True  # RFC 4555 3.9: UNEXPECTED_NAT_DETECTED where none was allowed
    go_elsewhere: bool = True  # RFC 5685 4: who announced it goes where it is sent
    check_redirect: bool = True  # RFC 5685 4: the nonce of a REDIRECT is that of the request
    bound_redirects: bool = True  # RFC 5685 7: five redirects, and no more
    redirect_who_asks: bool = True  # RFC 5685 4: only who announced it is sent away
    refuse_tickets: bool = True  # RFC 5723 4.1: TICKET_NACK where none is given
    heed_expiry: bool = True  # RFC 5723 4.3: an old ticket is worth nothing
    count_queues: bool = True  # RFC 9611 5: TS_MAX_QUEUE where there are no more queues
    match_labels: bool = True  # RFC 9478 2.2: a child of another label is refused
    ask_puzzles: bool = True  # RFC 8019 7.1: a puzzle goes beside the cookie
    check_puzzles: bool = True  # RFC 8019 7.1.4: a wrong solution is no solution
    check_tcp_prefix: bool = True  # RFC 9329 4: a stream begins with IKETCP
    join_segments: bool = True  # RFC 9329 3: frames and segments are not the same
    survive_streams: bool = True  # a stream that is none does no harm
    await_eap: bool = True  # RFC 3748 4.2: a success before the method's end is none
    verify_eap: bool = True  # RFC 7296 2.16: who fails EAP gets no further
    announce_rounds: bool = True  # RFC 9242 3.1: INTERMEDIATE answers who announces it
    cover_intermediate: bool = True  # RFC 9242 3.3.2: AUTH covers IKE_INTERMEDIATE
    distinct_methods: bool = True  # RFC 9370 2.2.1: no method in two slots
    insist_on_rounds: bool = True  # RFC 9370 2.2.2: no IKE_AUTH before every key exchange
    complete_rounds: bool = True  # and as initiator it does every one of them
    change_keys: bool = True  # RFC 9370 2.2.2: each key exchange ends with new keys
    reject_implicitly: bool = True  # FIPS 203 6.3: nothing tells that a ciphertext was changed
    whole_ciphertext: bool = True  # and as initiator it takes a ciphertext as it comes
    know_links: bool = True  # RFC 9370 2.2.4: STATE_NOT_FOUND for an unknown link
    return_link: bool = True  # RFC 9370 2.2.4: the link comes back as it is
    end_links: bool = True  # RFC 9370 2.2.4: no link in the last response
    agree_on_ppk: bool = True  # RFC 8784 3: USE_PPK only where the initiator has it
    insist_on_ppk: bool = True  # RFC 8784 3: who insists on a key takes nobody without
    mix_sk_d: bool = True  # RFC 8784 3: the key is in SK_d, and so in those of children
    do_without_ppk: bool = True  # RFC 8784 3: NO_PPK_AUTH where the key is unknown
    confirm_used_ppk: bool = True  # RFC 8784 3: PPK_IDENTITY comes back where the key is used
    confirm_ppk: bool = True  # RFC 9867 3.1: a name stands for a key that is confirmed
    mix_early: bool = True  # RFC 9867 3.1.1: the key is in all keys of IKE_AUTH
    heed_hashes: bool = True  # RFC 7427 4: signs with a hash that was announced to it

    def but(self, *names: str) -> Conduct:
        """The same with these switches turned; ConfigError for a name that is none."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in names:
            if name not in values:
                raise ConfigError(f"unknown conduct {name!r}{nearest(name, values)}")
            values[name] = not values[name]
        return Conduct(**values)


@dataclass(frozen=True, slots=True)
class IkeConfig:
    """One side of an IKE SA. `local` is ours; `local_ts` is what lies behind us.

    `ike` and `esp` are in order of preference. `remote_id` None accepts any identity that knows
    the key. `ke` is the group of our KE payload where it is not the first one offered.
    """

    local: Address
    remote: Address
    local_id: Identity
    remote_id: Identity | None
    psk: bytes
    ike: tuple[Suite, ...]
    esp: tuple[Suite, ...]
    local_ts: tuple[TS, ...]
    remote_ts: tuple[TS, ...]
    ke: int | None = None
    nonce_length: int = 32
    nat_detection: bool = True
    send_idr: bool = True  # the initiator names the responder it wants (RFC 7296 2.15)
    fragment: int | None = None  # octets of an IP datagram beyond which RFC 7383 fragments
    mode: str = "tunnel"  # or "transport": asked for as initiator, allowed as responder
    request: tuple[int, ...] = ()  # configuration attributes that we ask for (3.15.1)
    pool: Pool | None = None  # what a responder gives away
    require_request: bool = False  # a responder that refuses a child without CP (2.19)
    window: int = 1  # requests of the peer that we take at once; announced when more (2.3)
    most_children: int = 1000  # beyond it NO_ADDITIONAL_SAS (1.3); 0 refuses IKE_AUTH's as well
    cookies: bool = False  # a responder that demands a cookie from everyone
    cookie_length: int = 20  # octets of the cookies that we ask for (2.6)
    cookie_covers_ke: bool = False  # our cookies change with KE (2.6.1)
    id_reserved: int = 0  # what stands in the RESERVED octets of our ID payload (3.5)
    retransmit: tuple[float, ...] = (1.0, 2.0)  # seconds to wait before each repetition
    give_up: float = 4.0  # seconds after the last repetition
    keepalive: float = 20.0  # seconds between NAT keepalives (RFC 3948 4)
    dpd_delay: float = 0.0  # seconds of silence before a liveness check, 0 for none
    own: Credential | None = None  # None is the shared key
    trust: Trust | None = None  # what the peer may prove itself with; None is the shared key
    features: Features = NO_FEATURES  # the extensions
    plan: Plan = field(default_factory=Plan)
    lenient: bool = False  # edits that match nothing are left out: for a peer's planted fault
    conduct: Conduct = field(default_factory=Conduct)
