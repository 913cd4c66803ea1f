"""Taking secrets out of what a router says: its configuration, its debug output.

Two nets: the words that are known to be secret, in any form they are written in, and the places of
IOS's language where a secret stands. What is left is looked through once more before it is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ikelab.harness.errors import ConfigError, LabError

GONE = "<removed>"
SHORTEST = 3  # a known secret of fewer characters would take half of the text with it
_TYPE = r"(?:\s+[05-9]|\s+hex)?"
# In each, group 1 stays and the word after it goes.
_PLACES = tuple(
    re.compile(pattern, re.I | re.M)
    for pattern in (
        rf"(\bpre-shared-key(?:\s+(?:local|remote))?{_TYPE}\s+)(?!local\b|remote\b)\S+",
        rf"(\bppk\b.*?\bkey{_TYPE}\s+)\S+",
        rf"(\bcrypto isakmp key{_TYPE}\s+)\S+",
        rf"(\b(?:enable|username\s+\S+(?:\s+privilege\s+\d+)?)\s+(?:secret|password){_TYPE}\s+)\S+",
        rf"(^\s*(?:secret|password){_TYPE}\s+)\S+",
        rf"(\b(?:key-string|key-chain|authentication-key\s+\d+\s+md5|md5|server-key){_TYPE}\s+)\S+",
        rf"(\b(?:tacacs-server|radius-server)\b.*?\bkey{_TYPE}\s+)\S+",
        rf"(^\s*key{_TYPE}\s+)(?!chain\b)\S+",
        rf"(\bneighbor\s+\S+\s+password{_TYPE}\s+)\S+",
        r"(\bsnmp-server\s+(?:community|user\s+\S+.*\b(?:auth|priv)\b(?:\s+\w+)*?)\s+)\S+",
        r"(\b(?:cipher|authenticator)(?:\s+key)?\s*:?\s+(?:0x)?)[0-9a-f]{8,}\b",
        r"(\b(?:SKEYSEED|SK_\w+|shared secret|keymat\w*|key material)\b\W*)(?:0x)?[0-9a-f ]{16,}",
        r"(\bpassphrase\s+)\S+",
        r"(\bProcessor board ID\s+)\S+",
        r"(\b(?:SN|serial number)\s*:?\s+)\w{8,}",
    )
)
_BLOCKS = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.S),
)


class Scrubber:
    """Knows what is secret in one record."""

    def __init__(self, secrets: Iterable[str | bytes]) -> None:
        words = [s.encode() if isinstance(s, str) else s for s in secrets]
        short = [w for w in words if 0 < len(w) < SHORTEST]
        if short:
            raise ConfigError(
                f"a secret of fewer than {SHORTEST} characters cannot be taken out of text: "
                "give the router another one before you record it"
            )
        # The longest first: one secret may hold another.
        self._secrets = sorted({w for w in words if w}, key=len, reverse=True)
        forms = [form for word in self._secrets for form in _forms(word)]
        self._known = re.compile("|".join(forms).encode()) if forms else None

    def text(self, said: str) -> str:
        """The text without secrets, its lines where they were."""
        for block in _BLOCKS:
            said = block.sub(lambda m: GONE + "\n" * m.group().count("\n"), said)
        for place in _PLACES:
            said = place.sub(rf"\g<1>{GONE}", said)
        return self._octets(said.encode()).decode()

    def survivors(self, data: bytes) -> int:
        """How often a known secret stands in these octets, in any form."""
        return len(self._known.findall(data)) if self._known else 0

    def _octets(self, data: bytes) -> bytes:
        return self._known.sub(GONE.encode(), data) if self._known else data

    def check(self, folder: Path) -> None:
        """LabError where a secret has survived in any file; the file is deleted."""
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            if self.survivors(file.read_bytes()):
                file.unlink()
                raise LabError(f"a secret was left in {file.name}: the file has been deleted")


def _forms(word: bytes) -> Iterator[str]:
    """Patterns of a secret as it stands, and in hexadecimal with or without a dump's gaps."""
    yield re.escape(word.decode("latin-1")) if word.isascii() else _escaped(word)
    yield r"(?i:" + r"[ :]?".join(f"{octet:02x}" for octet in word) + r")"


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{octet:02x}" for octet in word)
