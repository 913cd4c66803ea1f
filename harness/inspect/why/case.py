"""Who was refused, by whom, and where that was said: what the judges of IKE_AUTH look at."""

from __future__ import annotations

from dataclasses import dataclass

from ikelab.harness.inspect.authcheck import Proof
from ikelab.harness.inspect.why.story import Story
from ikelab.layers.iana import AuthMethod

MACS = (AuthMethod.SHARED_KEY_MESSAGE_INTEGRITY_CODE, AuthMethod.NULL_AUTHENTICATION)
"""Methods that prove with a key, not with a signature."""


@dataclass(frozen=True, slots=True)
class Case:
    """Who was refused, by whom, where that was said."""

    story: Story
    refused: bool  # True: the initiator was
    frame: int

    @property
    def who(self) -> str:
        return self.story.who(self.refused)

    @property
    def judge(self) -> str:
        return self.story.who(not self.refused)

    @property
    def said(self) -> str:
        return f"{self.judge} said AUTHENTICATION_FAILED (frame {self.frame})"


def proof_of(case: Case) -> Proof | None:
    return next((p for p in case.story.proofs if p.by_initiator == case.refused), None)
