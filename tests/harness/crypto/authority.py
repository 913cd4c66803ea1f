"""A CA of the tests of certificates, and what it issues."""

from __future__ import annotations

import pytest

from ikelab.harness.crypto import chains, issue
from ikelab.harness.crypto.certs import Certificate, CertRefused, Crl, Reason
from ikelab.harness.entropy import entropy

BEGIN, NOW, END = 1.6e9, 1.7e9, 1.8e9
CA = ("keyCertSign", "cRLSign")
IKE = "1.3.6.1.5.5.7.3.17"


class Authority:
    """A CA of these tests, and what it issues."""

    def __init__(self, name: str, issuer: Authority | None = None, **options) -> None:
        self.key = issue.new_key("p256", entropy(1, name))
        wanted = issue.Wanted(
            name, **{"begin": BEGIN, "end": END, "ca": True, "usage": CA, **options}
        )
        above = (issuer.certificate, issuer.key) if issuer else ()
        self.certificate = issue.issue(wanted, self.key, *above)

    def issue(self, name: str = "gw", kind: str = "p256", **options) -> Certificate:
        key = issue.new_key(kind, entropy(2, name, kind))
        wanted = issue.Wanted(name, **{"begin": BEGIN, "end": END, **options})
        return issue.issue(wanted, key, self.certificate, self.key)

    def crl(self, *revoked: Certificate, begin: float = BEGIN, end: float = END) -> Crl:
        return Crl.load(issue.revoke(self.certificate, self.key, revoked, begin, end))


def refusal(*args, **options) -> Reason:
    """Why a chain does not hold."""
    with pytest.raises(CertRefused) as caught:
        chains.check(*args, **options)
    return caught.value.reason
