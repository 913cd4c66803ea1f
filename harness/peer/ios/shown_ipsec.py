"""`show crypto ipsec sa` of routers and the ASA, `show crypto session`, `... ipsec profile`."""

from __future__ import annotations

import re

from ikelab.harness.peer.ios.shown import Cursor, Grammar, fields, line, special, value

_COUNTER = re.compile(r"#+([a-zA-Z][a-zA-Z .'\-]*?)(?: \((\w+)\))?:?\s+(\d+)")


def _ident(cursor: Cursor, match: re.Match[str]) -> None:
    """The local identity begins a flow where no line before it did (the ASA has none)."""
    found = fields(match)
    side = found.pop("side")
    flows = "flows"
    if side == "local" and (flows not in cursor.open or "local_ident" in cursor.open[flows]):
        cursor.begin("interfaces", flows, {})
    cursor.at(flows)[f"{side}_ident"] = found


def _counters(cursor: Cursor, match: re.Match[str]) -> None:
    counted = cursor.at("flows").setdefault("counters", {})
    for name, way, number in _COUNTER.findall(match[0]):
        key = re.sub(r"[^a-z]+", "_", name.lower()).strip("_")
        counted[f"{key}_{way}" if way else key] = int(number)


def _section(cursor: Cursor, match: re.Match[str]) -> None:
    cursor.context.update(direction=match["direction"], protocol=match["protocol"])
    flow = cursor.at("flows")
    flow.setdefault("sections", []).append(f"{match['direction']} {match['protocol']}")


def _spi(cursor: Cursor, match: re.Match[str]) -> None:
    cursor.begin("flows", "sas", cursor.context | fields(match))


def _settings(cursor: Cursor, match: re.Match[str]) -> None:
    words = [word.strip() for word in match["settings"].split(",") if word.strip()]
    cursor.at("sas")["settings"] = words


_NUMBERED = r"\((?P<number>\d+)\)"

IPSEC_SA = (
    line(r"interface: (?P<interface>\S+)", "", "interfaces"),
    line(r"Crypto map tag: (?P<map>[^,\s]+)(?:, seq num: (?P<seq>\d+))?, "
         r"local addr(?:ess)?:? (?P<local_address>\S+)", "interfaces"),
    line(r"IPsecv6 policy name: (?P<policy>\S+)", "interfaces"),
    line(r"access-list (?P<access_list>.+?)", "interfaces"),
    line(r"protected vrf: (?P<vrf>\S+)", "interfaces", "flows"),
    special(r"(?P<side>local|remote) ident \(addr/mask/prot/port\): "
            r"\((?P<address>[^/]+)/(?P<mask>[^/]+)/(?P<protocol>\d+)/(?P<port>\d+)\)", _ident),
    line(r"current_peer:? (?P<peer>[^\s,]+)(?: port (?P<port>\d+))?", "flows"),
    line(r"(?P<policy_action>PERMIT|DENY), flags=\{(?P<flags>[^}]*)\}", "flows"),
    special(r"#+(?:pkts|send|recv|PMTUs|TFC|Valid|fragments|pre-frag|post-frag)\b.*", _counters),
    line(r"local crypto endpt\.: (?P<local_endpoint>[^\s,]+), "
         r"remote crypto endpt\.: (?P<remote_endpoint>\S+)", "flows"),
    line(r"local crypto endpt\.: (?P<local_endpoint>[^\s,]+),?", "flows"),
    line(r"remote crypto endpt\.: (?P<remote_endpoint>\S+)", "flows"),
    line(r"plaintext mtu (?P<plaintext_mtu>\d+), path mtu (?P<path_mtu>\d+), "
         r"ip(?:v6)? mtu (?P<ip_mtu>\d+), ip(?:v6)? mtu idb (?P<mtu_interface>\S+)", "flows"),
    line(r"path mtu (?P<path_mtu>\d+), ipsec overhead (?P<overhead>\d+)(?:\(\d+\))?, "
         r"media mtu (?P<media_mtu>\d+)", "flows"),
    line(r"PMTU time remaining \(sec\): (?P<pmtu_time>\d+), DF policy: (?P<df_policy>\S+)",
         "flows"),
    line(r"ICMP error validation: (?P<icmp_validation>\w+), TFC packets: (?P<tfc>\w+)", "flows"),
    line(r"current outbound spi\s*: (?P<outbound_spi>\w+)(?:\((?P<outbound_number>\d+)\))?",
         "flows"),
    line(r"current inbound spi\s*: (?P<inbound_spi>\w+)(?:\((?P<inbound_number>\d+)\))?", "flows"),
    line(r"PFS \(Y/N\): (?P<pfs>[YN]), DH group: (?P<dh_group>\S+)", "flows"),
    special(r"(?P<direction>inbound|outbound) (?P<protocol>esp|ah|pcp) sas:", _section),
    special(rf"spi: (?P<spi>0x[0-9A-Fa-f]+) ?{_NUMBERED}".replace(" ?", r"\s*"), _spi),
    line(r"SA State: (?P<state>\w+)", "sas"),
    line(r"transform: (?P<transform>.+?)\s*,?", "sas"),
    special(r"in use settings ?=\s*\{(?P<settings>[^}]*)\}".replace(" ?", r"\s*"), _settings),
    line(r"conn id: (?P<conn_id>\d+), flow_id: (?P<flow_id>\S+), sibling_flags "
         r"(?P<sibling_flags>\w+), crypto map: (?P<map>[^,\s]+)"
         r"(?:, initiator : (?P<initiator>\w+))?", "sas"),
    line(r"slot: (?P<slot>\d+), conn_id: (?P<conn_id>\d+), crypto-map: (?P<map>\S+)", "sas"),
    line(r"sa timing: remaining key lifetime \((?P<unit>[\w/]+)\): \(?(?P<lifetime>[\d/]+)\)?",
         "sas"),
    line(r"sa timing: remaining key lifetime (?P<lifetime>\d+ hours, \d+ mins)", "sas"),
    line(r"(?P<volume_rekey>(?:Kilobyte Volume R|)ekey has been disabled)", "sas"),
    line(r"IV size: (?P<iv_size>\d+) bytes", "sas"),
    line(r"replay detection support: (?P<replay>[YN])", "sas"),
    line(r"Anti replay bitmap:", "sas"),
    line(r"(?P<bitmap>0x[0-9A-F]{8}(?: 0x[0-9A-F]{8})*)", "sas"),
    line(r"Status: (?P<status>\w+)\((?P<platform_status>\w+)\)", "sas"),
)  # fmt: skip


def _flow(cursor: Cursor, match: re.Match[str]) -> None:
    found = fields(match)
    way = found.pop("way")
    life = str(match["life"])
    found["life"] = value(life)
    cursor.at("flows")["inbound" if way == "Inbound" else "outbound"] = found


_PORTED = r"[0-9A-Fa-f:.]+"
SESSION = (
    line(r"Crypto session current status"),
    line(r"(?:Code: )?[A-Z] - [A-Za-z \-]+(?:, [A-Z] - [A-Za-z \-]+)*"),
    line(r"Interface: (?P<interface>\S+)", "", "sessions"),
    line(r"Profile: (?P<profile>\S+)", "sessions"),
    line(r"Uptime: (?P<uptime>\S+)", "sessions"),
    line(r"Session status: (?P<status>\S+)", "sessions"),
    line(r"Peer: (?P<peer>\S+) port (?P<port>\d+)(?: fvrf: (?P<fvrf>\S+) ivrf: (?P<ivrf>\S+))?",
         "sessions", "peers"),
    line(r"Phase1_id: (?P<phase1_id>.+?)", "peers"),
    line(r"Desc: (?P<description>.+?)", "peers"),
    line(r"Session ID: (?P<session_id>\d+)", "peers"),
    line(rf"IKEv(?P<version>[12]) SA: local (?P<local>{_PORTED})/(?P<local_port>\d+) "
         rf"remote (?P<remote>{_PORTED})/(?P<remote_port>\d+) (?P<state>\w+)", "peers", "ike_sas"),
    line(rf"IKEv(?P<version>[12]) SA: local (?P<local>{_PORTED})/(?P<local_port>\d+)",
         "peers", "ike_sas"),
    line(rf"remote (?P<remote>{_PORTED})/(?P<remote_port>\d+) (?P<state>\w+)", "ike_sas"),
    line(r"Capabilities:(?P<capabilities>\S+) connid:(?P<conn_id>\d+) lifetime:(?P<lifetime>\S+)",
         "ike_sas"),
    line(r"IPSEC FLOW: (?P<flow>.+?)", "peers", "flows"),
    line(r"Active SAs: (?P<active_sas>\d+), origin: (?P<origin>.+?)", "flows"),
    special(r"(?P<way>Inbound|Outbound): #pkts (?:dec|enc)'ed (?P<packets>\d+) "
            r"drop (?P<dropped>\d+) life \(KB/Sec\) "
            r"(?P<life>KB Vol Rekey Disabled|\d+)/(?P<seconds>\d+)", _flow),
)  # fmt: skip

PROFILE = (
    line(r"IPSEC profile (?P<name>\S+)", "", "profiles"),
    line(r"IKEv2 Profile: (?P<ikev2_profile>\S+)", "profiles"),
    line(r"Security association lifetime:\s*(?:(?P<kilobytes>\d+) kilobytes/)?"
         r"(?P<seconds>\d+) seconds", "profiles"),
    line(r"(?P<volume_rekey>Kilobyte Volume Rekey has been disabled)\.", "profiles"),
    line(r"Responder-Only \(Y/N\): (?P<responder_only>[YN])", "profiles"),
    line(r"Dualstack \(Y/N\): (?P<dualstack>[YN])", "profiles"),
    line(r"PFS \(Y/N\): (?P<pfs>[YN])", "profiles"),
    line(r"Inherit \(Y/N\): (?P<pfs_inherit>[YN])", "profiles"),
    line(r"DH group: (?P<dh_group>\S+)", "profiles"),
    line(r"PQC Key Exchange: (?P<pqc>\S+)", "profiles"),
    line(r"Mixed-mode : (?P<mixed_mode>\w+)", "profiles"),
    line(r"Transform sets=\{"),
    line(r"(?P<name>[^\s:]+): \{ (?P<transform>[^}]+?) \} ,?", "profiles", "transform_sets"),
    line(r"\}"),
)  # fmt: skip

GRAMMARS = (
    Grammar("ipsec sa", re.compile(r"^\s*Crypto map tag:", re.M), IPSEC_SA),
    Grammar("session", re.compile(r"^\s*Session status:|^Crypto session current", re.M), SESSION),
    Grammar("ipsec profile", re.compile(r"^\s*IPSEC profile ", re.M), PROFILE),
)
