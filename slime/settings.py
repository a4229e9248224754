"""Every setting, declared once.

A setting is one field of a configuration class below: its name, type, default, bounds and help stand
there and nowhere else. The flag (``--app-password``), the environment variable (``SLIME_APP_PASSWORD``),
the YAML key (``app-password``), the help texts and ``docs/settings.rst`` all follow from it;
:mod:`slime.sources` reads the values and :mod:`slime.reference` writes the texts.

The earlier program's spelling of a flag (``--appPassword``) and the environment variables that it read go on
working; they stand in the row as ``seed`` and ``environ``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from slime import values
from slime.values import Kind, duration, integer, size

__all__ = [
    "GROUPS", "AdminConfig", "AgentConfig", "HubConfig", "RegisterConfig", "Setting", "StatusConfig", "settings_of",
]  # fmt: skip

_KIB, _MIB, _GIB, _TIB = 1024, 1024**2, 1024**3, 1024**4
_COUNT = integer(1, 10**6)
_COUNT_OR_NONE = integer(0, 10**6)
_DEADLINE = duration(0.01)
_DEADLINE_OR_NONE = duration(0.0)

#: A hub serves agents and applications elsewhere, so it listens on every interface unless told otherwise.
ANYWHERE = "0.0.0.0"  # noqa: S104

#: The admin site is for this machine, unless somebody opens it.
DEFAULT_ADMIN = "tcp:8081:interface=127.0.0.1"

NEEDED = "What it needs"
LISTENING = "Where it listens"
ADMIN = "The admin site"
APPLICATIONS = "What applications may ask for"
UPSTREAMS = "How it treats its upstreams"
LINK = "The link between hub and agent"
EGRESS = "TLS and proxies on the way out"
RUNNING = "How it runs"
TOKENS = "What the token allows"
GROUPS = (NEEDED, LISTENING, ADMIN, TOKENS, APPLICATIONS, UPSTREAMS, LINK, EGRESS, RUNNING)


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table, as the code that reads and documents settings sees it.

    :ivar attribute: where the configuration holds the value.
    :ivar name: what it is called outside; ``_`` becomes ``-`` in flags and YAML keys.
    :ivar default: the value without any source, or ``MISSING`` where one must be given.
    :ivar group: the heading it stands under.
    :ivar seed: the earlier program's spelling of its flag and YAML key, when another one.
    :ivar environ: environment variables read besides ``SLIME_`` and the name, in order.
    :ivar secret: its value is never shown, and can come from a file or from ``$CREDENTIALS_DIRECTORY``.
    """

    attribute: str
    name: str
    kind: Kind
    default: Any
    help: str
    group: str
    seed: str = ""
    environ: tuple[str, ...] = ()
    secret: bool = False

    @property
    def key(self) -> str:
        """The YAML key, and the flag without its dashes."""
        return self.name.replace("_", "-")

    @property
    def flag(self) -> str:
        return f"--{self.key}"

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that set it; the first one set wins."""
        return (f"SLIME_{self.name.upper()}", *self.environ)


def row(kind: Kind, default: Any, group: str, text: str, **more: Any) -> Any:
    """Declare a setting: a dataclass field that knows how it is set and explained.

    :param more: ``name``, ``seed``, ``environ`` and ``secret`` of :class:`Setting`.
    """
    about = {"kind": kind, "group": group, "help": text, **more}
    return field(default=default, repr=not kind.private, metadata={"setting": about})


def settings_of(config: type) -> Iterator[Setting]:
    """The rows of a configuration class, in the order of their declaration."""
    for item in fields(config):
        about = {"attribute": item.name, "name": item.name, **item.metadata["setting"]}
        yield Setting(default=item.default, **about)


@dataclass(frozen=True, kw_only=True)
class HubSecret:
    """What everything that mints or checks agent tokens must know."""

    secret: bytes = row(
        values.SECRET_BYTES, MISSING, NEEDED,
        "The hub's secret, from which agent tokens are made and checked. "
        "Whoever knows it can join as an agent.",
        environ=("SECRET",), secret=True,
    )


@dataclass(frozen=True, kw_only=True)
class Common:
    """What a hub and an agent have in common; both take the same values for a reason."""

    max_head: int = row(
        size(1 * _KIB, 64 * _KIB), 64 * _KIB, LINK,
        "Longest head of a request or answer: first line and fields together.",
    )
    max_fields: int = row(integer(1, 10_000), 200, LINK, "Most fields in the head of a request or answer.")
    window: int = row(
        size(16 * _KIB, 8 * _MIB), 256 * _KIB, LINK,
        "Bytes of one request or answer that may be on their way before the receiver has taken them.",
    )
    max_window: int = row(
        size(16 * _KIB, 1 * _GIB), 8 * _MIB, LINK, "The most that may become over a long way, as far as it is used.",
    )
    link_window: int = row(
        size(0, 16 * _GIB), 64 * _MIB, LINK, "How much all windows of a link may grow together.",
    )
    ping_interval: float = row(
        duration(0.1, 3600), 10.0, LINK,
        "How often each side asks whether the other is alive; three unanswered questions end the link.",
    )
    handshake_timeout: float = row(
        _DEADLINE, 10.0, LINK,
        "Longest time for a link to be set up, from its first byte to the last greeting.",
    )
    control_rate: int = row(
        _COUNT_OR_NONE, 10_000, LINK,
        "Frames a second that the other side of a link may send without any part of a request or an answer in them "
        "(PING, CREDIT, CAPACITY and the like), and as many at once; who sends more loses the link. A CREDIT comes for "
        "each half window that was read. 0 sets no limit.",
    )
    grace: float = row(
        duration(0.0, 86400), 30.0, RUNNING,
        "How long running requests may go on after SIGTERM; a second signal ends the process at once.",
    )
    log_format: str = row(
        values.choice("text", "json"), "text", RUNNING, "Log lines for people, or one JSON object a line."
    )
    log_level: str = row(
        values.choice("debug", "info", "warn", "error", "critical"), "info", RUNNING,
        "The least severe level to log.",
    )


@dataclass(frozen=True, kw_only=True)
class HubConfig(Common, HubSecret):
    """Everything a hub can be told. Durations are seconds, sizes bytes; 0 may stand for "no limit"."""

    app_password: bytes | None = row(
        values.SECRET_BYTES, None, NEEDED,
        "Password that applications send as Slime-App-Password. "
        "Without one, whoever reaches the hub can use it.",
        seed="appPassword", environ=("APP_PASSWORD", "APPPASSWORD"), secret=True,
    )

    host: str = row(
        values.HOST, ANYWHERE, LISTENING, "Address to listen on, for applications and agents alike.",
        environ=("HOST",),
    )
    port: int = row(
        integer(0, 65535), 8080, LISTENING, "Port to listen on; 0 lets the system choose one.",
        environ=("PORT",)
    )
    listen: tuple[str, ...] = row(
        values.ENDPOINTS, (f"tcp:8080:interface={ANYWHERE}:backlog=1024",), LISTENING,
        "Twisted endpoint to listen on in place of host and port; may be given several times.",
    )

    reuse_port: bool = row(
        values.BOOLEAN, False, LISTENING,
        "Share the port with another hub, so that a new one can take over from the old one without losing a request. "
        "Only for hubs with the same secret.",
    )

    agent_ca: Path | None = row(
        values.PATH, None, LISTENING,
        "PEM file of certificate authorities. With it, agents can join by TLS alone, and have to show a certificate "
        "that one of them has signed.",
    )
    seed_agents: bool = row(
        values.BOOLEAN, True, LISTENING,
        "Let agents and tokens of the earlier program join, made with the same secret; never with agent-ca.",
    )
    trusted_proxies: tuple[str, ...] = row(
        values.NETWORKS, (), LISTENING,
        "Networks of the proxies in front of the hub, whose word (X-Forwarded-For and the like, Forwarded) on who "
        "sent a request is taken; unix stands for all who come by a UNIX socket.",
    )

    admin: str | None = row(
        values.ENDPOINT_OR_OFF, DEFAULT_ADMIN, ADMIN,
        "Twisted endpoint of the admin site (page, API, metrics), or off. Without an admin token only this machine may "
        "reach it.",
    )
    admin_token: bytes | None = row(
        values.SECRET_BYTES, None, ADMIN,
        "Token that whoever asks the admin site has to bring (Authorization: Bearer), health checks excepted.",
        secret=True,
    )
    state_dir: Path | None = row(
        values.PATH, None, ADMIN,
        "Directory that keeps the list of revoked tokens; ~/.local/state/slime unless given.",
        environ=("STATE_DIRECTORY",),
    )

    concurrent: int = row(
        _COUNT_OR_NONE, 0, APPLICATIONS,
        "Most requests of applications in progress at once, waiting ones included; 0 sets no limit.",
        environ=("CONCURRENT",),
    )
    max_connections: int = row(integer(1, 10**6), 10_000, APPLICATIONS, "Most connections open at once.")
    max_connections_per_address: int = row(
        _COUNT_OR_NONE, 1000, APPLICATIONS,
        "Most connections open at once from one IPv4 address or IPv6 network (/64) by which no permitted request has "
        "come yet, and which are no agent's link; none of trusted proxies, UNIX sockets and haproxy endpoints counts. "
        "0 sets no limit.",
    )
    max_queue: int = row(
        integer(0, 10**6), 10_000, APPLICATIONS, "Most requests waiting for a free agent at once.",
    )
    queue_timeout: float = row(
        _DEADLINE, 600.0, APPLICATIONS,
        "Longest wait of a request that asked to (Slime-Block); its Slime-Timeout may only shorten it.",
    )
    max_target: int = row(
        size(64, 64 * _KIB), 16 * _KIB, APPLICATIONS, "Longest target (path and query) of a request.",
    )
    max_body: int = row(size(0, _TIB), 0, APPLICATIONS, "Largest body of a request; 0 sets no limit.")
    head_timeout: float = row(
        _DEADLINE, 30.0, APPLICATIONS, "Longest time for the head of a request to arrive.",
    )
    body_timeout: float = row(_DEADLINE, 60.0, APPLICATIONS, "Longest pause within the body of a request.")
    send_timeout: float = row(
        _DEADLINE, 60.0, APPLICATIONS, "Longest time an application may go without reading any of its answer."
    )
    min_rate: int = row(
        size(0, _GIB), 500, APPLICATIONS,
        "Bytes a second at which an application has to send its request and to read its answer, while it alone is "
        "waited for. Upgraded connections need not, nor requests whose answer has begun. 0 sets no limit.",
    )
    slow_grace: float = row(
        _DEADLINE, 60.0, APPLICATIONS, "How many seconds it may be behind that, before it is cut off.",
    )
    body_patience: float = row(
        _DEADLINE_OR_NONE, 0.25, APPLICATIONS,
        "How long a request with a body of unknown length waits for its end, or replay-body of it, before it takes a "
        "slot; and how far one that has a slot, and no answer yet, may be behind min-rate while others want that slot. "
        "0 takes the slot at once, and leaves it alone.",
    )
    reader_patience: float = row(
        _DEADLINE_OR_NONE, 0.2, APPLICATIONS,
        "How far an application that reads slowly may be behind min-rate while others want its slot; 0 leaves it "
        "alone.",
    )
    spool: int = row(
        size(0, _GIB), 4 * _MIB, APPLICATIONS,
        "Bytes of an answer taken from its agent, besides the window, for an application that reads it slowly: an "
        "answer that is all here needs no slot any more. 0 takes none.",
    )
    spool_total: int = row(
        size(0, _TIB), 64 * _MIB, APPLICATIONS, "Most bytes taken so for all applications together.",
    )
    idle_timeout: float = row(
        _DEADLINE, 75.0, APPLICATIONS, "How long a connection without a request is kept open."
    )
    upgrade_idle: float = row(
        _DEADLINE_OR_NONE, 3600.0, APPLICATIONS,
        "How long nothing may pass through an upgraded connection (WebSocket), which holds a slot; 0 sets no limit.",
    )
    allow_upgrade: tuple[str, ...] = row(
        values.PROTOCOLS, (), APPLICATIONS,
        "Protocols besides websocket that requests may upgrade to; any other Upgrade field is left out.",
    )
    linger_timeout: float = row(
        _DEADLINE, 2.0, APPLICATIONS,
        "How long to go on reading a request that was answered early, so that the answer is not lost.",
    )

    handshake_rate: int = row(
        _COUNT_OR_NONE, 200, LINK,
        "Most agents let in a second, so that applications are served while a whole fleet comes back; others are asked "
        "to return a little later. 0 sets no limit.",
    )
    replay_body: int = row(
        size(0, 16 * _MIB), 64 * _KIB, LINK,
        "Bytes of a request's body kept so that it can be given to another agent when the first is lost; a body of "
        "known length takes no slot before so much of it, or all, has arrived.",
    )
    max_requeues: int = row(integer(0, 100), 2, LINK, "How often a request may be given to another agent.")
    prefetch: int = row(
        integer(0, 64), 4, LINK,
        "Requests sent ahead to a busy agent for each of its slots, at most, while no slot is free; "
        "0 switches that off.",
    )
    balance: str = row(
        values.choice("longest-idle", "random", "fastest"), "longest-idle", LINK,
        "Which of several free slots serves the next request; fastest goes by measured service time.",
    )

    access_log: str = row(
        values.ACCESS_LOG, "on", RUNNING,
        "A line for every request: as Apache's combined format, JSON, text, in the format of the log (on), or none "
        "(off).",
    )
    access_log_file: Path | None = row(
        values.PATH, None, RUNNING,
        "File to write these lines to, at its end, instead of to the log. It is opened anew on SIGHUP.",
    )

    @property
    def host_and_port(self) -> str:
        """What these two ask for, as an endpoint."""
        interface = self.host.strip("[]").replace(":", r"\:")
        return f"tcp:{self.port}:interface={interface}:backlog=1024"


@dataclass(frozen=True, kw_only=True)
class AgentConfig(Common):
    """Everything an agent can be told. Durations are seconds, sizes bytes; 0 may stand for "no limit"."""

    token: str = row(
        values.SECRET_TEXT, MISSING, NEEDED, "The agent's token, printed by `slime hub register`.",
        environ=("TOKEN",), secret=True,
    )
    hub: str = row(
        values.HUB_ADDRESS, MISSING, NEEDED,
        "The hub's address: host:port, or a URL with http, https, ws or wss.", environ=("HUB",),
    )
    upstreams: tuple[str, ...] = row(
        values.UPSTREAMS, MISSING, NEEDED,
        "The upstream's address: host:port, http(s)://user:password@host:port/base or unix:/path. "
        "Several, with commas or repeated, make that many agents.",
        name="upstream", environ=("UPSTREAM",),
    )

    num_worker: int = row(
        _COUNT, 1, UPSTREAMS, "How many requests an upstream may run at once.",
        seed="numWorker", environ=("NUM_WORKER", "NUMWORKER"),
    )
    preserve_host: bool = row(
        values.BOOLEAN, False, UPSTREAMS,
        "Pass on the application's Host field rather than the upstream's own address.",
    )
    connect_timeout: float = row(_DEADLINE, 10.0, UPSTREAMS, "Longest time to connect to an upstream.")
    first_byte_timeout: float = row(
        _DEADLINE_OR_NONE, 0.0, UPSTREAMS,
        "Longest wait for the first byte of an answer; 0 sets no limit, as a generation may take minutes.",
    )
    stall_timeout: float = row(
        _DEADLINE_OR_NONE, 0.0, UPSTREAMS, "Longest pause within an answer; 0 sets no limit."
    )
    upstream_idle: float = row(
        _DEADLINE_OR_NONE, 4.0, UPSTREAMS,
        "How long an unused connection to an upstream is kept; less than the upstream itself keeps it.",
    )

    health_path: str | None = row(
        values.TARGET, None, UPSTREAMS,
        "Path to ask each upstream for, to learn whether it is ready; until it answers below 400, it gets no requests.",
    )
    health_interval: float = row(
        duration(0.1, 3600), 5.0, UPSTREAMS, "How often to ask, and the longest wait for the answer."
    )
    guard_status: bool = row(
        values.BOOLEAN, False, UPSTREAMS,
        "Let an upstream rest that answers one request after the other with a server error (5xx) at once, as one does "
        "that cannot be reached.",
    )

    reconnect_max: float = row(
        duration(1.0, 3600), 60.0, LINK, "Longest pause before dialling a lost hub again.",
    )

    ca: Path | None = row(
        values.PATH, None, EGRESS,
        "PEM file of certificate authorities to trust besides the system's, for the hub and for upstreams.",
    )
    client_cert: Path | None = row(
        values.PATH, None, EGRESS,
        "PEM file of the certificate to show the hub when it asks for one, its chain behind it.",
    )
    client_key: Path | None = row(
        values.PATH, None, EGRESS,
        "PEM file of that certificate's private key, unless it is in the same file.",
    )
    upstream_client_cert: Path | None = row(
        values.PATH, None, EGRESS, "PEM file of the certificate to show upstreams that ask for one.",
    )
    upstream_client_key: Path | None = row(
        values.PATH, None, EGRESS,
        "PEM file of that certificate's private key, unless it is in the same file.",
    )
    insecure_upstream: bool = row(
        values.BOOLEAN, False, EGRESS,
        "Believe whoever answers for an https upstream, whatever its certificate says. Do not use it.",
    )
    proxy: str | None = row(
        values.PROXY, None, EGRESS,
        "HTTP proxy on the way to the hub, and to https upstreams: http(s)://user:password@host:port.",
        secret=True,
    )
    https_proxy: str | None = row(
        values.PROXY, None, EGRESS,
        "The same, but only to a hub or an upstream with https (or wss); the proxy setting counts more.",
        environ=("HTTPS_PROXY", "https_proxy"),
    )
    no_proxy: tuple[str, ...] = row(
        values.NO_PROXY, (), EGRESS,
        "Hosts to go to without a proxy: names (and what is under them), addresses, networks, or * for all.",
        environ=("NO_PROXY", "no_proxy"),
    )

    agent_id: str | None = row(
        values.AGENT_ID, None, RUNNING,
        "Identity towards the hub; chosen once and kept in the state directory unless given.",
        seed="agentID", environ=("AGENT_ID", "AGENTID"),
    )
    state_dir: Path | None = row(
        values.PATH, None, RUNNING,
        "Directory that keeps the agent's identity; ~/.local/state/slime unless given.",
        environ=("STATE_DIRECTORY",),
    )
    report_hardware: bool = row(
        values.BOOLEAN, True, RUNNING,
        "Tell the hub what the machine has: cores, threads, memory, platform, and the names of NVIDIA's graphics cards "
        "where nvidia-ml-py is installed.",
        seed="reportHardware", environ=("REPORT_HARDWARE", "REPORTHARDWARE"),
    )
    report_mac: bool = row(
        values.BOOLEAN, False, RUNNING, "Tell it the addresses of network cards (MAC) as well.",
    )


@dataclass(frozen=True, kw_only=True)
class AdminConfig:
    """Where a hub's admin site is, for the commands that ask it."""

    admin: str = row(
        values.ADMIN_ADDRESS, "http://127.0.0.1:8081", ADMIN,
        "Where the hub's admin site is: host:port, a URL, or the endpoint that the hub's own --admin says.",
    )
    admin_token: bytes | None = row(values.SECRET_BYTES, None, ADMIN, "The token that it wants.", secret=True)


@dataclass(frozen=True, kw_only=True)
class StatusConfig(AdminConfig):
    """What ``slime hub status`` can be told."""

    watch: bool = row(values.BOOLEAN, False, RUNNING, "Go on until Ctrl-C, with the state of every second.")
    json: bool = row(values.BOOLEAN, False, RUNNING, "Print JSON, for programs.")


@dataclass(frozen=True, kw_only=True)
class RegisterConfig(HubSecret):
    """What ``slime hub register`` can be told."""

    name: str | None = row(
        values.TEXT, None, TOKENS, "The agent's name in logs; two random words unless given.",
    )
    age: float = row(
        duration(0.0, 100 * 366 * 86400.0), 0.0, TOKENS, "How long the token is valid; 0 means for ever."
    )
    scopes: tuple[str, ...] = row(
        values.NAMES, (), TOKENS,
        "Scopes the agent has; a request that names one (Slime-Scope) goes only to agents that have it.",
    )
    scope_paths: tuple[str, ...] = row(
        values.SCOPE_PATHS, (), TOKENS,
        "Paths the agent serves, exact (/v1/models) or whole trees (/v1/*), with or without the first slash; every "
        "path unless given.",
        seed="scopePaths", environ=("SCOPE_PATHS", "SCOPEPATHS"),
    )
    agents_of: str = row(
        values.choice("slime", "seed"), "slime", TOKENS,
        "Make a token of slime's own, or one for an agent of the earlier program.", name="format",
    )
    json: bool = row(
        values.BOOLEAN, False, RUNNING, "Print the token with its id, name, end, scopes and paths as JSON."
    )
    qr: bool = row(
        values.BOOLEAN, False, RUNNING,
        "Print the token as a QR code as well, to be photographed from the terminal; needs segno "
        "(pip install 'slime-proxy[qr]').",
    )
