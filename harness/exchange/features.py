"""What a side of an IKE SA is told about extensions: all off, or at RFC 7296's way, by default."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from ikelab.harness.exchange.credentials import Credential, Trust
from ikelab.harness.model import Identity, Suite
from ikelab.layers.iana import Notify, PpkIdType

PPK_NUMBERS: tuple[int, int] = (Notify.USE_PPK_INT, Notify.PPK_IDENTITY_KEY)


@dataclass(frozen=True, slots=True)
class Round:
    """One more proof of an initiator: who it says it is, and what with (RFC 4739)."""

    identity: Identity
    credential: Credential


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where initiators are sent, and when: "init", "auth", or "later", when it is told to."""

    to: str
    when: str = "init"
    nonce: bytes | None = None  # in place of the initiator's, which is a fault


@dataclass(frozen=True, slots=True)
class Ppk:
    """A key that both sides were given beforehand, and its name (RFC 8784 5.1)."""

    id: bytes
    key: bytes = field(repr=False)
    kind: int = PpkIdType.PPK_ID_FIXED


@dataclass(slots=True)
class TicketBox:
    """Tickets by reference: what a responder keeps of SAs that may be resumed, by ticket.

    Shared by all SAs of a listener. `lifetime` in seconds.
    """

    lifetime: int = 3600
    kept: dict[bytes, Session] = field(default_factory=dict, repr=False)
    spent: set[bytes] = field(default_factory=set, repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """What both sides keep of an IKE SA that may be resumed (RFC 5723 5)."""

    ticket: bytes
    suite: Suite
    sk_d: bytes = field(repr=False)
    ours: Identity
    theirs: Identity
    expires: float = 0.0


@dataclass(frozen=True, slots=True)
class Features:
    """The extensions of one side. Who reads a field says what it means; see the RFC beside it."""

    more: tuple[Round, ...] = ()  # RFC 4739: what an initiator proves after its first proof
    more_trust: tuple[Trust, ...] = ()  # RFC 4739: what a responder wants proven in addition
    methods: tuple[int, ...] = ()  # RFC 9593: the authentication methods that we take
    childless: bool = False  # RFC 6023: IKE_AUTH without a child, asked for and announced
    auth_lifetime: int = 0  # RFC 4478: seconds after which a responder wants a new proof
    crash_secret: bytes = field(default=b"", repr=False)  # RFC 6290: what tokens are made of
    sync: bool = False  # RFC 6311: message IDs may be set anew
    mobike: bool = False  # RFC 4555: addresses may change
    check_path: bool = False  # RFC 4555 3.7: a responder asks a new address for COOKIE2
    addresses: tuple[str, ...] = ()  # RFC 4555 3.4: more addresses of ours, told beside mobike
    no_nats: bool = False  # RFC 4555 3.9: an initiator allows no NAT on the way
    follow_redirects: bool = False  # RFC 5685: an initiator goes where it is sent
    redirect: Redirect | None = None  # RFC 5685: where a responder sends its initiators
    ask_ticket: bool = False  # RFC 5723: an initiator wants a ticket
    tickets: TicketBox | None = None  # RFC 5723: a responder gives and takes tickets
    resume: Session | None = None  # RFC 5723: what an initiator resumes
    attributes: tuple[tuple[int, bytes], ...] = ()  # RFC 8598, RFC 9464: what `pool` gives besides
    aggfrag: bool = False  # RFC 9347: AGGFRAG is asked for, and granted
    ipcomp: bool = False  # RFC 7296 2.22: DEFLATE is offered, and taken
    queues: int = 0  # RFC 9611: children of the same selectors that a responder takes
    single_pair: bool = False  # RFC 7296 2.9: a child is for a single pair of addresses
    label: bytes = b""  # RFC 9478: the label that a child's selectors have
    ppks: tuple[Ppk, ...] = ()  # RFC 8784: keys to mix in; an initiator takes the first one
    ppk_required: bool = False  # RFC 8784: nobody gets in without such a key
    ppk_early: bool = False  # RFC 9867: and such keys are named before IKE_AUTH
    ppk_numbers: tuple[int, int] = PPK_NUMBERS  # or those of who is older than IANA's
    solve_puzzles: bool = False  # RFC 8019: an initiator works for its cookie
    puzzle: int = 0  # RFC 8019: zero bits that a responder asks for; it needs `cookies` too
    insist_on_puzzles: bool = False  # RFC 8019: no way in with the cookie alone
    resume_bare: bool = False  # AUTH of a resumed IKE SA is over its sender's first message alone
    eap_key: bytes = field(default=b"", repr=False)  # a fault: AUTH is of this, not of the MSK

    def wanted(self) -> list[str]:
        """The names of what is told."""
        return [f.name for f in fields(self) if getattr(self, f.name) != f.default]


NO_FEATURES = Features()
