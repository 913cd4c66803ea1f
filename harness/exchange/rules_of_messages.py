"""Rules about every message and about answers: the header, the chain, what an answer may choose."""

from __future__ import annotations

from ikelab.harness.crypto import prf
from ikelab.harness.errors import UnsupportedAlgorithm
from ikelab.harness.exchange import fit
from ikelab.harness.exchange.inbound import Inbound, bits_of
from ikelab.harness.exchange.negotiate import covered
from ikelab.harness.exchange.rule import Seen, rule
from ikelab.layers.iana import (
    Ke,
    Notify,
    Payload,
    Protocol,
    TransformType,
    lookup,
)


@rule("3.1")
def version_is_2_0(seen: Seen) -> str | None:
    """IKEv2 messages carry major version 2 and minor version 0."""
    version = int(seen.it.message.version)
    return None if version == 0x20 else f"the header says version {version >> 4}.{version & 15}"


@rule("3.1")
def unused_flags_are_cleared(seen: Seen) -> str | None:
    """The X(reserved) bits and the Version bit of the flags are cleared by the sender."""
    flags = seen.it.flags
    return f"flags are {flags:#04x}" if flags & 0xD7 else None


@rule("3.1")
def initiator_flag_names_the_original_initiator(seen: Seen) -> str | None:
    """The Initiator bit is set in messages of the original initiator and cleared in others."""
    if seen.initiator is None or _outside(seen.it):
        return None
    flag = seen.it.from_initiator
    if flag == seen.initiator:
        return None
    who = "initiator" if seen.initiator else "responder"
    return f"the original {who} sent it with the Initiator bit {'set' if flag else 'cleared'}"


@rule("3.2")
def critical_bit_is_clear_on_known_payloads(seen: Seen) -> str | None:
    """Senders clear the critical bit on payload types that RFC 7296 defines."""
    for payload in seen.it.marked:
        if bits_of(payload) & 0x80 and Payload.SA <= payload.kind <= Payload.EAP:
            return f"{Payload(payload.kind).notation} carries the critical bit"
    return None


@rule("2.5")
def critical_bit_is_clear_in_responses(seen: Seen) -> str | None:
    """Payloads of a response do not have the critical bit, whatever their type."""
    for payload in seen.it.marked if seen.it.response else ():
        if bits_of(payload) & 0x80:
            return f"payload type {payload.kind} of a response carries the critical bit"
    return None


@rule("3.2")
def reserved_bits_of_payloads_are_zero(seen: Seen) -> str | None:
    """The RESERVED bits of a generic payload header are sent as zero."""
    for payload in seen.it.marked:
        if bits_of(payload) & 0x7F:
            return f"payload type {payload.kind} has flags {bits_of(payload):#04x}"
    return None


@rule("3.2")
def payload_chain_is_well_formed(seen: Seen) -> str | None:
    """Payloads follow each other without gap or overrun, each at least its header long."""
    return seen.it.malformed()


@rule("2.2")
def response_repeats_what_it_answers(seen: Seen) -> str | None:
    """A response carries the exchange type, the message ID and the SPIs of its request."""
    if seen.request is None:
        return None
    asked, answer = seen.request, seen.it
    if asked.exchange != answer.exchange:
        return f"exchange type {answer.exchange} answers {asked.exchange}"
    if asked.message_id != answer.message_id:
        return f"message ID {answer.message_id} answers {asked.message_id}"
    mine, theirs = bytes(asked.message.init_SPI), bytes(answer.message.init_SPI)
    return f"SPIi {theirs.hex()} answers {mine.hex()}" if mine != theirs else None


INIT_RESPONSE = "IKE_SA_INIT/response"
AUTH_RESPONSE = "IKE_AUTH/response"
CREATE_RESPONSE = "CREATE_CHILD_SA/response"


@rule("3.1", INIT_RESPONSE)
def responder_chooses_an_spi(seen: Seen) -> str | None:
    """A responder that accepts chooses an SPI that is not zero."""
    accepted = seen.it.has(Payload.SA) and seen.it.has(Payload.KE)
    return "SPIr is zero" if accepted and not any(seen.it.message.resp_SPI) else None


@rule("3.3.1", INIT_RESPONSE)
def init_answer_is_one_offered_proposal(seen: Seen) -> str | None:
    """The accepted SA holds one proposal, with the number of the offered one it accepts."""
    return fit.wrong_proposal(seen.it, seen.request)


@rule("2.7", INIT_RESPONSE)
def init_answer_picks_one_transform_of_each_type(seen: Seen) -> str | None:
    """From the accepted proposal exactly one transform of each offered type comes back."""
    return fit.wrong_transforms(seen.it, seen.request)


@rule("3.3", INIT_RESPONSE)
def init_answer_keeps_combined_mode_free_of_integrity(seen: Seen) -> str | None:
    """A combined-mode cipher goes with no integrity algorithm, or with NONE."""
    for proposal in seen.it.offers():
        suite = proposal.suite
        if suite.aead and suite.integ is not None:
            return f"{fit.words(suite.encr)} was accepted with {fit.words(suite.integ)}"
    return None


@rule("3.4", INIT_RESPONSE, CREATE_RESPONSE)
def ke_is_of_the_chosen_group(seen: Seen) -> str | None:
    """The KE payload of an accepting response belongs to the group its SA payload chose."""
    key = seen.it.one(Payload.KE)
    chosen = fit.choice(seen.it)
    group = chosen.suite.ke if chosen else None
    if key is None or group is None or group.id == key.group:
        return None
    return f"the SA chose group {group.id}, the KE payload is of group {key.group}"


@rule("3.4", INIT_RESPONSE, CREATE_RESPONSE)
def ke_has_the_length_of_its_group(seen: Seen) -> str | None:
    """The public value has the length that its group prescribes, with leading zeros kept."""
    key = seen.it.one(Payload.KE)
    if key is None:
        return None
    expected = _answer_octets(key.group)
    if expected is None or len(key.ke) == expected:
        return None
    return f"group {key.group} takes {expected} octets, the KE payload has {len(key.ke)}"


@rule("2.10", INIT_RESPONSE)
def nonce_is_long_enough(seen: Seen) -> str | None:
    """Nonces have 16 to 256 octets and at least half the key size of the negotiated PRF."""
    nonce = seen.it.one(Payload.NONCE)
    if nonce is None:
        return None
    octets = len(nonce.nonce)
    if not 16 <= octets <= 256:
        return f"the nonce has {octets} octets"
    chosen = fit.choice(seen.it)
    wanted = chosen.suite.prf if chosen else None
    try:
        half = prf.key_length(wanted.id) / 2 if wanted else 0
    except UnsupportedAlgorithm:
        return None
    return (
        f"the nonce has {octets} octets, half the PRF's key is {half:g}" if octets < half else None
    )


@rule("1.2", INIT_RESPONSE, CREATE_RESPONSE)
def invalid_ke_names_an_offered_group(seen: Seen) -> str | None:
    """INVALID_KE_PAYLOAD carries two octets: a group that the initiator offered."""
    notify = seen.it.notify(Notify.INVALID_KE_PAYLOAD)
    if notify is None:
        return None
    if len(notify.notify) != 2:
        return f"INVALID_KE_PAYLOAD carries {len(notify.notify)} octets"
    group = int.from_bytes(notify.notify, "big")
    offered = _offered_groups(seen.request)
    return f"group {group} was not offered" if offered and group not in offered else None


@rule("2.6", INIT_RESPONSE)
def cookie_is_1_to_64_octets(seen: Seen) -> str | None:
    """A COOKIE has at least 1 and at most 64 octets."""
    notify = seen.it.notify(Notify.COOKIE)
    if notify is None or 1 <= len(notify.notify) <= 64:
        return None
    return f"the cookie has {len(notify.notify)} octets"


@rule("1.2", AUTH_RESPONSE)
def auth_answer_is_protected(seen: Seen) -> str | None:
    """Whatever answers IKE_AUTH within the IKE SA, errors included, is protected."""
    if seen.it.opened or _outside(seen.it) or seen.it.has(Payload.SKF):
        return None  # one fragment alone opens to no payload (RFC 7383 2.6)
    return "the response has no SK payload that opens"


@rule("3.3.1", AUTH_RESPONSE, CREATE_RESPONSE)
def child_answer_is_one_offered_proposal(seen: Seen) -> str | None:
    """The accepted child SA holds one proposal, with the number of the offered one it accepts."""
    return fit.wrong_proposal(seen.it, seen.asked)


@rule("2.7", AUTH_RESPONSE, CREATE_RESPONSE)
def child_answer_picks_one_transform_of_each_type(seen: Seen) -> str | None:
    """From the accepted child proposal exactly one transform of each offered type comes back."""
    return fit.wrong_transforms(seen.it, seen.asked)


@rule("3.3.1", AUTH_RESPONSE, CREATE_RESPONSE)
def child_spi_has_four_octets(seen: Seen) -> str | None:
    """The SPI of an ESP or AH proposal has four octets and is not zero."""
    for proposal in seen.it.offers():
        if proposal.suite.protocol in (Protocol.ESP, Protocol.AH) and (
            len(proposal.spi) != 4 or not any(proposal.spi)
        ):
            return f"the SPI is {proposal.spi.hex() or 'empty'}"
    return None


@rule("1.3.2", CREATE_RESPONSE)
def new_ike_spi_has_eight_octets(seen: Seen) -> str | None:
    """The SPI of a new IKE SA has eight octets and is not zero."""
    for proposal in seen.it.offers():
        if proposal.suite.protocol == Protocol.IKE and (
            len(proposal.spi) != 8 or not any(proposal.spi)
        ):
            return f"the SPI is {proposal.spi.hex() or 'empty'}"
    return None


@rule("1.3.1", CREATE_RESPONSE)
def ke_answers_ke(seen: Seen) -> str | None:
    """KE is answered with KE where the accepted proposal has a group, and only there."""
    chosen = fit.choice(seen.it)
    if chosen is None:
        return None
    group = chosen.suite.ke
    wanted = group is not None and group.id != 0
    if wanted == seen.it.has(Payload.KE):
        return None
    if not wanted:
        return "KE came without a group"
    # A request that offered groups and brought no KE is at fault itself: its answer is not judged.
    asked = seen.request is not None and seen.request.has(Payload.KE)
    return "the SA chose a group and KE is missing" if asked else None


@rule("2.9", AUTH_RESPONSE, CREATE_RESPONSE)
def selectors_are_a_subset_of_the_offer(seen: Seen) -> str | None:
    """The responder answers with the offered selectors or a subset of them, never with more."""
    if seen.asked is None or seen.it.notify(Notify.USE_TRANSPORT_MODE) is not None:
        # RFC 7296 2.23.1: behind a NAT, transport mode answers with other addresses.
        return None
    for kind in (Payload.TSI, Payload.TSR):
        offered = seen.asked.selectors(kind)
        for ts in seen.it.selectors(kind):
            if offered and not covered(ts, offered):
                return f"{Payload(kind).notation} {ts} is more than the offered selectors"
    return None


# RFC 7296 1.5: who knows no such IKE SA, or no such version, answers in clear and outside of it.
_OUTSIDE = {Notify.INVALID_IKE_SPI, Notify.INVALID_MAJOR_VERSION}


def _outside(it: Inbound) -> bool:
    return not it.opened and any(n.type in _OUTSIDE for n in it.all(Payload.N))


def _answer_octets(group: int) -> int | None:
    """Octets of a responder's KE data: a KEM answers with a ciphertext."""
    row = lookup(Ke, group)
    if row is None:
        return None
    return row.ciphertext or row.public or None


def _offered_groups(request: Inbound | None) -> set[int]:
    if request is None:
        return set()
    found = request.offers()
    return {t.id for o in found for t in o.suite.of(TransformType.KE)}
