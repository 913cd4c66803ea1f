"""An EAP message as a value, and what it is to the payload that carries it (RFC 3748 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ikelab.layers.eap import EapCode, EapType, IKEv2_EAP

METHODS = (EapType.MSCHAPV2, EapType.MD5_CHALLENGE, EapType.GTC, EapType.TLS)
"""What the engine has, in the order of its own preference."""


class EapFailed(Exception):
    """The conversation came to no good end; the text says why."""


@dataclass(frozen=True, slots=True)
class EapMessage:
    """Code, identifier, and for requests and responses the type with its data."""

    code: int
    identifier: int
    type: int | None = None
    data: bytes = b""

    @classmethod
    def of(cls, payload: Any) -> EapMessage:
        """What an EAP payload carries; EapFailed where its own length is not the payload's.

        RFC 3748 4.1: what is shorter than it says is discarded.
        """
        load = bytes(payload.load or b"")
        kind = payload.type
        length = 4 + (kind is not None) + len(load)
        if payload.eap_length != length:
            text = f"an EAP message of {length} octets says {payload.eap_length}"
            raise EapFailed(text)
        return cls(int(payload.code), int(payload.identifier), kind, load)

    def payload(self) -> IKEv2_EAP:
        """The payload that carries it."""
        return IKEv2_EAP(code=self.code, identifier=self.identifier, type=self.type, load=self.data)

    @property
    def over(self) -> bool:
        """Whether it ends the conversation."""
        return self.code in (EapCode.SUCCESS, EapCode.FAILURE)
