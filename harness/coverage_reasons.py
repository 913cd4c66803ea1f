"""Why a row of a registry has no proof on the coverage page, where no computation can tell.

By row, else by the document that the row is from. A sentence here is for what ikelab leaves out;
what it merely lacks so far has none, and the page says `not built yet`.
"""

from __future__ import annotations

from ikelab.layers.iana import Code

_SYNTAX = "RFC 7296 3.6 leaves its syntax unspecified"
_RESERVED = "reserved since RFC 5996: nobody may send it"
_HASH = "its hash is not in OpenSSL's default set"
_GROUPS = "group keys: ikelab dissects and begins the exchanges (GIK-01) and is no group's member"

_ROWS = {
    ("TransformType", "KWA"): _GROUPS,
    ("TransformType", "GCAUTH"): _GROUPS,
    ("AuthMethod", "DSS_DIGITAL_SIGNATURE"): (
        "RFC 8247 3.1 advises against it, and no daemon here signs with DSS"
    ),
    ("Notify", "INVALID_MESSAGE_ID"): (
        "RFC 7296 2.3 leaves it to the receiver: ikelab drops what is outside the window"
    ),
    ("Notify", "INVALID_SELECTORS"): (
        "RFC 7296 3.10.1 leaves it to the receiver: ikelab drops what is outside the selectors"
    ),
    ("Notify", "ADDITIONAL_TS_POSSIBLE"): (
        "ikelab answers with every subset that its policy allows, so that none is left to add; "
        "TS-05 tells what a peer does"
    ),
    ("Notify", "UNACCEPTABLE_ADDRESSES"): (
        "for a responder that has a policy of addresses; ikelab follows its peer anywhere"
    ),
    ("Notify", "ESP_TFC_PADDING_NOT_SUPPORTED"): (
        "who never pads has nobody to ask for it; ESP-06 tries it on the peer"
    ),
    ("Notify", "NON_FIRST_FRAGMENTS_ALSO"): (
        "ikelab's own data plane carries no fragments; CHD-20 tries it on the peer"
    ),
    ("Notify", "TICKET_ACK"): (
        "from who gives its ticket later; ikelab's responder gives it at once (RFC 5723 4.1)"
    ),
    ("CfgType", "CFG_SET"): (
        "RFC 7296 3.15 leaves its use to later documents, of which there is none; CP-05 sends it"
    ),
    ("CfgType", "CFG_ACK"): "it answers CFG_SET, whose use no document says",
    ("CfgAttr", "INTERNAL_ADDRESS_EXPIRY"): _RESERVED,
    ("CfgAttr", "INTERNAL_IP6_NBNS"): _RESERVED,
    ("CertEncoding", "RAW_RSA_KEY"): "deprecated by RFC 7670",
    ("CertEncoding", "PKCS_7_WRAPPED_X_509_CERTIFICATE"): _SYNTAX,
    ("CertEncoding", "PGP_CERTIFICATE"): _SYNTAX,
    ("CertEncoding", "DNS_SIGNED_KEY"): _SYNTAX,
    ("CertEncoding", "KERBEROS_TOKEN"): _SYNTAX,
    ("CertEncoding", "AUTHORITY_REVOCATION_LIST_ARL"): _SYNTAX,
    ("CertEncoding", "SPKI_CERTIFICATE"): _SYNTAX,
    ("CertEncoding", "X_509_CERTIFICATE_ATTRIBUTE"): _SYNTAX,
}
_PASSWORDS = (
    "a framework for password methods (RFC 6617, 6628, 6631), of which no daemon here has one"
)
_3GPP = "of 3GPP's gateways: what ikelab is told it asks for and gives away, it makes nothing of it"
_DOCUMENTS = {
    "RFC 4306": "replaced by RFC 5996 and RFC 7296",
    "RFC 4595": "of Fibre Channel, which has no IP packets",
    "RFC 4806": "revocation is judged by CRLs; OCSP needs a responder beside the CA",
    "RFC 5026": "of the home agents of Mobile IPv6, which ikelab is not",
    "RFC 5739": "an experiment with prefixes and links that no daemon here takes part in",
    "RFC 5840": "a data plane of its own (protocol 141) that no daemon here has",
    "RFC 5857": "header compression inside ESP, which no daemon here has",
    "RFC 6311": "a cluster's counters of ESP: ikelab synchronises message IDs and is no cluster",
    "RFC 6467": _PASSWORDS,
    "RFC 6631": _PASSWORDS,
    "RFC 6867": "it needs a home domain with ERP (RFC 6696), and no daemon here speaks it",
    "RFC 7651": _3GPP,
    "RFC 7670": "the signatures are tried with certificates; no driver here hands out raw keys",
    "RFC 7791": "no daemon here clones an IKE SA",
    "RFC 8983": "for hosts whose address family a gateway chooses; no daemon here sends it",
    "RFC 9385": _HASH,
    "RFC 9838": _GROUPS,
    "3GPP TS 24.302": _3GPP,
    "3GPP TS 24.303": _3GPP,
    "draft-ietf-ipsecme-ikev2-downgrade-prevention": "a draft: what it sends may still change",
}


def of_row(row: Code) -> str:
    """Why ikelab leaves this row out; empty where nobody decided that it does."""
    return _ROWS.get((type(row).__name__, row.name)) or of_document(row.reference)


def of_document(text: str) -> str:
    """Why ikelab leaves a document out (`RFC 5840`); empty where nobody decided that."""
    return _DOCUMENTS.get(text, "")


def known() -> set[tuple[str, str]]:
    """The rows that have a sentence of their own, for tests."""
    return set(_ROWS)
