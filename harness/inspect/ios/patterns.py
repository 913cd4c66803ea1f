"""The shapes of records that carry a message, a state or a name."""

from __future__ import annotations

import re

TRACE = re.compile(
    r"SM Trace->\s*SA:\s*I_SPI=([0-9A-F]{16})\s*R_SPI=([0-9A-F]{16})\s*\(([IR])\)\s*"
    r"MsgID\s*=\s*([0-9A-F]+)\s*CurState:\s*([A-Z][A-Z0-9_]*?)(?:Event|\s+[^\s:]+)\s*:\s*(EV_[A-Z0-9_]+)",
    re.IGNORECASE,
)
_LABEL = r"[^:,()\d]{2,24}:\s*"
HEADER = re.compile(
    rf"^{_LABEL}([A-Z_]+),\s*{_LABEL}(\d)\.\d\s*{_LABEL}([A-Z_]+|\d+),\s*"
    r"[^:,()\d]{2,24}:\s*((?:INITIATOR|RESPONDER|MSG-RESPONSE|HIGHER-VERSION|UNKNOWN|[ ,])+)"
    rf"\s*{_LABEL}(?:0x)?([0-9A-Fa-f]+),\s*{_LABEL}(\d+)",
)
PACKET = re.compile(
    r"^(Sending|Received) Packet \[(?:To|From) (\S+?):(\d+)/(?:From|To) (\S+?):(\d+)/VRF "
    r"[^\]]*\]\s*Initiator SPI\s*:\s*([0-9A-F]{16}) - Responder SPI\s*:\s*([0-9A-F]{16}) "
    r"Message id: (\d+)\s*IKEv2 ([A-Z_]+) Exchange (REQUEST|RESPONSE)\s*(?:Payload contents:)?",
    re.IGNORECASE,
)
VENDOR = re.compile(
    r"^(?:(Construct|Parse) Vendor Specific Payload|공급업체별 페이로드 (구성)):\s*"
    r"(\(CUSTOM\)|[\w\-]+)"
)
NOTIFY = re.compile(r"^(Construct|Parse) (?:Notify|알림)[^:]{0,12}:\s*(Unknown - \d+|[A-Z0-9_]+)")
# The same in a language that nobody taught us: a label, a name that routers give, maybe its dump.
NAMED = re.compile(r"^[^:]{3,40}:\s*(\(CUSTOM\)|[A-Z][A-Z0-9_\-]{4,})(?=\s|$)")
BUILDING = re.compile(r"^Building packet for encryption\.?\s*(?:Payload contents:)?")
PROPOSED = re.compile(
    r"^(IKE|ESP|AH) Proposal: (\d+), SPI size: (\d+) \([^)]*\),\s*Num\. transforms: (\d+)\s*"
)
POLICIES = re.compile(r"^Received Policies:[\s:]*")
EACH_POLICY = re.compile(r"Proposal \d+:\s*(.*?)(?=Proposal \d+:|$)")
ATTRIBUTE = re.compile(r"^Attrib type: ([\w \-]+), length: (\d+)")
