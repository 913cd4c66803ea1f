"""`show crypto ikev2 sa` and `session`, plain and detailed, of IOS, IOS XE and the ASA."""

from __future__ import annotations

import re

from ikelab.harness.peer.ios.shown import Cursor, Grammar, Rule, fields, line, special

_HOST = r"[0-9A-Fa-f:.]+"
_PAIRS = ("req msg id", "next msg id", "req queued", "window")


def _pair(words: str) -> Rule:
    name = words.replace(" ", "_")
    said = words.replace("msg", "(?:msg|mess)")  # the ASA has the longer word
    return line(
        rf"Local {said}:\s*(?P<local_{name}>\d+) Remote {said}:\s*(?P<remote_{name}>\d+)", "sas"
    )


def _selector(cursor: Cursor, match: re.Match[str]) -> None:
    """`Child sa: local selector ..` begins a child; without the first words it goes on."""
    if match["child"]:
        cursor.begin("sas", "children", {})
    found = fields(match)
    side = found.pop("side")
    found.pop("child", None)
    cursor.at("children").setdefault(f"{side}_selectors", []).append(found)


_RANGE = rf"(?P<start>{_HOST})/(?P<start_port>\d+) - (?P<end>{_HOST})/(?P<end_port>\d+)"
_BOTH = (
    rf"(?P<local_start>{_HOST})/(?P<local_start_port>\d+) - "
    rf"(?P<local_end>{_HOST})/(?P<local_end_port>\d+) -> "
    rf"(?P<remote_start>{_HOST})/(?P<remote_start_port>\d+) - "
    rf"(?P<remote_end>{_HOST})/(?P<remote_end_port>\d+)"
)
_ENDS = rf"(?P<local>{_HOST})/(?P<local_port>\d+) (?P<remote>{_HOST})/(?P<remote_port>\d+)"
_STATUS = r"(?P<status>[A-Z][A-Z_\-]+)"

RULES = (
    line(r"IPv[46] Crypto IKEv2 (?:SA|Session)s?"),
    line(r"IKEv2 SAs:"),
    line(r"There are no IKEv2 SAs"),
    line(
        r"Session-id:(?P<session_id>\d+), Status:(?P<session_status>\S+), "
        r"IKE count:(?P<ike_count>\d+), CHILD count:(?P<child_count>\d+)",
        "",
        "sessions",
    ),
    line(r"Tunnel-id Local Remote (?:fvrf/ivrf )?Status(?: Role)?"),
    line(r"Tunnel-id fvrf/ivrf Status"),
    line(
        rf"(?P<tunnel_id>\d+) {_ENDS} (?P<fvrf>[^\s/]+)/(?P<ivrf>[^\s/]+) {_STATUS}", "", "sas"
    ),
    line(rf"(?P<tunnel_id>\d+) {_ENDS} {_STATUS} (?P<role>INITIATOR|RESPONDER)", "", "sas"),
    line(rf"(?P<tunnel_id>\d+) (?P<fvrf>[^\s/]+)/(?P<ivrf>[^\s/]+) {_STATUS}", "", "sas"),
    line(rf"Local (?P<local>{_HOST})/(?P<local_port>\d+)", "sas"),
    line(rf"Remote (?P<remote>{_HOST})/(?P<remote_port>\d+)", "sas"),
    line(
        r"Encr: (?P<cipher>[\w\-]+), keysize: (?P<key_bits>\d+), esp_hmac: (?P<esp_hmac>\S+)",
        "children",
    ),
    line(r"Encr: (?P<cipher>[\w\-]+), esp_hmac: (?P<esp_hmac>\S+)", "children"),
    line(
        r"Encr:\s*(?P<encr>[\w\-]+)(?:, keysize:\s*(?P<keysize>\d+))?(?:, PRF:\s*(?P<prf>\w+))?, "
        r"Hash:\s*(?P<hash>[\w/]+), DH Grp:\s*(?P<dh_group>\w+), "
        r"Auth sign:\s*(?P<auth_sign>[\w\-]+), "
        r"Auth verify:\s*(?P<auth_verify>[\w\-]+)(?:, (?P<quantum>QR))?",
        "sas",
    ),
    line(r"PQC Key Exchange: (?P<pqc>\S+)", "sas"),
    line(r"Life/Active Time: (?P<life>\d+)/(?P<active>\d+) sec", "sas"),
    line(r"CE id: (?P<ce_id>\d+), Session-id: (?P<session_id>\d+)", "sas"),
    line(r"Session-id: (?P<session_id>\d+)", "sas"),
    line(r"Status Description: (?P<description>.+?)", "sas"),
    line(r"Local spi: (?P<local_spi>[0-9A-Fa-f]{16}) Remote spi: (?P<remote_spi>[0-9A-Fa-f]{16})",
         "sas"),
    line(r"Local id: (?P<local_id>.+?)", "sas"),
    line(r"Remote id: (?P<remote_id>.+?)", "sas"),
    *(_pair(words) for words in _PAIRS),
    line(r"DPD configured for (?P<dpd_interval>\d+) seconds, retry (?P<dpd_retry>\d+)", "sas"),
    line(r"Fragmentation (?P<fragmentation>.+?)\.?", "sas"),
    line(r"IETF Std Fragmentation MTU in use: (?P<ietf_mtu>\d+) bytes\.?", "sas"),
    line(r"IETF (?:Std|Standard) Fragmentation (?P<ietf_fragmentation>.+?)\.?", "sas"),
    line(r"IKEv2 Fragmentation Configured MTU: (?P<fragment_mtu>\d+) bytes, "
         r"Overhead: (?P<fragment_overhead>\d+) bytes, "
         r"Effective MTU: (?P<fragment_effective>\d+) bytes", "sas"),
    line(r"Parent SA Extended Status:"),
    line(r"Delete in progress: (?P<delete_in_progress>\w+)", "sas"),
    line(r"Marked for delete: (?P<marked_for_delete>\w+)", "sas"),
    line(r"Dynamic Route Update: (?P<route_update>\w+)", "sas"),
    line(r"Extended Authentication (?P<extended_authentication>.+?)\.", "sas"),
    line(r"NAT-T is (?P<nat_t>.+?)", "sas"),
    line(r"Cisco Trust Security SGT is (?P<sgt>\w+)", "sas"),
    line(r"Initiator of SA : (?P<initiator>Yes|No)", "sas"),
    line(r"(?:Pushed IP address|Assigned host addr): (?P<pushed_address>\S+)", "sas"),
    line(r"Remote subnets:"),
    line(r"(?P<network>[\d.]+) (?P<mask>[\d.]+)", "sas", "remote_subnets"),
    line(r"(?P<quantum_resistance>Quantum Resistance Enabled)", "sas"),
    line(r"(?P<quantum_ppk>Quantum-Safe Encryption using PPK is enabled)", "sas"),
    line(r"Quantum-safe Encryption using PQC: (?P<quantum_pqc>\S+)", "sas"),
    line(r"Local Sys Id: (?P<local_sys_id>\S+) Remote Sys Id: (?P<remote_sys_id>\S+)", "sas"),
    line(r"PEER TYPE: (?P<peer_type>.+?)", "sas"),
    special(rf"(?P<child>Child sa:\s*)?(?P<side>local|remote) selector {_RANGE}", _selector),
    line(r"Child sa:", "sas", "children"),
    line(r"local selector -> remote selector"),
    line(_BOTH, "children", "pairs"),
    line(r"ESP spi in/out: (?P<esp_in>0x[0-9A-Fa-f]+)/(?P<esp_out>0x[0-9A-Fa-f]+)", "children"),
    line(r"AH spi in/out: (?P<ah_in>0x[0-9A-Fa-f]+)/(?P<ah_out>0x[0-9A-Fa-f]+)", "children"),
    line(r"CPI in/out: (?P<cpi_in>0x[0-9A-Fa-f]+)/(?P<cpi_out>0x[0-9A-Fa-f]+)", "children"),
    line(r"ah_hmac: (?P<ah_hmac>\S+), comp: (?P<comp>\S+), mode (?P<mode>\w+)", "children"),
)  # fmt: skip

GRAMMARS = (Grammar("ikev2", re.compile(r"^\s*Tunnel-id\s|There are no IKEv2 SAs", re.M), RULES),)
