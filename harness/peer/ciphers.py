"""What Linux calls the ciphers of ESP, and which of them this machine's kernel takes."""

from __future__ import annotations

from ikelab.harness.model import Transform
from ikelab.layers.iana import Encr, TransformType
from ikelab.netns import xfrm

_NAMES: dict[Encr, tuple[str, int]] = {  # with the bits of ICV of combined modes
    Encr.ENCR_DES: ("cbc(des)", 0),
    Encr.ENCR_3DES: ("cbc(des3_ede)", 0),
    Encr.ENCR_CAST: ("cbc(cast5)", 0),
    Encr.ENCR_BLOWFISH: ("cbc(blowfish)", 0),
    Encr.ENCR_NULL: ("ecb(cipher_null)", 0),
    Encr.ENCR_AES_CBC: ("cbc(aes)", 0),
    Encr.ENCR_AES_CTR: ("rfc3686(ctr(aes))", 0),
    Encr.ENCR_CAMELLIA_CBC: ("cbc(camellia)", 0),
    Encr.ENCR_AES_CCM_8: ("rfc4309(ccm(aes))", 64),
    Encr.ENCR_AES_CCM_12: ("rfc4309(ccm(aes))", 96),
    Encr.ENCR_AES_CCM_16: ("rfc4309(ccm(aes))", 128),
    Encr.ENCR_AES_GCM_8: ("rfc4106(gcm(aes))", 64),
    Encr.ENCR_AES_GCM_12: ("rfc4106(gcm(aes))", 96),
    Encr.ENCR_AES_GCM_16: ("rfc4106(gcm(aes))", 128),
    Encr.ENCR_NULL_AUTH_AES_GMAC: ("rfc4543(gcm(aes))", 128),
    Encr.ENCR_CHACHA20_POLY1305: ("rfc7539esp(chacha20,poly1305)", 128),
}


def kernel_takes(transform: Transform) -> bool:
    """Whether the kernel takes an SA with this cipher; what is no cipher is not its business."""
    if transform.type != TransformType.ENCR:
        return True
    row = Encr._value2member_map_.get(transform.id)
    if not isinstance(row, Encr) or row not in _NAMES:
        return False
    name, icv = _NAMES[row]
    bits = transform.key_bits or max(row.key_bits or (0,))
    return xfrm.accepts(name, bits // 8 + row.salt, icv)
