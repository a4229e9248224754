"""The wire between hub and agent, version 1: the specification, and the code that is it.

A *link* joins one agent to one hub; the agent dials. It carries *streams*, each one request and its response.
Heads are opaque here: text in the canonical form of HTTP/1.1 that each end parses again and trusts nothing
of. Everything in this package is pure: no I/O, no clock, no threads. ``TunnelConnection`` is one end.

Key words as in RFC 2119. All numbers are unsigned and big-endian. A text is *printable* when it holds no
control characters (U+0000 to U+001F, U+007F to U+009F), no U+2028 or U+2029 and no surrogates. A *violation*
ends the link: its finder MUST close it and MUST NOT use anything of the message it found it in; in WebSocket
that is close code 4400. Whatever is not allowed here is a violation.

Messages and frames
-------------------

The link is a WebSocket at the hub's path ``/v1/agent/tunnel`` with the subprotocol ``slime.v1``. The agent's
token stands in the handshake, as ``Authorization: Bearer``, and is verified before the hub accepts it. A
message is binary, whole (never fragmented, never compressed) and at most 98304 bytes long. It consists of one
frame or more, each whole::

    +----------+------------------+-------------------+------------------+
    | type (8) | size of          | stream id (64)    | payload          |
    |          | payload (24)     | 0: the link       | (size bytes)     |
    +----------+------------------+-------------------+------------------+

A frame of unknown type is skipped, so that versions can grow. All other bits are checked. A sender SHOULD put
all frames of one turn of its event loop into one message, frames without body bytes first, then bodies in
turn, in pieces of at most 16384 bytes, until the message holds 65584 bytes (four such pieces). Frames of one
stream keep the order in which they were sent, except that CREDIT may overtake.

====  ========  =====  =================================================================================
type  name      from   payload
====  ========  =====  =================================================================================
1     HELLO     agent  a JSON object, see `Greetings`_
2     WELCOME   hub    a JSON object, see `Greetings`_
3     OPEN      hub    flags (8), body length (64), request head (up to 81920 bytes)
4     STARTED   agent  nothing
5     HEAD      agent  flags (8), body length (64), response head (up to 81920 bytes)
6     DATA      both   1 to 65536 bytes of body
7     END       both   trailer fields, up to 24576 bytes: for each, size of name (16), size of value (32),
                       name, value; mostly nothing
8     RESET     both   error code (8), detail: up to 1024 bytes of UTF-8, printable
9     CREDIT    both   bytes granted (32), not 0
10    REVOKE    hub    nothing
11    REVOKED   agent  nothing
12    REFUSED   agent  error code (8)
13    CAPACITY  agent  slots (32)
14    PING      both   token (64)
15    PONG      both   token (64)
16    DRAIN     both   nothing
====  ========  =====  =================================================================================

HELLO, WELCOME, CAPACITY, PING, PONG and DRAIN are about the link, with stream id 0; all others name a stream.

*Flags* of OPEN: 1 prefetch, 2 upgrade. Of HEAD: 2 upgrade, 4 interim, not both. No other bit may be set.

*Body length*: the bytes of DATA that follow in this half. 0: no body, and the half is over with this frame;
neither DATA nor END follow. All ones: not known. OPEN with upgrade has length 0; HEAD with upgrade or interim
has length "not known".

*Error codes* are the wire numbers of ``ErrorCode``; an unknown one reads as INTERNAL.

Greetings
---------

The agent's first frame is HELLO, the hub's first is WELCOME, its answer. Neither sends anything else before
it has sent its own greeting and seen the other's. Each is sent once. The text is one JSON object in UTF-8,
without NaN, infinities or lone surrogates. All members below MUST be there, but for "check" and "about", which may;
others are ignored. Integers are
from 0 to 2147483647 unless a range is given, texts have at most 256 characters, all printable; an identifier
is 1 to 128 of ``A-Z a-z 0-9 . _ -``.

===============  =========================================================================================
HELLO            meaning
===============  =========================================================================================
versions         1 to 64 integers: the versions the agent speaks; one MUST be 1
agent_id         identifier; a new link of the same agent ends its old one
name             text: the agent's name, for people
slots            integer: requests it runs at a time
prefetch         integer: requests it holds in advance at most
window           integer from 1: the credit with which each request body begins
prefetch_window  integer from 1: the same for a stream opened with the prefetch flag
hardware         object or null: what the machine has
software         text: the agent's program and its version
upstream         text: what it serves, for people
check            boolean: see `Checks`_
===============  =========================================================================================

===============  =========================================================================================
WELCOME          meaning
===============  =========================================================================================
version          1
session          identifier of this link
window           integer from 1: the credit with which each response body begins
max_window       integer from 1: the most a window of the hub grows to
ping_interval    number from 0 to 86400: seconds between two PINGs of the hub
max_message      integer from 98304: the longest message the hub takes
prefetch         integer: requests it sends ahead for each slot at most
about            object or null: see `Checks`_
===============  =========================================================================================

Checks
------

HELLO with "check" true comes from somebody who wants to know whether an agent would be let in. The hub answers with
WELCOME and PONG as ever, counts no agent, ends no other link, opens no stream, and closes the link when its
handshake's time is over. In "about" it says what the token allows and who it is: "name" (text), "expires" (seconds
since the epoch, or null for never), "scopes" and "scope_paths" (arrays of texts), "software" (text).

Streams
-------

The hub opens streams. Ids strictly increase from 1; one that was skipped counts as over. A stream has two
halves. The hub's begins with OPEN; when that announces a body, DATA and END follow. The agent's is: STARTED,
when the upstream call begins, so that the request may have had effects; any number of interim HEADs; HEAD;
when that announces a body, DATA and END. The agent may answer while the request body still runs. Instead of
STARTED it may send REFUSED, with the reason, or REVOKED, if the hub has asked by REVOKE: both say that the
request has not run and never will. A REVOKE that reaches an agent which has sent STARTED, or anything that
ends the stream, is ignored, and that frame is its answer. An agent MUST answer any other REVOKE in due time
with STARTED, REVOKED or REFUSED. One stream is revoked once at most until STARTED.

END before as many bytes as announced, or DATA beyond them, is a violation.

*The slot* of a stream is free when the agent's half is over: END, HEAD with length 0, RESET, REFUSED or
REVOKED. Exactly one of them reaches the hub's adapter for each stream (but see *Upgrade*), and nothing of
that stream after it.

*The agent's half ends first.* Nobody needs the rest of the request body then: the hub answers at once with
RESET (NO_ERROR), unless its END has gone out. Until END or RESET comes, the agent checks what arrives against
credit and length, and discards it.

*RESET* ends both halves; what waits to be sent in the sender's half is dropped, or goes first: an agent whose
upstream broke off SHOULD send what came before that, as credit allows, and RESET behind it. It may be sent as long
as its sender does not know the stream to be over. Who receives it and has not ended its own half answers with RESET
(NO_ERROR), and the stream is over. Who sent it waits for the frame that ends the other's half and, until
then, checks what arrives against credit and length, and discards it. The adapter of a hub hears of that last
frame, because it frees the slot; the adapter of an agent hears nothing more.

*Over*: RESET, CREDIT and REVOKE for a stream that is over have crossed with its end and are ignored. Any
other frame for a stream that is over, and any frame for one that was never opened, is a violation.

*Upgrade.* OPEN with this flag asks to switch protocols. The hub's half carries nothing until the agent's
HEAD. HEAD with the flag (a 101) switches: both halves carry DATA until END, each half ends by itself, the
stream when both have, and the slot with it. RESET may follow an END of the same sender while the other half
runs. HEAD without the flag is an ordinary answer, and the hub's half is over without END.

Phases
------

Which frame of whom leads a stream from where to where; a frame that stands without "to" leaves the phase as
it is, one that does not stand there is a violation, CREDIT may always come and changes nothing. OPEN stands
for three frames: with a body to follow, OPEN_WHOLE without one, OPEN_UPGRADE with the upgrade flag; HEAD for
four: with a body to follow, HEAD_WHOLE without one, INTERIM with the interim flag and SWITCH with the upgrade
flag. ``UP_`` is a request whose body still runs, ``ASKED`` one that asks for an upgrade. Each end keeps its
own account, of what it has sent and received.

IDLE
    * hub: OPEN to UP_OFFERED; OPEN_WHOLE to OFFERED; OPEN_UPGRADE to ASKED

UP_OFFERED
    * hub: DATA; END to OFFERED; RESET to HUB_RESET; REVOKE to UP_RECALLED
    * agent: STARTED to UP_RUNNING; RESET to AGENT_RESET; REFUSED to LINGER

UP_RECALLED
    * hub: DATA; END to RECALLED; RESET to HUB_RESET
    * agent: STARTED to UP_RUNNING; RESET to AGENT_RESET; REVOKED to LINGER; REFUSED to LINGER

UP_RUNNING
    * hub: DATA; END to RUNNING; RESET to HUB_RESET; REVOKE
    * agent: INTERIM; HEAD to UP_ANSWERING; HEAD_WHOLE to LINGER; RESET to AGENT_RESET

UP_ANSWERING
    * hub: DATA; END to ANSWERING; RESET to HUB_RESET; REVOKE
    * agent: DATA; END to LINGER; RESET to AGENT_RESET

OFFERED
    * hub: RESET to HUB_RESET; REVOKE to RECALLED
    * agent: STARTED to RUNNING; RESET to OVER; REFUSED to OVER

RECALLED
    * hub: RESET to HUB_RESET
    * agent: STARTED to RUNNING; RESET to OVER; REVOKED to OVER; REFUSED to OVER

RUNNING
    * hub: RESET to HUB_RESET; REVOKE
    * agent: INTERIM; HEAD to ANSWERING; HEAD_WHOLE to OVER; RESET to OVER

ANSWERING
    * hub: RESET to HUB_RESET; REVOKE
    * agent: DATA; END to OVER; RESET to OVER

ASKED
    * hub: RESET to HUB_RESET; REVOKE to ASKED_RECALLED
    * agent: STARTED to ASKED_RUNNING; RESET to OVER; REFUSED to OVER

ASKED_RECALLED
    * hub: RESET to HUB_RESET
    * agent: STARTED to ASKED_RUNNING; RESET to OVER; REVOKED to OVER; REFUSED to OVER

ASKED_RUNNING
    * hub: RESET to HUB_RESET; REVOKE
    * agent: INTERIM; HEAD to ANSWERING; HEAD_WHOLE to OVER; SWITCH to SWITCHED; RESET to OVER

SWITCHED
    * hub: DATA; END to ANSWERING; RESET to HUB_RESET; REVOKE
    * agent: DATA; END to TAIL; RESET to AGENT_RESET

TAIL
    * hub: DATA; END to OVER; RESET to OVER; REVOKE
    * agent: RESET to AGENT_RESET

LINGER
    * hub: DATA; END to OVER; RESET to OVER; REVOKE

HUB_RESET
    * agent: STARTED; INTERIM; HEAD; HEAD_WHOLE to OVER; SWITCH; DATA; END to OVER; RESET to OVER;
      REVOKED to OVER; REFUSED to OVER

AGENT_RESET
    * hub: DATA; END to OVER; RESET to OVER; REVOKE

OVER is the end. A hub whom a received frame leads to LINGER or AGENT_RESET, and an agent whom one leads to
HUB_RESET, sends RESET (NO_ERROR), and the stream is OVER for it. END that waits behind body bytes counts when
it is sent.

Credit
------

The sender of a body MUST NOT have sent more bytes of DATA than it has credit: the window of the receiver's
greeting, and every CREDIT since. More DATA is a violation, and so is credit of more than 2147483647 bytes.
Only bytes of DATA count, discarded ones too. A receiver grants what its consumer has used; ``Window``
waits until that is half a window or 128 KiB, and grants nothing that a body of announced length will not need.
Windows may grow and shrink at any time (``TunnelConnection.resize``): a receiver simply grants more, or less. A
prefetched stream begins with the smaller of its windows and has the whole one from STARTED on.

The link itself
---------------

PING is answered with PONG and its token, at once. CAPACITY says how many requests the agent runs at a time
from now on, 0 while it rests; streams that run stay. DRAIN announces that its sender will end the link when
all streams are over: the hub opens no more, the agent refuses what still comes. These three may be sent
whenever the greetings have been.

An end MAY call it a violation when one message holds more than 4096 frames that are about the link, or lead to
no event (CREDIT, what is ignored or discarded, unknown types), when more than 20000 streams are live, or when
4 MiB of frames without body bytes went out to a socket that took nothing: see ``TunnelLimits``. It MAY close the
link, with close code 4429, when such frames and interim HEADs come faster than it bears; 10000 a second it SHOULD
bear.
"""

from slime.tunnel.codec import DATA_LIMIT, HEAD_LIMIT, MESSAGE_LIMIT, TRAILERS_LIMIT, decode, encode
from slime.tunnel.connection import DEFAULT_LIMITS, TunnelConnection, TunnelLimits
from slime.tunnel.flow import LOW_WATER, Sending, Window
from slime.tunnel.frames import (
    Capacity,
    Credit,
    Data,
    Drain,
    End,
    Frame,
    Head,
    Hello,
    Open,
    Ping,
    Pong,
    Refused,
    Reset,
    Revoke,
    Revoked,
    Started,
    StreamFrame,
    Welcome,
)
from slime.tunnel.states import Phase, Role

__all__ = [
    "DATA_LIMIT", "DEFAULT_LIMITS", "HEAD_LIMIT", "LOW_WATER", "MESSAGE_LIMIT", "TRAILERS_LIMIT",
    "Capacity", "Credit", "Data", "Drain", "End", "Frame", "Head", "Hello", "Open", "Phase", "Ping",
    "Pong", "Refused", "Reset", "Revoke", "Revoked", "Role", "Sending", "Started", "StreamFrame",
    "TunnelConnection", "TunnelLimits", "Welcome", "Window", "decode", "encode",
]  # fmt: skip
