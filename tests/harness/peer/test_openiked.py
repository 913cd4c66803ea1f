"""A real iked of each release. Where the kernel has no PF_KEY it only reads configurations.

With PF_KEY (in the guest kernel) two of them agree; `ikelab run --kernel guest` goes further.
"""

from __future__ import annotations

import pytest
from daemon_pair import bring_up, config

from ikelab.harness.errors import LabError
from ikelab.harness.model import Suite, Transform, suites
from ikelab.harness.peer import cache
from ikelab.harness.peer.addresses import V4
from ikelab.harness.peer.base import Unsupported
from ikelab.layers.iana import Encr, Integ, Protocol, Sn, TransformType
from ikelab.netns import kernel

RELEASES = ("trixie", "bookworm")
CBC = suites(["aes128-sha512"], Protocol.ESP)


@pytest.fixture(scope="module", params=RELEASES)
def openiked(request, needed) -> cache.Entry:
    """A provisioned OpenIKED of each release."""
    return needed(f"openiked@{request.param}")


@pytest.fixture(scope="module")
def pf_key() -> bool:
    """Whether iked can run here."""
    return bool(kernel.probe()["af_key"])


@pytest.fixture
def with_pair(openiked, paired):
    """Call a function with two daemons, in a world of its own."""
    return paired(openiked)


def test_without_pf_key_it_lacks_everything_and_says_why(with_pair, pf_key):
    if pf_key:
        pytest.skip("this kernel has PF_KEY")

    def tried(near, far):
        with pytest.raises(Unsupported) as caught:
            near.start(config(V4[0], V4[1], esp=CBC))
        return str(caught.value), near.capabilities, near.lacks

    said, capabilities, lacks = with_pair(tried)

    assert "OpenIKED needs PF_KEY, which this kernel lacks (Address family not" in said
    assert "ikelab run --kernel guest" in said
    assert not {"responder", "initiator", "view", "child"} & capabilities
    assert {"responder", "initiator"} <= set(lacks)


def test_with_pf_key_two_of_them_agree(with_pair, pf_key):
    if not pf_key:
        pytest.skip("this kernel has no PF_KEY")

    def tried(near, far):
        views = bring_up(near, far, esp=CBC)
        return *views, near.child_keys(), far.child_keys()

    near, far, ours, theirs = with_pair(tried)

    assert near.spis == far.spis and near.suite == far.suite
    assert near.child.suite == far.child.suite == Suite.parse("aes128-sha512", Protocol.ESP)
    assert (near.child.spi_in, near.child.spi_out) == (far.child.spi_out, far.child.spi_in)
    assert ours == theirs and len(ours) == 1


def test_what_it_accepts_is_tried(with_pair):
    encr, integ, sn = TransformType.ENCR, TransformType.INTEG, TransformType.SN
    wanted = [
        (Transform(encr, Encr.ENCR_AES_CBC, 256), Protocol.IKE, True),
        (Transform(encr, Encr.ENCR_AES_GCM_16, 256), Protocol.IKE, True),
        (Transform(encr, Encr.ENCR_AES_GCM_16, 256), Protocol.ESP, False),
        (Transform(encr, Encr.ENCR_CAMELLIA_CBC, 128), Protocol.IKE, False),
        (Transform(integ, Integ.AUTH_HMAC_SHA2_512_256), Protocol.ESP, True),
        (Transform(integ, Integ.AUTH_AES_XCBC_96), Protocol.IKE, False),
        (Transform(sn, Sn.NO_ESN), Protocol.ESP, True),
        (Transform(sn, Sn.ESN), Protocol.ESP, False),
    ]

    found = with_pair(lambda near, far: [near.knows(t, protocol) for t, protocol, _ in wanted])

    assert found == [expected for *_, expected in wanted]


def test_a_configuration_that_it_refuses_or_shortens_is_unsupported(with_pair):
    def tried(near, far):
        said = []
        for esp in (["aes128gcm16"], ["aes128-sha512", "chacha20poly1305"]):
            with pytest.raises(Unsupported) as caught:
                wanted = config(V4[0], V4[1], esp=suites(esp, Protocol.ESP))
                near._write({"iked.conf": near_text(wanted)})
                near._check(wanted)
            said.append(str(caught.value))
        return said

    def near_text(wanted):
        from ikelab.harness.peer.openiked.render import render

        return render(wanted)["iked.conf"]

    for said in with_pair(tried):
        assert "drops a proposal of " in said and "no such algorithm on Linux" in said


def test_before_start_nothing_answers(with_pair):
    def tried(near, far):
        assert not near.alive()
        with pytest.raises(LabError, match="has not been started"):
            near.view()
        with pytest.raises(LabError, match="has not been started"):
            near.initiate()
        near.stop()
        near.stop()

    with_pair(tried)
