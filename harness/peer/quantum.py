"""Faults of the reference peer in what is post-quantum: changed ciphertexts, preshared keys.

Rows as `manners` has them.
"""

from __future__ import annotations

from ikelab.harness.peer.fault_rows import Row, conduct, wire

ALSO: dict[str, str] = {
    "accepts-any-key": "PQ-14 PQ-15",
    "never-begins": "PQ-09 PQ-14",
    "keeps-the-first-keys": "PQ-10",
    "refuses-rekeys": "PQ-15",
    "answers-no-deletes": "CHD-16",
    "proves-nothing": "PQ-16",
}


ROWS: list[Row] = [
    # Rekeys that it begins
    conduct(
        "keeps-what-it-rekeyed",
        "CHD-07 CHD-10",
        "what it has rekeyed stays beside its successor",
        "delete_rekeyed",
    ),
    wire(
        "names-a-child-that-is-none",
        "CHD-07",
        "REKEY_SA of a rekey that it begins names another SPI",
        "CREATE_CHILD_SA/request: SK.N(REKEY_SA).SPI ^= b'\\x01'",
    ),
    conduct(
        "undoes-no-rekey",
        "CHD-13 CHD-15",
        "of two rekeys at once it keeps its own, whatever the nonces say",
        "close_redundant",
    ),
    conduct(
        "makes-children-while-it-rekeys",
        "CHD-17",
        "a child is rekeyed although its own rekey of the IKE SA is under way",
        "put_off_children",
    ),
    conduct(
        "ends-with-its-rekey",
        "CHD-12",
        "a rekey of its own that is refused or put off ends the IKE SA",
        "outlive_refusals",
    ),
    conduct(
        "gives-back-another-link",
        "PQ-11",
        "as initiator of IKE_FOLLOWUP_KE it does not give the link back as it came",
        "return_link",
    ),
    conduct(
        "asks-again-at-once",
        "CHD-12",
        "a rekey of its own that is put off is asked for again right away",
        "bide_time",
    ),
    # Ciphertexts
    conduct(
        "tells-of-changed-ciphertexts",
        "PQ-09",
        "as initiator it says that a ciphertext of ML-KEM was changed",
        "reject_implicitly",
    ),
    conduct(
        "answers-what-it-cannot-open",
        "INF-12 PQ-09",
        "a request that does not verify is answered in clear",
        "drop_in_silence",
    ),
    # Post-quantum preshared keys
    conduct(
        "agrees-to-keys-unasked",
        "PQ-15",
        "USE_PPK answers an initiator that did not say it",
        "agree_on_ppk",
    ),
    conduct(
        "insists-on-no-key",
        "PQ-15 PQ-16",
        "it goes on without a PPK although it was told to insist on one",
        "insist_on_ppk",
    ),
    conduct(
        "leaves-the-key-out-of-children",
        "PQ-15 PQ-16",
        "the PPK is in AUTH, and not in SK_d",
        "mix_sk_d",
    ),
    conduct(
        "cannot-do-without-a-key",
        "PQ-15",
        "an unknown PPK is the end of it, although NO_PPK_AUTH is there",
        "do_without_ppk",
    ),
    conduct(
        "confirms-keys-that-it-does-not-use",
        "PQ-15",
        "PPK_IDENTITY comes back although it goes on without the PPK",
        "confirm_used_ppk",
    ),
    wire(
        "says-nothing-of-the-key",
        "PQ-15",
        "PPK_IDENTITY is not in the response, although the PPK is in use",
        'IKE_AUTH/response: drop("SK.N(PPK_IDENTITY)")',
    ),
    wire(
        "spoils-its-way-out",
        "PQ-15",
        "as initiator its NO_PPK_AUTH does not verify",
        "IKE_AUTH/request: SK.N(NO_PPK_AUTH).notify ^= b'\\x01'",
    ),
    conduct(
        "leaves-the-key-out-of-ike-auth",
        "PQ-16",
        "the PPK is named in IKE_INTERMEDIATE, and IKE_AUTH is under the keys without it",
        "mix_early",
    ),
    conduct(
        "takes-every-key-of-a-name",
        "PQ-16",
        "a PPK is taken by its name, whatever confirms it",
        "confirm_ppk",
    ),
    wire(
        "keeps-the-name-of-the-key",
        "PQ-16",
        "IKE_INTERMEDIATE is answered without the name of the PPK that is used",
        'IKE_INTERMEDIATE/response: drop("SK.N(PPK_IDENTITY)")',
    ),
]
