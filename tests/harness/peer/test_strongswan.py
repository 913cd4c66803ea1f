"""Real charons of each release in two hosts: they agree, they are driven, they fail with words."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import replace

import pytest
from daemon_pair import bring_up, config, established, pair, until

from ikelab.harness.errors import LabError
from ikelab.harness.model import Nat, Suite, suites
from ikelab.harness.peer.addresses import V4, V6
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.peer.strongswan import logs
from ikelab.layers.iana import Protocol

SEED = {
    "ike": suites(["3des-aes128-sha1-modp1024"]),
    "esp": suites(["3des-sha1"], Protocol.ESP),
    "ts": ("0.0.0.0/0", "0.0.0.0/0"),
}


@pytest.fixture
def with_pair(strongswan, tunnels, paired):
    """Call a function with two daemons, in a world of its own."""
    return paired(strongswan)


@pytest.mark.parametrize("sides", [V4, V6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("differs", [{}, SEED], ids=["plain", "seed"])
def test_two_charons_agree_on_everything(with_pair, sides, differs):
    if differs and sides is V6:
        differs = {**differs, "ts": ("::/0", "::/0")}

    near, far = with_pair(lambda near, far: bring_up(near, far, sides, **differs))

    assert (near.initiator, far.initiator) == (True, False)
    assert near.spis == far.spis
    assert near.suite == far.suite
    assert near.state == far.state == "ESTABLISHED"
    assert (near.child.spi_in, near.child.spi_out) == (far.child.spi_out, far.child.spi_in)
    assert near.child.suite == far.child.suite
    assert (near.child.local_ts, near.child.remote_ts) == (far.child.remote_ts, far.child.local_ts)
    if differs:
        assert near.suite == Suite.parse("3des-sha1-modp1024")
        assert near.child.suite == Suite.parse("3des-sha1", Protocol.ESP)


def test_a_client_elsewhere_is_expected_without_ending_what_is_up(with_pair):
    def seen(near, far):
        before = bring_up(near, far)[1]
        far.expect("10.0.0.77")
        [listed] = far._ask(lambda session: list(session.list_conns()))
        return before.spis, established(far).spis, listed, far.config_text()

    before, after, listed, text = with_pair(seen)

    assert before == after
    assert listed["ikelab"]["remote_addrs"] == [b"10.0.0.77"] and "10.0.0.77" in text


def test_what_a_daemon_can_do_is_probed(with_pair, strongswan):
    def said(near, far):
        return near.name, near.version, near.capabilities, bring_up(near, far)[1].nat

    name, version, capabilities, nat = with_pair(said)

    assert name == strongswan.manifest.peer
    assert version == strongswan.manifest.version
    assert {"initiator", "responder", "view", "cookies", "keys"} <= capabilities
    assert ("nat-d-honest" in capabilities) == (nat == Nat(initiator=False, responder=False))


def test_a_datagram_goes_through_the_tunnel(with_pair):
    def sent(near, far):
        bring_up(near, far)
        with near._host.socket() as source, far._host.socket() as sink:
            source.bind(("10.1.0.1", 0))
            sink.bind(("10.2.0.1", 4000))
            sink.settimeout(5)
            source.sendto(b"hello", ("10.2.0.1", 4000))
            data, (address, _) = sink.recvfrom(100)
        counted = [peer.listed()[0]["ikelab"]["child-sas"].popitem()[1] for peer in (near, far)]
        return data, address, counted[0]["packets-out"], counted[1]["packets-in"]

    assert with_pair(sent) == (b"hello", "10.1.0.1", "1", "1")


def test_its_log_tells_the_keys(with_pair):
    def keys(near, far):
        sa, _ = bring_up(near, far)
        return sa.spis, logs.ike_secrets(near.log()), logs.ike_secrets(far.log())

    spis, near, far = with_pair(keys)

    assert near == far
    assert set(near[spis]) == {"SKEYSEED", "SK_d", "SK_ei", "SK_er", "SK_pi", "SK_pr"}


def test_cookies_are_demanded_of_everyone(with_pair):
    def tried(near, far):
        far.start(config(V4[1], V4[0], cookies=True))
        assert far.view().sas == ()
        for _ in range(3):
            near.stop()
            near.start(config(V4[0], V4[1]))
            near.initiate()
            established(near)
            assert "received COOKIE notify" in near.log()
        return len(far.view().sas)

    assert with_pair(tried) >= 1


def test_start_is_idempotent_and_gives_a_daemon_without_past(with_pair):
    def tried(near, far):
        wanted = config(V4[1], V4[0])
        far.start(wanted)
        first = far._daemon.process.pid
        far.start(wanted)
        second = far._daemon.process.pid
        near.start(config(V4[0], V4[1]))
        near.initiate()
        established(far)
        far.start(wanted)
        third = far._daemon.process.pid
        assert far.view().sas == ()
        assert "initiating" not in far.log()
        far.start(replace(wanted, dpd_delay=7))
        return first, second, third, far._daemon.process.pid, far.config_text()

    first, second, third, fourth, text = with_pair(tried)

    assert first == second
    assert len({first, third, fourth}) == 3
    assert "dpd_delay = 7s" in text


def test_stop_leaves_no_process_no_rule_and_can_be_called_twice(with_pair):
    def tried(near, far):
        bring_up(near, far)
        host, before = near._host, near._host.processes()
        near.stop()
        near.stop()
        left = host.processes()
        rules = host.popen(["ip", "rule"], stdout=subprocess.PIPE, text=True).communicate()[0]
        assert "initiating IKE_SA" in near.log()
        near.start(config(V4[0], V4[1]))
        return before, left, rules, near.alive()

    before, left, rules, alive = with_pair(tried)

    assert len(before) == 1
    assert left == []
    assert "220" not in rules
    assert alive


def test_death_at_start_tells_its_last_words(with_pair):
    def tried(near, far):
        with pytest.raises(LabError) as caught:
            near.start(config(V4[0], V4[1], options={"charon.load": "random nonce openssl vici"}))
        return str(caught.value), near.alive()

    said, alive = with_pair(tried)

    assert "charon died at start (exit status " in said
    assert "last words: " in said and "[LIB]" in said
    assert "\n" not in said
    assert not alive


def test_a_port_in_use_is_said(with_pair):
    def tried(near, far):
        with near._host.socket() as taken:
            taken.bind(("0.0.0.0", 500))
            with pytest.raises(LabError) as caught:
                near.start(config(V4[0], V4[1]))
        return str(caught.value)

    assert "found its ports in use" in with_pair(tried)


def test_a_daemon_that_crashed_is_noticed(with_pair):
    def tried(near, far):
        far.start(config(V4[1], V4[0]))
        os.kill(far._daemon.process.pid, signal.SIGSEGV)
        until(lambda: not far.alive(), "the daemon ended")
        assert "received critical signal" in far.log()
        with pytest.raises(LabError) as caught:
            far.view()
        return str(caught.value)

    assert "(killed by SIG" in with_pair(tried)


def test_before_start_nothing_answers(with_pair):
    def tried(near, far):
        assert not near.alive()
        with pytest.raises(LabError, match="has not been started"):
            near.view()
        near.stop()

    with_pair(tried)


@pytest.mark.parametrize(
    ("differs", "said"),
    [
        ({"ike": suites(["aes128-sha256-ke:37"])}, "lacks ML_KEM|lacks ml-kem"),
        ({"esp": suites(["aes128gmac"], Protocol.ESP)}, "lacks ENCR_NULL_AUTH_AES_GMAC"),
        ({"esp": suites(["aes128gcm16-esn"], Protocol.ESP)}, "no AH and no ESN"),
        ({"esp": suites(["sha1"], Protocol.AH)}, "no AH and no ESN"),
        ({"options": {"mode": "transport"}}, "tunnel mode only"),
        ({"options": {"connection.nosuch": "1"}}, "does not take this: .*nosuch"),
        ({"ike": suites(["aes128-aes256gcm16-sha1-modp2048"])}, "does not take this: .*proposals"),
    ],
)
def test_what_it_cannot_do_is_unsupported(with_pair, differs, said):
    def tried(near, far):
        if "kernel-esp" in near.capabilities and "without ESP" in said:
            return
        with pytest.raises(Unsupported, match=said):
            near.start(config(V4[0], V4[1], **differs))

    with_pair(tried)


def test_a_socket_path_may_be_long(strongswan, in_world, tunnels, tmp_path):
    folder = tmp_path / ("long" * 20)

    def inside():
        with pair(strongswan.manifest.peer, folder) as (near, _):
            near.start(config(V4[0], V4[1]))
            return near.alive()

    assert len(str(folder)) > 108
    assert in_world(inside)


def test_ready_in_time(with_pair):
    """Two daemons answer within 150 ms; the median of several, for a busy machine."""

    def timed(near, far):
        times = []
        for number in range(7):
            begin = time.monotonic()
            near.start(config(V4[0], V4[1], dpd_delay=number))
            far.start(config(V4[1], V4[0], dpd_delay=number))
            near.view(), far.view()
            times.append(time.monotonic() - begin)
        return sorted(times)[3]

    assert with_pair(timed) < 0.3


def test_a_fuzzers_datagrams_do_not_stop_it(with_pair):
    def tried(near, far):
        far.start(config(V4[1], V4[0]))
        with near._host.socket() as udp:
            udp.connect((V4[1].address, 500))
            for size in range(0, 400):
                udp.send(os.urandom(size))
        near.start(config(V4[0], V4[1]))
        near.initiate()
        established(near)
        return far.alive()

    assert with_pair(tried)
