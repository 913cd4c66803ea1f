"""Real plutos of each release in two hosts: they agree, they are driven, they fail with words.

On a kernel without ESP the IKE SA comes up and its child does not; both are tested as they are.
"""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest
from daemon_pair import bring_up, config, until, up

from ikelab.harness.errors import LabError
from ikelab.harness.exchange.credentials import NullCredential, Trust
from ikelab.harness.model import Nat, Suite, Transform, suites
from ikelab.harness.peer import cache
from ikelab.harness.peer.addresses import V4, V6
from ikelab.harness.peer.base import Unsupported
from ikelab.harness.peer.libreswan import logs
from ikelab.layers.iana import Encr, Integ, Protocol, Sn, TransformType
from ikelab.netns import kernel

RELEASES = ("trixie", "bookworm", "bullseye")
CBC = {
    "ike": suites(["3des-aes128-sha1-modp2048"]),
    "esp": suites(["aes128-sha1"], Protocol.ESP),
}


@pytest.fixture(scope="module", params=RELEASES)
def libreswan(request, needed) -> cache.Entry:
    """A provisioned Libreswan of each release."""
    return needed(f"libreswan@{request.param}")


@pytest.fixture
def talks(libreswan):
    """Skips what this release cannot do on this kernel: 4.3 drops an IKE SA for want of a child."""
    if libreswan.manifest.version == "4.3" and not kernel.probe()["esp"]:
        pytest.skip("Libreswan 4.3 cannot respond on a kernel without ESP")


@pytest.fixture
def with_pair(libreswan, paired):
    """Call a function with two daemons, in a world of its own."""
    return paired(libreswan)


@pytest.mark.parametrize("sides", [V4, V6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("differs", [{}, CBC], ids=["plain", "cbc"])
def test_two_plutos_agree_on_everything(talks, with_pair, sides, differs):
    near, far = with_pair(lambda near, far: bring_up(near, far, sides, **differs))

    assert (near.initiator, far.initiator) == (True, False)
    assert near.spis == far.spis and any(near.spis.i) and any(near.spis.r)
    wanted = "3des-sha1-modp2048" if differs else "aes128gcm16-prfsha256-x25519"
    assert near.suite == far.suite == Suite.parse(wanted)
    assert (near.local_id, near.remote_id) == (far.remote_id, far.local_id)
    assert near.local_id == sides[0].address
    assert near.nat == far.nat == Nat(initiator=False, responder=False)
    if near.child and far.child:
        assert (near.child.spi_in, near.child.spi_out) == (far.child.spi_out, far.child.spi_in)
        assert near.child.suite == far.child.suite
        assert near.child.local_ts == far.child.remote_ts


def test_what_a_daemon_can_do_is_probed(with_pair, libreswan):
    def said(near, far):
        encr, integ, sn = TransformType.ENCR, TransformType.INTEG, TransformType.SN
        knows = [
            near.knows(Transform(encr, Encr.ENCR_AES_CBC, 128), Protocol.IKE),
            near.knows(Transform(encr, Encr.ENCR_AES_CCM_16, 128), Protocol.IKE),
            near.knows(Transform(encr, Encr.ENCR_AES_CCM_16, 128), Protocol.ESP),
            near.knows(Transform(integ, Integ.AUTH_HMAC_SHA2_256_128), Protocol.IKE),
            near.knows(Transform(encr, Encr.ENCR_BLOWFISH, 128), Protocol.ESP),
            near.knows(Transform(sn, Sn.NO_ESN), Protocol.ESP),
        ]
        return near.name, near.version, near.capabilities, near.lacks, knows

    name, version, capabilities, lacks, knows = with_pair(said)

    assert name == libreswan.manifest.peer
    assert version == libreswan.manifest.version
    assert {"initiator", "view", "cookies", "nat-d-honest"} <= capabilities
    assert ("responder" in capabilities) == ("responder" not in lacks)
    assert ("child" in capabilities) == (lacks == {})
    if lacks:
        assert "the kernel has no ESP" in lacks["child"] and "--kernel guest" in lacks["child"]
    assert knows[:5] == [True, False, True, True, False]


def test_its_log_tells_the_keys(talks, with_pair):
    def keys(near, far):
        sa, _ = bring_up(near, far, **CBC)
        children = near.child_keys(), far.child_keys()
        return sa, logs.ike_secrets(near.log()), logs.ike_secrets(far.log()), children

    sa, near, far, (ours, theirs) = with_pair(keys)

    assert near[sa.spis] == far[sa.spis]
    assert {key: len(value) for key, value in near[sa.spis].items()} == {
        "SK_ei": 24,
        "SK_er": 24,
        "SK_ai": 20,
        "SK_ar": 20,
    }
    assert ours == theirs and len(ours) == len(sa.children)


def test_cookies_are_demanded_of_everyone(talks, with_pair):
    def tried(near, far):
        far.start(config(V4[1], V4[0], cookies=True))
        near.start(config(V4[0], V4[1]))
        near.initiate()
        up(near)
        return near.log()

    assert "COOKIE" in with_pair(tried)


def test_nobody_needs_to_prove_anything(talks, with_pair):
    def tried(near, far):
        nobody = {"own": NullCredential(), "trust": Trust(null=True)}
        return bring_up(near, far, **nobody)

    near, far = with_pair(tried)

    assert near.state == far.state == "ESTABLISHED"


def test_start_is_idempotent_and_gives_a_daemon_without_past(talks, with_pair):
    def tried(near, far):
        wanted = config(V4[1], V4[0])
        pids = []
        for _ in range(2):
            far.start(wanted)
            pids.append(far._daemon.process.pid)
        near.start(config(V4[0], V4[1]))
        near.initiate()
        up(far)
        far.start(wanted)
        pids.append(far._daemon.process.pid)
        assert far.view().sas == ()
        assert "processing IKE_SA_INIT" not in far.log()
        far.start(replace(wanted, keepalive=7))
        return [*pids, far._daemon.process.pid], far.config_text()

    (first, second, third, fourth), text = with_pair(tried)

    assert first == second
    assert len({first, third, fourth}) == 3
    assert "keep-alive=7" in text


def test_stop_leaves_no_process_and_can_be_called_twice(talks, with_pair):
    def tried(near, far):
        bring_up(near, far)
        host, before = near._host, near._host.processes()
        near.stop()
        near.stop()
        left = host.processes()
        assert "initiating IKEv2" in near.log()
        near.start(config(V4[0], V4[1]))
        return before, left, near.alive()

    before, left, alive = with_pair(tried)

    assert len(before) == 1
    assert left == []
    assert alive


def test_a_port_in_use_is_said(with_pair):
    def tried(near, far):
        with near._host.socket() as taken:
            taken.bind((V4[0].address, 500))
            with pytest.raises(LabError) as caught:
                near.start(config(V4[0], V4[1]))
        return str(caught.value), near.alive()

    said, alive = with_pair(tried)

    assert "pluto found its ports in use" in said and "\n" not in said
    assert not alive


def test_a_daemon_that_crashed_is_noticed(with_pair):
    def tried(near, far):
        far.start(config(V4[1], V4[0]))
        os.kill(far._daemon.process.pid, signal.SIGKILL)
        until(lambda: not far.alive(), "the daemon ended")
        with pytest.raises(LabError) as caught:
            far.view()
        return str(caught.value)

    assert "pluto is gone (killed by SIGKILL); its last words: " in with_pair(tried)


def test_death_at_start_tells_its_last_words(with_pair):
    def tried(near, far):
        near.start(config(V4[0], V4[1]))
        near.stop()
        for database in (near._daemon.folder / "nss").iterdir():
            database.unlink()
        with pytest.raises(LabError) as caught:
            near.start(config(V4[0], V4[1]))
        return str(caught.value), near.alive()

    said, alive = with_pair(tried)

    assert "pluto died at start (" in said and "NSS" in said
    assert not alive


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
        ({"ike": suites(["3des-sha1-modp1024"])}, "lacks 1024-bit MODP"),
        ({"ike": suites(["aes128ccm16-prfsha256-ecp256"])}, "lacks ENCR_AES_CCM_16"),
        ({"options": {"conn.nosuch": "1"}}, "does not take this: .*nosuch"),
        ({"options": {"conn.esp": "rot13"}}, "does not take this: .*rot13"),
    ],
)
def test_what_it_cannot_do_is_unsupported(with_pair, differs, said):
    def tried(near, far):
        with pytest.raises(Unsupported, match=said):
            near.start(config(V4[0], V4[1], **differs))
        near.start(config(V4[0], V4[1]))
        return near.alive()

    assert with_pair(tried)


def test_a_fuzzers_datagrams_do_not_stop_it(talks, with_pair):
    def tried(near, far):
        far.start(config(V4[1], V4[0]))
        with near._host.socket() as udp:
            udp.connect((V4[1].address, 500))
            for size in range(0, 400):
                udp.send(os.urandom(size))
        near.start(config(V4[0], V4[1]))
        near.initiate()
        up(near)
        return far.alive()

    assert with_pair(tried)
