"""Run folders made for the tests, with octets that add up, and a browser to see them in."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ikelab.reports.load import load_run
from ikelab.reports.page import write_page, write_site
from tests.conftest import missing

SPI_I, SPI_R = "f074d8bbd5a59f0b", "f94020dd8cb4b9c4"
SUITE = "aes128-sha1-modp1024"
NUMBERS = {
    "SA": 33,
    "KE": 34,
    "IDi": 35,
    "IDr": 36,
    "AUTH": 39,
    "Nonce": 40,
    "N": 41,
    "TSi": 44,
    "TSr": 45,
    "SK": 46,
}
EXCHANGES = {"IKE_SA_INIT": 34, "IKE_AUTH": 35, "INFORMATIONAL": 37}


def payload(name: str, size: int, text: str, **fields: Any) -> dict[str, Any]:
    """A payload as transcript.jsonl describes it; `size` counts its generic header."""
    head = {"name": name, "type": NUMBERS[name], "length": size, "critical": False}
    return {**head, **fields, "text": text}


def octets(payloads: list[dict[str, Any]]) -> bytes:
    """A chain of payloads with true lengths and next-payload fields."""
    following = [p["type"] for p in payloads[1:]] + [0]
    return b"".join(
        struct.pack("!BBH", after, 0, p["length"]) + bytes(i % 256 for i in range(p["length"] - 4))
        for p, after in zip(payloads, following, strict=True)
    )


def message(
    number: int,
    exchange: str,
    mid: int,
    response: bool,
    payloads: list[dict[str, Any]],
    *,
    inner: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """One step of a conversation in which ikelab initiates."""
    body = octets(payloads)
    spi_r = SPI_R if response or mid else "0" * 16
    flags = 0x20 if response else 0x08
    header = bytes.fromhex(SPI_I + spi_r) + struct.pack(
        "!BBBBII", payloads[0]["type"], 0x20, EXCHANGES[exchange], flags, mid, 28 + len(body)
    )
    shown = ", ".join(p["text"] for p in inner or [])
    texts = [f"SK{{{shown}}}" if p["name"] == "SK" else p["text"] for p in payloads]
    ours, theirs = ["10.0.0.1", 500], ["10.0.0.2", 500]
    return {
        "n": number,
        "time": 100 + number * 0.0042,
        "direction": "<--" if response else "-->",
        "src": theirs if response else ours,
        "dst": ours if response else theirs,
        "exchange": exchange,
        "message_id": mid,
        "response": response,
        "initiator_flag": not response,
        "spi_i": SPI_I,
        "spi_r": spi_r,
        "length": 28 + len(body),
        "payloads": payloads,
        "inner": inner,
        "encrypted": any(p["name"] == "SK" for p in payloads),
        "decrypted": inner is not None,
        "text": f"{exchange}  HDR(SPIi=f0.., {mid}), {', '.join(texts)}",
        "note": "",
        "raw": (header + body).hex(),
        "plain": None if inner is None else octets(inner).hex(),
        "violations": [],
    }


def conversation(role: str = "responder") -> list[dict[str, Any]]:
    """IKE_SA_INIT and IKE_AUTH of RFC 7296 1.2, with the peer under test in a role."""
    transforms = [
        {"type": "ENCR", "id": 12, "name": "ENCR_AES_CBC", "key_bits": 128},
        {"type": "PRF", "id": 2, "name": "PRF_HMAC_SHA1", "key_bits": None},
        {"type": "INTEG", "id": 2, "name": "AUTH_HMAC_SHA1_96", "key_bits": None},
        {"type": "KE", "id": 2, "name": "1024-bit MODP Group", "key_bits": None},
    ]
    proposal = {"number": 1, "protocol": "IKE", "spi": "", "text": SUITE, "transforms": transforms}

    def start(side: str) -> list[dict[str, Any]]:
        detection = "d0" * 20
        return [
            payload("SA", 48, f"SA{side}1({SUITE})", proposals=[proposal]),
            payload("KE", 136, f"KE{side}(modp1024)", group=2, data="ab" * 128),
            payload("Nonce", 24, f"N{side}", data="cd" * 20),
            payload("N", 28, "N(NATD_S)", notify=16388, protocol=0, spi="", data=detection),
            payload("N", 28, "N(NATD_D)", notify=16389, protocol=0, spi="", data=detection),
        ]

    def finish(side: str) -> list[dict[str, Any]]:
        everything = "0.0.0.0-255.255.255.255[0/0-65535]"
        return [
            payload(f"ID{side}", 12, f"ID{side}(10.0.0.1)", id_type=1, id="10.0.0.1"),
            payload("AUTH", 28, "AUTH(Shared Key)", method=2, data="ef" * 20),
            payload("SA", 40, f"SA{side}2(3des-sha1-noesn)", proposals=[]),
            payload("TSi", 24, f"TSi({everything})", selectors=[everything]),
            payload("TSr", 24, f"TSr({everything})", selectors=[everything]),
        ]

    def sealed() -> list[dict[str, Any]]:
        return [payload("SK", 176, "SK", octets=172)]

    steps = [
        message(0, "IKE_SA_INIT", 0, False, start("i")),
        message(1, "IKE_SA_INIT", 0, True, start("r")),
        message(2, "IKE_AUTH", 1, False, sealed(), inner=finish("i")),
        message(3, "IKE_AUTH", 1, True, sealed(), inner=finish("r")),
    ]
    if role == "initiator":
        for step in steps:
            step["direction"] = {"-->": "<--", "<--": "-->"}[step["direction"]]
    return steps


class RunBuilder:
    """Writes one run folder; every file of it can be left out or spoilt afterwards."""

    def __init__(self, folder: Path, *peers: str, **facts: Any) -> None:
        self.path = folder
        folder.mkdir(parents=True)
        self.peers = peers or ("reference",)
        run = {
            "schema": 1,
            "ikelab": "0.1.0",
            "peers": [{"name": p, "version": "6.0", "capabilities": ["psk"]} for p in self.peers],
            "topology": "direct",
            "kernel": "6.12.1",
            "seed": 7,
            "started": "2026-03-01T12:00:00Z",
            "finished": "2026-03-01T12:01:00Z",
            "command": ["ikelab", "run", "--peer", self.peers[0]],
            **facts,
        }
        run = {key: value for key, value in run.items() if value is not None}
        (folder / "run.json").write_text(json.dumps(run))
        (folder / "results.jsonl").touch()

    def test(
        self,
        name: str,
        verdict: str = "PASS",
        *,
        steps: list[dict[str, Any]] | None = None,
        folder: bool = True,
        **fields: Any,
    ) -> Path:
        """Add one result, with a folder that holds everything a test leaves behind."""
        case = fields.get("case", name.upper().replace("_", "-"))
        peer, role = fields.get("peer", self.peers[0]), fields.get("role", "responder")
        slug = f"cases/{name}-{peer}-{role}".replace("[", "-").replace("]", "")
        row = {
            "id": f"testcases/conformance/rfc7296/test_init.py::test_{name}",
            "case": case,
            "title": f"The peer keeps the rule of {case}",
            "doc": f"The peer keeps the rule of {case}.",
            "verdict": verdict,
            "peer": peer,
            "role": role,
            "topology": "direct",
            "rfc": [{"rfc": 7296, "sections": ["2.7", "3.3.6"]}],
            "level": "MUST",
            "reason": "" if verdict == "PASS" else f"{case}: the answer has two proposals",
            "details": "",
            "duration": 0.125,
            "violations": [],
            "folder": slug if folder else None,
            "plan": "",
            **fields,
        }
        if folder:
            self.evidence(self.path / slug, conversation(role) if steps is None else steps)
        with (self.path / "results.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        return self.path / slug

    def evidence(self, folder: Path, steps: list[dict[str, Any]]) -> None:
        keys = folder / "keys"
        keys.mkdir(parents=True, exist_ok=True)
        (folder / "transcript.jsonl").write_text("".join(json.dumps(s) + "\n" for s in steps))
        (folder / "capture.pcapng").write_bytes(
            bytes.fromhex("0a0d0d0a1c0000004d3c2b1a") + b"\0" * 16
        )
        (folder / "plan.txt").write_text("IKE_AUTH/request: SK.TSi[0].start_port += 1\n")
        (folder / "peer.conf").write_text("connections {\n  seed {\n    version = 2\n  }\n}\n")
        (folder / "peer.log").write_text("12[NET] received packet: 344 bytes\n12[ENC] parsed\n")
        (keys / "ikev2_decryption_table").write_text(f'{SPI_I},{SPI_R},aa,bb,"AES-CBC-128"\n')
        (keys / "esp_sa").write_text('"IPv4","10.0.0.1","10.0.0.2","0x9506d414"\n')


Build = Callable[..., RunBuilder]


@pytest.fixture
def build_run(tmp_path: Path) -> Build:
    """Make a run folder: `build_run("name", "peer", ..., seed=1)`."""
    return lambda name="20260301T120000Z-reference", *peers, **facts: RunBuilder(
        tmp_path / "runs" / name, *peers, **facts
    )


@pytest.fixture
def steps() -> Callable[..., list[dict[str, Any]]]:
    """A fresh conversation of four messages, to be changed at will."""
    return conversation


WIDE = (1280, 800)
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Page:
    """The written page in the browser; every wait is for something that can be seen."""

    def __init__(self, driver: Any, path: Path) -> None:
        self.driver, self.path = driver, path

    def open(self, fragment: str = "", size: tuple[int, int] = WIDE, scheme: str = "light") -> Page:
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        self.driver.get("about:blank")
        self.driver.get(self.path.as_uri() + fragment)
        self.wait("return document.documentElement.dataset.ready === 'yes'")
        return self

    def js(self, script: str, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait(self, script: str, *arguments):
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, 20, 0.02).until(lambda d: self.js(script, *arguments))

    def keys(self, *keys: str) -> Page:
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()
        return self

    def all(self, selector: str):
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str):
        return self.driver.find_element("css selector", selector)

    def click(self, selector: str) -> Page:
        self.one(selector).click()
        return self

    @property
    def status(self) -> str:
        return self.one("#status").text

    @property
    def focus(self) -> str:
        """What a screen reader would say of the focused cell."""
        return self.js("return document.activeElement.getAttribute('aria-label') || ''")

    def title(self) -> str:
        """The title of the open panel, once it is drawn."""
        self.wait("return document.getElementById('panel').dataset.ready !== undefined")
        return self.one("#panel h2").text

    def problems(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ImportError:
        missing("selenium not found: pip install 'ikelab[dev]'")
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    control = shutil.which("chromedriver")
    if browser is None or control is None:
        missing("no headless browser: install the packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(browser)
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(str(control)))
    yield found
    found.quit()


@pytest.fixture
def page(driver, tmp_path):
    """Write the page of these run folders, to be opened in the browser."""

    def write(*builders, asked=()) -> Page:
        out = tmp_path / "report.html"
        write_page([load_run(b.path) for b in builders], out, asked=asked)
        return Page(driver, out)

    yield write
    assert [e for e in driver.get_log("browser") if e["level"] in ("SEVERE", "WARNING")] == []


@pytest.fixture
def site(driver, tmp_path):
    """Write the folder of these runs; its page is to be opened in the browser."""

    def write(*builders, asked=()) -> Page:
        runs = [load_run(b.path) for b in builders]
        return Page(driver, write_site(runs, tmp_path / "site", asked=asked))

    yield write
    assert [e for e in driver.get_log("browser") if e["level"] in ("SEVERE", "WARNING")] == []
