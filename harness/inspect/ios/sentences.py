"""The sentences of the debug log that carry no payload: what each one is about.

In the router's English, and in the Korean of Cisco's machine translation. A sentence that stands
nowhere here makes its record an unknown one, which is counted and shown.
"""

from __future__ import annotations

import re

NAT_SAYS: tuple[tuple[re.Pattern[str], str, bool], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), who, translated)
    for pattern, who, translated in (
        (r"^(?:NAT not found|No NAT found)|^NAT를 찾을 수 없음", "both", False),
        (r"^Remote address matched|^원격 주소 일치", "remote", False),
        (r"^Local address matched|^로컬 주소 일치", "local", False),
        (r"^Remote address not matched", "remote", True),
        (r"^Local address not matched", "local", True),
        (r"^Host is located NAT inside|^NAT INSIDE found", "local", True),
        (r"^Host is located NAT outside|^NAT OUTSIDE found", "remote", True),
    )
)
"""Sentence -> which end it speaks of, seen from the router that prints it, and the verdict."""

_KNOWN = (
    # the walk through the state machine
    r"Action: Action_Null",
    r"\(?READY\)?$",
    r"Setting configured policies",
    r"Getting configured policies",
    r"Generate skeyid",
    r"Opening a PKI session",
    r"PKI Session",
    r"Opened a PKI session",
    r"Closing the PKI session",
    r"Completed SA init exchange",
    r"Processing IKE_\w+ message",
    r"Generating IKE_\w+ message",
    r"Verify SA init message",
    r"Verify (?:the )?(?:auth|rekey)\w* ",
    r"Insert SA",
    r"Deleting SA",
    r"Check for EAP exchange",
    r"Checking (?:NAT|for|if|peer|whether)\b",
    r"Process(?:ing)? (?:nat|auth|ack|NAT|the|of|any|INFO|delete|initial|rekey)",
    r"Generate my authentication data",
    r"Get (?:my|peer'?s)",
    r"(?:My|Peer'?s) (?:auth\w*|policy)",
    r"Use preshared key",
    r"Verif(?:y|ication)",
    r"Searching (?:P|p)olicy",
    r"Using (?:the|mapping|IKEv2|default|cached)",
    r"Found (?:P|p)olicy",
    r"Request queued for",
    r"Request has mess_id",
    r"Received valid parameters",
    r"Cisco DeleteReason Notify is enabled",
    r"Redirect check is not needed",
    r"Accounting not required",
    r"Asynchronous request",
    r"Waiting for async",
    r"Initial exchange failed",
    r"Auth exchange failed",
    r"Constructing ID[ir] payload",
    r"Building packet for encryption",
    r"Retransmitting packet",
    r"Queuing IKE SA delete",
    r"Sending DELETE",
    r"Check(?:ing)? for existing",
    r"Delete all IKE SAs",
    r"Session with IKE ID PAIR",
    r"IKEV2 SA created",
    r"IKEv2 MIB tunnel",
    r"No duplicate",
    r"Process auth response notify",
    r"SA already exists",
    r"DPD ",
    r"Sending DPD",
    r"Starting timer",
    r"Load(?:ing)? IPSEC key",
    r"Failed ",
    r"Detected an? ",
    r"Couldn't ",
    r"There was no ",
    r"A supplied ",
    r"Maximum number of",
    r"Error in ",
    r"error ",
    r"Unsupported ",
    r"Invalid ",
    r"Packet is a retransmission",
    r"Stopping timer",
    r"Stopped timer",
    r"Reply to",
    r"Updating (?:SA|state)",
    r"Abort exchange",
    r"Negotiating SA ",
    r"Locally ",
    r"Accepted ",
    r"Sent response",
    r"Set received config",
    r"Fragmentation ",
    r"Received \w+ fragment",
    r"Peer has sent",
    r"IPSec (?:policy|SA)",
    r"Rekey",
    r"Negotiation (?:context|done)",
    r"Config-type: ",
    r"Attrib type: ",
    r"Have config mode data",
    r"Config data (?:to send|recieved|received)",
    r"No config data",
    r"No data to send in mode config",
    r"\[(?:IKEv2|Crypto Engine|PKI)\b.*?(?:->|<-).*?\]",
    r"IKEv2 (?:initiator|responder) - ",
    # what newer releases add
    r"IETF Fragmentation is",
    r"NAT(?:-T)? (?:is )?(?:detected|not detected)",
    r"Host is (?:behind|located) ",
    r"Requesting SPI from IPSec",
    r"Got SPI from IPSec",
    r"Creating? (?:child|IPSec|CREATE)",
    r"CREATE_CHILD_SA ",
    r"Sending certificates? ",
    r"Retriev(?:ing|ed) ",
    r"Notify message ",
    r"Received DPD",
    # the platform
    r"% ?(?:Getting|Matched|DVTI|Adding)",
    r"(?:Got a|Getting) packet from",
    r"Processing an item off",
    r"Adding Proposal",
    r"Selecting IKE profile",
    r"New ikev2 sa request",
    r"(?:In|De)crement(?:ing|ed)? (?:the )?count",
    r"(?:In|De)crementing (?:outgoing|incoming)",
    r"Store mib index",
    r"KMI message \d+ consumed",
    r"AAA (?:group|user) auth",
    r"Adding ident handle",
    r"Error constructing config reply",
    r"Send(?:ing)? config data",
    r"Received (?:Packet|config|valid|PFKEY|Policies)",
    r"Expected Policies",
    r"attempting to find tunnel group",
    r"mapped to tunnel group",
    r"(?:tg_name|tunn grp type|peer auth method|P1 ID|idle timeout|session timeout) (?:set|=)",
    r"(?:group policy|class attr) (?:set|=)",
    r"my_auth_method|supported_peers_auth_method",
    r"Peer ID check",
    r"retrieving SAN",
    r"Translating IKE_ID",
    r"Sent PFKEY",
    r"PROXY MATCH",
    r"Crypto Map",
    r"connection auth hdl",
    r"Build config mode",
    r"Completed authentication",
    r"Sending Packet",
    r"IKE Proposal",
    r"ESP Proposal",
    r"AH Proposal",
    r"Exit Path Table",
    # the same in Cisco's Korean
    r"디스패처에서 패킷 가져오기",
    r"공급업체별 페이로드 구성",
    r"pak 큐에서 항목 처리",
    r"% 주소 \S+ 사전 공유 키 가져오기",
    r"툴킷 정책에 제안 .*추가",
    r"IKE 프로필 선택",
    r"(?:발신|수신) 협상 (?:sa|작업) 수",
    r"구성된 정책 설정",
    r"작업: Action_Null",
    r"IKEv2 (?:개시자|responder) - ",
    r"툴킷(?:으로|에|에서) .*데이터",
    r"NAT 처리",
    r"PKI 세션 (?:열기|닫기)",
    r"IKE_\w+ 메시지 처리",
    r"Cisco DeleteReason Notify",
    r"요청에 mess_id",
    r"프로세스 ID에서",
    r"IKEv2 프로필 .*사용",
    r"리디렉션 확인",
    r"AAA .*구성되지 않음",
    r"컨피그레이션 응답 구성 오류",
    r"비동기 요청 대기",
    r"KMI 메시지",
    r"세션 \d+에 대한 SPI",
    r"계정 관리",
)
_SENTENCE = re.compile("|".join(f"(?:{pattern})" for pattern in _KNOWN), re.IGNORECASE)

_SPI = re.compile(r"\bSPI:?\s*0x([0-9A-Fa-f]{8})(?![0-9A-Fa-f])")
_KEY_BY = re.compile(
    r"(?:preshared key (?:by|from) address)\D{0,20}?([0-9A-Fa-f:.]{7,})"
    r"|주소 ([0-9.]+|[0-9A-Fa-f:]+)(?:로)? 사전"
)
_IDENTITY = re.compile(r"Constructing (ID[ir]) payload: '([^']*)' of type '([^']*)'")
_PEER_ID = re.compile(r"peer's identity '([^']*)' of type '([^']*)'")
_FAILURE = re.compile(
    r"^(?:Failed |Error|Initial exchange failed|Auth exchange failed|Abort|There was no |Couldn't |"
    r"Unsupported |Invalid |Detected an? |Maximum number|A supplied |컨피그레이션 응답 구성 오류)",
    re.IGNORECASE,
)


def known(body: str) -> bool:
    """Whether this is a sentence that routers are known to say; an empty one says nothing."""
    return not body or bool(_SENTENCE.match(body)) or any(p.match(body) for p, _, _ in NAT_SAYS)


def child_spi(body: str) -> bytes | None:
    """The SPI that a CHILD_SA's handle was joined to."""
    if "handle" not in body and "핸들" not in body:
        return None
    match = _SPI.search(body)
    return bytes.fromhex(match[1]) if match else None


def key_address(body: str) -> str | None:
    """The peer's address, where the router looks for its shared key by address."""
    match = _KEY_BY.search(body)
    return (match[1] or match[2]) if match else None


def identity(body: str) -> tuple[str, str, str] | None:
    """(`IDi`, identity, its type) where the router says how it presents itself."""
    match = _IDENTITY.match(body)
    return (match[1], match[2], match[3]) if match else None


def peer_identity(body: str) -> tuple[str, str] | None:
    """(identity, its type) of the peer, as the router looks for a policy by it."""
    match = _PEER_ID.search(body)
    return (match[1], match[2]) if match else None


def failure(body: str) -> bool:
    """Whether the sentence tells of something that went wrong."""
    return bool(_FAILURE.match(body))
