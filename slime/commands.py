"""The commands there are, as a table: what each is for, and which settings it takes.

The overview, each ``--help``, the manual pages, the shells' completions and ``docs/settings.rst`` follow from it;
:mod:`slime.cli` says what carries each of them out.
"""

from __future__ import annotations

from dataclasses import dataclass

from slime.settings import AdminConfig, AgentConfig, HubConfig, RegisterConfig, StatusConfig

__all__ = [
    "AGENT_CHECK", "AGENT_RUN", "COMMANDS", "COMPLETION", "DEMO", "DISCONNECT", "DRAIN", "HUB_RUN", "INTRODUCTION",
    "REGISTER", "REVOKE", "SHELLS", "STATUS", "UNDRAIN", "VERSION", "Command", "Words",
]  # fmt: skip

Words = tuple[str, ...]

SHELLS = ("bash", "zsh", "fish")

INTRODUCTION = (
    "slime puts many providers of one HTTP API behind one address. A hub takes requests from applications; an agent "
    "beside each provider dials out to the hub and fetches one request whenever the provider is free."
)


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    :ivar words: what is typed after ``slime``.
    :ivar about: what it does, in a few words, for lists.
    :ivar summary: what it does, in a few sentences, for its own help.
    :ivar config: the settings it takes; ``None`` for none.
    :ivar operand: what stands for a word that is no option; empty where there is none.
    :ivar choices: the words that may stand there, if they are known.
    """

    words: Words
    about: str
    summary: str
    config: type | None = None
    operand: str = ""
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As it is typed."""
        return " ".join(["slime", *self.words])


HUB_RUN = Command(
    ("hub", "run"),
    "Run a hub.",
    "Run a hub. It takes HTTP requests from applications and passes each to an agent that is free; agents connect to "
    "the same address.",
    HubConfig,
)
REGISTER = Command(
    ("hub", "register"),
    "Make a token for an agent.",
    "Make a token with which an agent may join the hub that has the same secret, and print it. The hub need not run; "
    "it keeps no list of tokens.",
    RegisterConfig,
)
STATUS = Command(
    ("hub", "status"),
    "Show a running hub: its agents, slots and queue.",
    "Show a running hub: its agents, slots and queue, as its admin site tells them.",
    StatusConfig,
)
DRAIN = Command(
    ("hub", "drain"),
    "Give an agent nothing new.",
    "Give an agent (its name, id or key) nothing new, now and when it links anew, until it is undrained or the hub "
    "ends. What runs there runs on.",
    AdminConfig,
    "AGENT",
)
UNDRAIN = Command(
    ("hub", "undrain"),
    "Let a drained agent work again.",
    "Let a drained agent (its name, id or key) work again.",
    AdminConfig,
    "AGENT",
)
DISCONNECT = Command(
    ("hub", "disconnect"),
    "End an agent's link.",
    "End the link of an agent (its name, id or key), and what runs there with it. It may link anew.",
    AdminConfig,
    "AGENT",
)
REVOKE = Command(
    ("hub", "revoke"),
    "Accept an agent's token no more.",
    "Accept a token no more, at once and for ever: that of a linked agent (its name, id or key), the token itself, or "
    "the one with this id. Links that came with it end.",
    AdminConfig,
    "AGENT|TOKEN",
)
AGENT_RUN = Command(
    ("agent", "run"),
    "Run an agent for one upstream or several.",
    "Run an agent. It connects to a hub, takes requests from it when its upstream is free, and returns the upstream's "
    "answers.",
    AgentConfig,
)
AGENT_CHECK = Command(
    ("agent", "check"),
    "Say what keeps an agent from working, or that nothing does.",
    "Say in plain words whether an agent with these settings would work: whether the token is whole and the hub "
    "accepts it, how far away the hub is, and whether each upstream answers. It takes no request, and an agent that "
    "runs with the same settings goes on undisturbed. The exit status is 0 if all is well, and 1 if not.",
    AgentConfig,
)
DEMO = Command(
    ("demo",),
    "Show a hub, two agents and two toy upstreams at work on this machine.",
    "Start a hub, two agents and two toy upstreams on this machine, send requests through them and show what went "
    "where. Then they stay for you to try, or with --once end.",
)
COMPLETION = Command(
    ("completion",),
    "Print what makes a shell complete slime's commands and options.",
    "Print a script that makes a shell complete the commands of slime, their options, and what options may be set to.",
    operand="|".join(SHELLS),
    choices=SHELLS,
)
VERSION = Command(("version",), "Print the version.", "Print the version.")

COMMANDS = (
    HUB_RUN, REGISTER, STATUS, DRAIN, UNDRAIN, DISCONNECT, REVOKE, AGENT_RUN, AGENT_CHECK, DEMO, COMPLETION, VERSION,
)  # fmt: skip
