"""Extensions of RFC 7296, our own two ends against each other: what they agree on, what not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ikelab.harness.entropy import entropy
from ikelab.harness.exchange import mobike, redirect, small
from ikelab.harness.exchange.config import Conduct
from ikelab.harness.exchange.events import Moved, ProofExpires, Redirected, TicketRefused
from ikelab.harness.exchange.features import Features, Redirect, TicketBox
from ikelab.harness.exchange.listener import Listener
from ikelab.harness.exchange.sa import IkeSa
from ikelab.harness.exchange.table import State
from ikelab.harness.model import Nat
from ikelab.harness.options import overridden
from ikelab.harness.transcript import RECEIVED, SENT
from ikelab.layers.iana import AuthMethod, Exchange, Notify, Payload
from tests.harness.talk import LEFT, RIGHT, Talk, events, plan

NEW, OTHER = "10.0.0.9", "10.0.0.7"


def both(i=None, r=None, **options):
    """A talk whose sides have these features."""
    return Talk(
        i={"features": Features(**(i or {})), **options.pop("i_more", {})},
        r={"features": Features(**(r or {})), **options.pop("r_more", {})},
        **options,
    )


def is_up(talk):
    assert talk.i.state is talk.r.state is State.ESTABLISHED, talk.i.transcript.text()
    assert talk.violations == []
    return True


def notifies(sa, exchange, *, sent):
    """The types of the notifies of an exchange's messages."""
    way = SENT if sent else RECEIVED
    steps = [s for s in sa.transcript if s.message.exch_type == exchange and s.direction == way]
    inner = [p for s in steps for p in (s.inner() or s.message.payloads)]
    return [int(p.type) for p in inner if p.kind == Payload.N]


# -- SUPPORTED_AUTH_METHODS (RFC 9593) -------------------------------------------------------

PSK, DIGITAL = 2, int(AuthMethod.DIGITAL_SIGNATURE)


def test_announced_methods_are_heard():
    talk = both({"methods": (PSK, DIGITAL)}, {"methods": (PSK,)}).up()

    assert is_up(talk)
    assert small.heard_methods(talk.i) == (PSK,)
    assert small.heard_methods(talk.r, talk.r.rounds.offer) == (PSK, DIGITAL)


def test_without_a_common_method_the_initiator_gives_up_by_itself():
    talk = both({}, {"methods": (DIGITAL,)}).up()

    assert talk.i.state is State.CLOSED
    assert talk.i.window.next_request == 1  # no IKE_AUTH


def test_without_a_common_method_the_responder_refuses():
    talk = both({"methods": (DIGITAL,)}, {}).up()

    assert talk.i.last_response.errors() == [Notify.AUTHENTICATION_FAILED]


# -- childless (RFC 6023) --------------------------------------------------------------------


def test_a_childless_sa_gets_its_children_later():
    talk = both({"childless": True}, {"childless": True}).up()

    assert is_up(talk)
    assert talk.i.child is talk.r.child is None
    talk.i.create_child(talk.now)
    talk.carry()
    assert talk.i.child.spi_out == talk.r.child.spi_in


def test_a_child_is_asked_for_where_the_responder_needs_one():
    talk = both({"childless": True}, {}).up()

    assert is_up(talk)
    assert talk.i.child


# -- AUTH_LIFETIME (RFC 4478) ----------------------------------------------------------------


def test_a_proof_has_its_time():
    talk = both({}, {"auth_lifetime": 90}).up()
    assert is_up(talk)
    assert talk.i.small.expires == pytest.approx(67.5, abs=1)
    assert talk.i.timer() <= talk.i.small.expires

    talk.now = 91.0
    talk.r.handle_timer(talk.now)
    talk.carry()

    assert talk.i.state is talk.r.state is State.CLOSED


def test_an_initiator_proves_itself_anew_in_time():
    talk = both({}, {"auth_lifetime": 90}).up()
    made, old, first = [], talk.i, talk.r
    talk.i.on_successor = made.append

    talk.now = 70.0
    old.handle_timer(talk.now)
    assert ProofExpires() in events(old)
    (talk.i,) = made
    talk.carry()
    talk.auth()
    talk.i = old
    talk.carry()

    assert made[0].state is talk.r.state is State.ESTABLISHED
    assert old.state is first.state is State.CLOSED


# -- quick crash detection (RFC 6290) --------------------------------------------------------


def crash(talk):
    """The responder forgets everything, but not its secret; then the initiator asks for life."""
    talk.listener = Listener(talk.listener.config, entropy(9, "after the crash"))
    talk.i.inform([], talk.now)
    talk.carry()


def test_who_lost_an_sa_says_so_with_its_token():
    talk = both({"crash_secret": b"i" * 32}, {"crash_secret": b"r" * 32}).up()
    assert is_up(talk)
    assert talk.i.small.token == small.token(b"r" * 32, talk.i.spi_i, talk.i.spi_r)
    assert talk.r.small.token == small.token(b"i" * 32, talk.i.spi_i, talk.i.spi_r)

    crash(talk)

    assert talk.i.state is State.CLOSED


def test_a_token_of_another_secret_ends_nothing():
    talk = both({}, {"crash_secret": b"r" * 32}).up()
    features = Features(crash_secret=b"of somebody else")
    talk.listener.config = replace(talk.listener.config, features=features)

    crash(talk)

    assert talk.i.state is State.ESTABLISHED


# -- message ID synchronisation (RFC 6311) ---------------------------------------------------


def test_message_ids_are_set_anew_after_a_failover():
    talk = both({"sync": True}, {"sync": True}).up()
    assert talk.i.small.sync and talk.r.small.sync
    talk.r.window.next_request, talk.r.window.expected = 0, 0  # a new member that knows little

    small.ask_sync(talk.r, talk.now, sends=5, receives=2)
    talk.carry()
    talk.i.inform([], talk.now)
    talk.carry()
    talk.r.inform([], talk.now)
    talk.carry()

    assert (talk.i.window.expected, talk.r.window.next_request) == (6, 6)
    assert (talk.i.window.next_request, talk.r.window.expected) == (3, 3)
    assert is_up(talk)


def test_message_ids_stay_where_it_was_not_agreed_on():
    talk = both({}, {"sync": True}).up()
    talk.r.inform([], talk.now)
    talk.carry()
    small.ask_sync(talk.r, talk.now, sends=5, receives=2)
    talk.carry()

    assert talk.i.window.expected == 1


# -- MOBIKE (RFC 4555) -----------------------------------------------------------------------


def mobile(**options):
    talk = both({"mobike": True}, {"mobike": True, **options}).up()
    assert is_up(talk)
    assert talk.i.mobility.agreed and talk.r.mobility.agreed
    return talk


def test_port_4500_is_used_without_a_nat():
    talk = mobile()

    assert (talk.i.local, talk.i.remote) == ((LEFT, 4500), (RIGHT, 4500))
    assert talk.i.nat == Nat(initiator=False, responder=False)


def test_an_update_moves_both_ends():
    talk = mobile()
    mobike.move(talk.i, (NEW, 4500), talk.now)
    talk.carry()

    assert talk.r.remote == (NEW, 4500)
    assert Moved((NEW, 4500), (RIGHT, 4500)) in events(talk.i)
    assert talk.i.mobility.moves == talk.r.mobility.moves == 1
    assert talk.i.nat == talk.r.nat == Nat(initiator=False, responder=False)
    talk.r.inform([], talk.now)
    talk.carry()
    assert is_up(talk)


def test_nothing_else_moves_it():
    talk = mobile()
    talk.i.local = (NEW, 4500)
    talk.i.inform([], talk.now)
    talk.carry()

    assert talk.r.remote == (LEFT, 4500)


def test_a_request_that_waits_goes_out_again_before_the_update():
    talk = mobile()
    talk.i.inform([], talk.now)
    talk.sent()  # lost
    mobike.move(talk.i, (NEW, 4500), talk.now)
    assert len(talk.i.window.waiting) == 1
    talk.carry()

    assert talk.r.remote == (NEW, 4500)
    assert talk.i.window.next_request == 4


def test_a_new_path_is_checked():
    talk = mobile(check_path=True)
    mobike.move(talk.i, (NEW, 4500), talk.now)
    talk.carry()

    assert is_up(talk)
    assert Notify.COOKIE2 in notifies(talk.r, Exchange.INFORMATIONAL, sent=True)


def test_who_does_not_give_cookie2_back_loses_its_sa():
    fault = {"conduct": Conduct().but("return_cookie2")}
    talk = both({"mobike": True}, {"mobike": True, "check_path": True}, i_more=fault).up()
    mobike.move(talk.i, (NEW, 4500), talk.now)
    talk.carry()

    assert talk.i.state is talk.r.state is State.CLOSED


def test_a_nat_that_is_not_allowed_is_told_of():
    def nat(datagram):
        return replace(datagram, src=("192.0.2.1", datagram.src[1]))

    talk = both({"mobike": True, "no_nats": True}, {"mobike": True}).up()
    talk.out = nat
    mobike.move(talk.i, (NEW, 4500), talk.now)
    talk.to_responder(talk.sent())
    answers = talk.answered()
    talk.to_initiator([replace(d, dst=(NEW, 4500)) for d in answers])

    assert talk.i.last_response.errors() == [Notify.UNEXPECTED_NAT_DETECTED]
    assert talk.r.remote == (LEFT, 4500)


# -- redirect (RFC 5685) ---------------------------------------------------------------------


class Two(Talk):
    """A second gateway at OTHER, which the first one knows of."""

    def __init__(self, **options):
        super().__init__(**options)
        config = overridden(self.listener.config, features=Features(), local=(OTHER, 500))
        self.second = Listener(config, entropy(5, "second"))
        self.sas = [self.i]
        self.i.on_successor = self.sas.append

    def sent(self):
        return [d for sa in self.sas for d in sa.datagrams(self.now)]

    def carry(self):
        for _ in range(40):
            there = self.sent()
            for datagram in there:
                end = self.second if datagram.dst[0] == OTHER else self.listener
                end.receive(datagram, self.now)
            here = self.listener.datagrams(self.now) + self.second.datagrams(self.now)
            for datagram in here:
                spi = datagram.data[4:12] if datagram.src[1] == 4500 else datagram.data[:8]
                for sa in self.sas:
                    if sa.spi_i == spi:
                        sa.receive(datagram, self.now)
            self.now += 0.01
            for sa in self.sas:
                if sa.state is State.INIT_DONE and not sa.window.outstanding:
                    sa.start_auth(self.now)


def sent_away(when, **redirected):
    told = Redirect(OTHER, when, **redirected)
    return Two(
        i={"features": Features(follow_redirects=True)}, r={"features": Features(redirect=told)}
    )


@pytest.mark.parametrize("when", ["init", "auth"])
def test_an_initiator_goes_where_it_is_sent(when):
    talk = sent_away(when)
    talk.i.start_init(talk.now)
    talk.carry()

    assert [sa.state for sa in talk.second.sas] == [State.ESTABLISHED]
    assert talk.second.sas[0].redirection.supported
    mine = talk.sas[-1]
    assert mine.state is State.ESTABLISHED and mine.remote[0] == OTHER
    assert all(sa.state is State.CLOSED for sa in talk.listener.sas)
    assert Redirected(OTHER) in events(talk.i)


def test_an_initiator_goes_later_too():
    talk = sent_away("later")
    talk.i.start_init(talk.now)
    talk.carry()
    assert talk.i.state is State.ESTABLISHED
    redirect.send(talk.r, OTHER, talk.now)
    talk.carry()

    assert [sa.state for sa in talk.second.sas] == [State.ESTABLISHED]
    assert talk.i.state is State.CLOSED


def test_a_redirect_with_another_nonce_is_not_followed():
    talk = sent_away("init", nonce=bytes(32))
    talk.i.start_init(talk.now)
    talk.carry()

    assert talk.second.sas == []
    assert talk.i.state is State.INIT_SENT


def test_who_does_not_follow_is_not_sent_away():
    talk = Two(r={"features": Features(redirect=Redirect(OTHER))})
    talk.i.start_init(talk.now)
    talk.carry()

    assert talk.i.state is State.ESTABLISHED and talk.i.remote[0] == RIGHT


def test_a_loop_of_redirects_ends():
    talk = sent_away("init")
    back = Features(redirect=Redirect(RIGHT))
    talk.second.config = replace(talk.second.config, features=back)
    talk.i.start_init(talk.now)
    talk.carry()

    assert len(talk.i.redirection.times) == redirect.MOST
    assert talk.i.state is State.INIT_SENT


# -- resumption (RFC 5723) -------------------------------------------------------------------


def resumed(talk, session, now=None):
    """Another IKE SA that begins with the ticket."""
    features = Features(resume=session, ask_ticket=True)
    config = replace(talk.i.config, features=features)
    talk.i = IkeSa(config, initiator=True, entropy=entropy(7, str(len(talk.listener.sas))))
    talk.now = talk.now if now is None else now
    talk.i.start_init(talk.now)
    talk.carry()
    if talk.i.state is State.INIT_DONE:
        talk.auth()
    return talk


def granted(box=None):
    talk = both({"ask_ticket": True}, {"tickets": box or TicketBox()}).up()
    assert is_up(talk)
    return talk, talk.i.resumption.session


def test_a_ticket_brings_the_sa_back_without_a_key_exchange():
    talk, session = granted()
    old = talk.i.keys
    resumed(talk, session)

    assert is_up(talk)
    assert talk.i.keys.sk_d == talk.r.keys.sk_d != old.sk_d
    exchanges = [s.message.exch_type for s in talk.i.transcript]
    assert exchanges == [38, 38, 35, 35]
    assert talk.i.child.keys == talk.r.child.keys
    assert talk.i.resumption.session.ticket != session.ticket


def test_a_ticket_is_redeemed_once():
    talk, session = granted()
    resumed(talk, session)
    resumed(talk, session)

    assert TicketRefused() in events(talk.i)
    assert is_up(talk)  # by a full exchange
    assert talk.i.transcript.steps[0].message.exch_type == 38
    assert talk.i.transcript.steps[2].message.exch_type == 34


def test_an_old_ticket_is_refused():
    talk, session = granted(TicketBox(lifetime=100))
    resumed(talk, session, now=200.0)

    assert TicketRefused() in events(talk.i)


def test_a_ticket_is_no_good_for_another_identity():
    talk, session = granted()
    changed = plan(r"IKE_AUTH/request: SK.IDi.ID = b'mallory@example.org'")
    config = replace(talk.i.config, plan=changed)
    talk.i.config = config
    resumed(talk, session)

    assert talk.i.state is State.CLOSED


def test_who_has_no_tickets_says_so():
    talk = both({"ask_ticket": True}, {}).up()

    assert is_up(talk)
    assert Notify.TICKET_NACK in notifies(talk.i, Exchange.IKE_AUTH, sent=False)
    assert talk.i.resumption.session is None


def test_nothing_of_all_this_is_said_unasked():
    talk = Talk().up()

    said = notifies(talk.i, 34, sent=True) + notifies(talk.i, 34, sent=False)
    said += notifies(talk.i, 35, sent=True) + notifies(talk.i, 35, sent=False)
    assert set(said) <= {
        Notify.NAT_DETECTION_SOURCE_IP,
        Notify.NAT_DETECTION_DESTINATION_IP,
        Notify.IKEV2_FRAGMENTATION_SUPPORTED,
    }
