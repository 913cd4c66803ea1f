"""What CML servers were seen to answer, from recordings that others have published.

No CML is to be had here. These are the fields, types and words of real answers; titles, names and
identities are ours. Where they were recorded:

- xorrkaz/cml-mcp, tests/mocks ("actual API responses captured from CML server"; CML 2.9.1): SYSTEM,
  LAB (get_cml_lab_by_title), CAPTURE (check_packet_capture_status).
- rschmied/gocmlclient, link.go's comment (before CML 2.10): a capture's key is not the link's ID.
- CiscoDevNet/virl2-client, tests/test_data (June 2022): TILE, TOPOLOGY_LAB, TOPOLOGY_NODE,
  TOPOLOGY_LINK, INTERFACE; tests/test_link_conditioning.py, run against a server: no condition is
  null. tests/test_pcap.py and a user's notes on CML 2.10: there a capture's key is the link's ID.
- CiscoDevNet/virlutils, tests/v2/mocks/api.py (CML 2.3): a connector is BOOTED and a link STARTED.
"""

from __future__ import annotations

from typing import Any

Fields = dict[str, Any]

OWNER = "00000000-0000-4000-a000-000000000000"
SYSTEM: Fields = {
    "version": "2.9.1+build.7", "ready": True, "allow_ssh_pubkey_auth": False,
    "oui": "52:54:00:00:00:00",
}  # fmt: skip
LAB: Fields = {
    "id": "", "created": "2025-12-06T11:11:28+00:00", "modified": "2025-12-06T11:11:28+00:00",
    "lab_description": "", "lab_notes": "", "lab_title": "", "owner": OWNER,
    "owner_username": "", "owner_fullname": "", "state": "DEFINED_ON_CORE", "node_count": 2,
    "link_count": 1, "effective_permissions": ["lab_view", "lab_admin", "lab_exec", "lab_edit"],
    "autostart": {}, "node_staging": {},
}  # fmt: skip
TILE: Fields = {
    "state": "STOPPED", "created": "2022-06-10T14:23:33+00:00",
    "modified": "2022-06-10T14:23:33+00:00", "lab_title": "", "lab_description": "",
    "lab_notes": "", "owner": OWNER, "owner_username": "", "node_count": 2, "link_count": 1,
    "id": "", "groups": [], "topology": {"nodes": [], "links": []},
}  # fmt: skip
TOPOLOGY_LAB: Fields = {
    "description": "", "notes": "", "owner": OWNER, "title": "", "version": "0.1.0",
}  # fmt: skip
TOPOLOGY_NODE: Fields = {
    "boot_disk_size": 0, "cpu_limit": 100, "cpus": 1, "data_volume": 0, "hide_links": False,
    "id": "", "image_definition": "", "label": "", "node_definition": "", "ram": 3072, "tags": [],
    "x": 0, "y": 0, "interfaces": [],
}  # fmt: skip
TOPOLOGY_LINK: Fields = {
    "id": "", "interface_a": "", "interface_b": "", "label": "", "node_a": "", "node_b": "",
}  # fmt: skip
LOOPBACK: Fields = {"id": "", "label": "Loopback0", "type": "loopback"}
INTERFACE: Fields = {"id": "", "label": "GigabitEthernet1", "slot": 0, "type": "physical"}
CAPTURE: Fields = {
    "config": {"maxpackets": 100, "maxtime": 86400, "encap": "ethernet", "link_capture_key": ""},
    "starttime": "2026-01-15T20:27:46Z", "packetscaptured": 0,
}  # fmt: skip


def like(recorded: Fields, **own: Any) -> Fields:
    """An answer with the fields of a recorded one and values of ours; it gets no other field."""
    unknown = set(own) - set(recorded)
    assert not unknown, f"no CML was seen to send {unknown}"
    return recorded | own
