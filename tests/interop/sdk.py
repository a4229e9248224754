"""The ``openai`` SDK against a server that speaks as OpenAI's does: what a program sees of each answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

__all__ = ["Seen", "with_openai"]

Seen = dict[str, object]
MESSAGES = [{"role": "user", "content": "hi \N{SNOWMAN}"}]


def with_openai(base: str, side: str) -> Seen:
    """Everything asked, by name, and what came.

    :param side: tells this run's requests from another's where the server counts.
    """
    import openai

    client = openai.OpenAI(base_url=base + "/v1", api_key="k", max_retries=0)

    def chat(model: str, **more: Any) -> Any:
        return client.chat.completions.create(model=model, messages=MESSAGES, **more)

    raw = client.chat.completions.with_raw_response
    asks: dict[str, Callable[[], object]] = {
        "models": lambda: client.models.list().model_dump(),
        "whole": lambda: chat("ok").model_dump(),
        "whole with fields": lambda: _raw(raw.create(model="ok", messages=MESSAGES)),
        "streamed": lambda: [event.model_dump() for event in chat("ok", stream=True)],
        "streamed and left": lambda: _first(chat("ok", stream=True), 3),
        "streamed and cut": lambda: [event.model_dump() for event in chat("cut", stream=True)],
        "asked again after 429": lambda: client.with_options(max_retries=1)
        .chat.completions.create(model=f"again-{side}", messages=MESSAGES).model_dump(),
        **{f"error {status}": partial(chat, status) for status in ("400", "401", "404", "429", "500", "503")},
        **{f"streamed error {status}": partial(chat, status, stream=True) for status in ("400", "429")},
    }
    return {name: _outcome(ask) for name, ask in asks.items()}


def _outcome(ask: Callable[[], object]) -> object:
    import openai

    try:
        return ask()
    except openai.APIStatusError as error:
        fields = {name: error.response.headers.get(name) for name in ("retry-after", "content-type", "content-length")}
        return [type(error).__name__, error.status_code, error.body, fields]
    except (openai.APIError, OSError) as error:
        return [type(error).__name__]
    except Exception as error:  # whatever a program sees, it is to see the same
        return [type(error).__name__]


def _raw(given: Any) -> object:
    return [given.status_code, given.headers.get("x-request-id"), given.headers.get("openai-processing-ms"), given.text]


def _first(events: Iterator[Any], count: int) -> object:
    seen = [event.model_dump() for event, _ in zip(events, range(count), strict=False)]
    events.close()  # type: ignore[attr-defined]
    return seen
