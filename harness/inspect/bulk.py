"""All that one side sealed under one key, opened together.

To look up a cipher, to set up its context and to hand over a key cost more than to decrypt the
sixty octets of a message. So what is the same for all is done once, and under CBC one pass over
the ciphertexts of all messages does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ikelab.harness.crypto.block import Cbc
from ikelab.harness.crypto.cipher import BadIntegrity, Cipher, cipher
from ikelab.harness.crypto.integ import icv_length, mac
from ikelab.harness.errors import UnsupportedAlgorithm
from ikelab.harness.wireshark import IkeRow

if TYPE_CHECKING:
    from ikelab.harness.inspect.unseal import Sealed

WRONG = "the ICV does not match"


def decrypted(messages: Sequence[Sealed], row: IkeRow, by_initiator: bool) -> Sequence[bytes | str]:
    """The plaintext of each message with its padding, or why there is none."""
    if not messages:
        return []
    sk_e, sk_a = (row.sk_ei, row.sk_ai) if by_initiator else (row.sk_er, row.sk_ar)
    try:
        box = cipher(row.encr.id, row.encr.key_bits, sk_e)
    except (UnsupportedAlgorithm, ValueError) as error:
        return [str(error)] * len(messages)
    if box.aead:
        return [_combined(box, sealed) for sealed in messages]
    checked = [_checked(box, sealed, row, sk_a) for sealed in messages]
    if isinstance(box, Cbc):
        texts = iter(box.decrypt_all([run for run in checked if isinstance(run, bytes)]))
        return [run if isinstance(run, str) else next(texts) for run in checked]
    size = box.iv_length
    return [run if isinstance(run, str) else box.decrypt(run[:size], run[size:]) for run in checked]


def _combined(box: Cipher, sealed: Sealed) -> bytes | str:
    """Under a combined mode; the octets before the IV are the associated data (RFC 5282 5.1)."""
    data, _, start, end, _, _ = sealed
    body = start + box.iv_length
    if end - body < box.icv_length + 1:
        return f"{end - start} octets cannot hold an IV, an ICV and a pad length"
    try:
        return box.decrypt(data[start:body], data[body:end], data[:start])
    except BadIntegrity:
        return WRONG
    except (UnsupportedAlgorithm, ValueError) as error:
        return str(error)


def _checked(box: Cipher, sealed: Sealed, row: IkeRow, sk_a: bytes) -> bytes | str:
    """IV and ciphertext, where their lengths and the ICV are right."""
    data, _, start, end, _, _ = sealed
    try:
        cut = end - (icv_length(row.integ.id) if row.integ else row.unchecked)
        size = cut - start - box.iv_length
        if size < box.block or size % box.block:
            return f"{size} octets of ciphertext are not whole cipher blocks"
        if row.integ and mac(row.integ.id, sk_a, data[:cut]) != data[cut:end]:
            return WRONG
    except (UnsupportedAlgorithm, ValueError) as error:
        return str(error)
    return data[start:cut]
