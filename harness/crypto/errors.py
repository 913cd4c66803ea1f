"""What a peer's octets can do wrong to this room. Callers turn these into violations."""

from __future__ import annotations


class BadIntegrity(ValueError):
    """The ICV does not match, or the ciphertext cannot be one of this cipher (its length)."""


class BadPublicValue(ValueError):
    """A public value that RFC 6989 or RFC 8031 tells to refuse; the text is the reason."""


class BadSignature(ValueError):
    """A signature that does not verify or cannot be read; the text is the reason."""
