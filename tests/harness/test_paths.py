"""The path language: what it names, what it refuses, and what it says when nothing is there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikelab.harness.errors import ConfigError
from ikelab.harness.exchange.negotiate import sa_payload, ts_payloads
from ikelab.harness.model import selectors, suites
from ikelab.harness.paths import MatchesNothing, Name, Tree, parse
from ikelab.layers.config import ConfigurationAttribute
from ikelab.layers.encrypted import IKEv2_Decrypted
from ikelab.layers.iana import Notify, Payload
from ikelab.layers.message import PAYLOADS, IKEv2, message, unknown


def payload(kind: Payload, **fields: Any) -> Any:
    return PAYLOADS[kind](**fields)


def init() -> IKEv2:
    """A message in clear with most of what a path can name."""
    return message(
        [
            payload(Payload.N, type=Notify.COOKIE, notify=b"cookie"),
            sa_payload(suites(["3des-aes128-sha1-modp1024", "aes256gcm16-prfsha256-x25519"])),
            payload(Payload.KE, group=2, ke=b"public"),
            payload(Payload.NONCE, nonce=b"n" * 16),
            payload(Payload.N, type=Notify.REDIRECT_SUPPORTED),
            payload(Payload.N, type=40960, notify=b"private"),
            unknown(200, b"odd"),
        ],
        init_SPI=b"initiate",
        id=7,
    )


def protected() -> IKEv2:
    """A message with payloads inside SK."""
    ts = ts_payloads(selectors(["10.0.0.0/8", "10.1.0.0/16[17/5-9]"]), selectors("2001:db8::/32"))
    attributes = [ConfigurationAttribute(type=1, value=b""), ConfigurationAttribute(type=3)]
    inner = [
        payload(Payload.IDI, IDtype=2, ID=b"me"),
        payload(Payload.CP, CFGType=1, attributes=attributes),
        payload(Payload.D, proto=3, SPI=[b"abcd", b"efgh"]),
        *ts,
    ]
    return message([unknown(201, b"before"), IKEv2_Decrypted(inner=inner)], exch_type=35)


FORMS = {
    "header.id": 7,
    "header.init_SPI": b"initiate",
    "header.length": None,
    "SA.proposal[1].number": 2,
    "SA[1].number": 2,
    "SA.proposal[-1].number": 2,
    "SA.proposal[0].transform[1].key_length": 128,
    "SA[0].transform[0].transform_id": 3,
    "KE.group": 2,
    "Nonce.nonce": b"n" * 16,
    "N.notify": b"cookie",
    "N[1].type": 16406,
    "N[-1].notify": b"private",
    "N(COOKIE).notify": b"cookie",
    "N('COOKIE').notify": b"cookie",
    "N(16390).notify": b"cookie",
    "N(40960).notify": b"private",
    "P200.load": b"odd",
    "P34.group": 2,
}
SEALED_FORMS = {
    "SK.IDi.ID": b"me",
    "SK.CP[0].type": 1,
    "SK.CP.attributes[1].type": 3,
    "SK.TSi[1].start_port": 5,
    "SK.TSi.traffic_selector[0].starting_address": "10.0.0.0",
    "SK.TSr[0].TS_type": 8,
    "SK.D.SPI[1]": b"efgh",
    "SK.D[0].proto": 3,
    "SK.iv": b"",
    "SK.pad_length": None,
    "P201.load": b"before",
    "header.exch_type": 35,
}


@pytest.mark.parametrize("path", FORMS)
def test_every_form_leads_where_it_says(path: str) -> None:
    assert Tree(init()).place(path).get() == FORMS[path]


@pytest.mark.parametrize("path", SEALED_FORMS)
def test_every_form_leads_into_sk(path: str) -> None:
    assert Tree(protected()).place(path).get() == SEALED_FORMS[path]


@pytest.mark.parametrize("path", ["SA", "N(COOKIE)", "N[2]", "P200", "SA.proposal[0]"])
def test_a_payload_or_element_is_a_place_too(path: str) -> None:
    tree = Tree(init())
    place = tree.place(path)

    assert place.owner[place.key] is place.get()


@pytest.mark.parametrize("path", [*FORMS, "SA.proposal[0].transform[0].transform_type"])
def test_what_is_set_is_what_is_built(path: str) -> None:
    tree = Tree(init())
    place = tree.place(path)
    value = place.get()
    place.set(b"x" * 8 if isinstance(value, bytes) else 3)

    again = Tree(IKEv2(bytes(tree.message()))).place(path.replace("N(COOKIE).type", "N.type"))

    assert again.get() == (b"x" * 8 if isinstance(value, bytes) else 3)


def test_two_places_of_one_chain_are_of_one_list() -> None:
    tree = Tree(protected())

    assert tree.place("SK.IDi").owner is tree.place("SK.TSr").owner is tree.payloads("SK")


NOTHING = [
    ("CERT.cert_data", "the message has N, SA, KE, Nonce, N, N, P200"),
    ("N[3].notify", "matches nothing"),
    ("N[-4].notify", "matches nothing"),
    ("N(REKEY_SA).SPI", "matches nothing"),
    ("P199.load", "matches nothing"),
    ("SA[2].number", "no element 2"),
    ("SA.proposal[9].number", "no element 9"),
    ("SA.proposal[0].transform[9].res2", "no element 9"),
    ("SK.IDi.ID", "matches nothing|no SK payload"),
]


@pytest.mark.parametrize(("path", "says"), NOTHING)
def test_what_leads_nowhere_says_so(path: str, says: str) -> None:
    with pytest.raises(MatchesNothing, match=says):
        Tree(init()).place(path)


WRONG = [
    ("Sa.proposal", "did you mean 'SA'"),
    ("TSI[0]", "did you mean 'TSi'"),
    ("NONCE.nonce", "did you mean 'Nonce'"),
    ("N(COOKY).notify", "did you mean 'COOKIE'"),
    ("KE.grup", "did you mean 'group'"),
    ("header.flgs", "did you mean 'flags'"),
    ("header.init_spi", "did you mean 'init_SPI'"),
    ("header", "write header.FIELD"),
    ("header.id.x", "write header.FIELD"),
    ("SA.proposal[x]", "not a path"),
    ("SA + KE", "not a path"),
    ("SA[0:1]", "not a path"),
    ("N(1, 2)", "not a path"),
    ("N([1])", "not a path|a notify is named"),
    ("N(None)", "a notify is named"),
    ("N(1.5)", "a notify is named"),
    ("SA[0](COOKIE)", "not a path"),
    ("", "not a path"),
    ("SA.", "not a path"),
    ("3", "not a path"),
    ("SA\0", "not a path"),
    ("P²", "not a path"),
    ("P٣", "matches nothing|unknown payload|not a path"),
]


@pytest.mark.parametrize(("path", "says"), WRONG)
def test_what_is_no_path_says_what_would_be(path: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Tree(init()).place(path)


def test_the_parts_of_a_path() -> None:
    assert parse("SK.N(REKEY_SA)[1].SPI") == (Name("SK"), Name("N", "REKEY_SA"), 1, Name("SPI"))


@given(st.one_of(st.text(max_size=12), st.from_regex(r"[SKN]A?(\.|\[|\()[\w.\[\]()-]{0,14}")))
def test_any_text_leads_somewhere_or_is_a_config_error(path: str) -> None:
    for tree in (Tree(init()), Tree(protected())):
        try:
            tree.place(path).get()
        except ConfigError:
            continue


@pytest.mark.parametrize("chain", ["SA", "header", "sk"])
def test_chains_are_two(chain: str) -> None:
    with pytest.raises(ConfigError, match="not a chain"):
        Tree(protected()).payloads(chain)
