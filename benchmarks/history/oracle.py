"""What must be true of a history, whatever faults it had. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from benchmarks.history.book import Book, Call, End, Fault, Visit

__all__ = ["RECOVERY", "violations"]

#: Seconds after the last fault in which full service must be back.
RECOVERY = 5.0

#: Seconds after a fault was mended for which it still explains that a new request fails: nobody may have noticed yet.
AFTERMATH = 2.0

#: Seconds that a request may begin before one that was asked earlier, in peace: what is sent ahead may be overtaken
#: by as much as it takes an upstream to finish what it has.
OVERTAKING = 1.5


def violations(book: Book) -> list[str]:
    """One sentence for each thing that must not be."""
    visits: dict[str, list[Visit]] = defaultdict(list)
    for visit in book.visits:
        visits[visit.key].append(visit)
    found = list(book.complaints)
    for call in book.calls:
        found += [f"{_named(call, book)}: {why}" for why in _of_call(call, visits[call.key], book)]
    return [*found, *_of_service(book), *_of_order(book, visits)]


def _named(call: Call, book: Book) -> str:
    sent, ended = call.sent - book.began, call.ended - book.began
    return f"{call.key} from {sent:.2f} to {ended:.2f} ({call.end.value} {call.detail})"


def _of_call(call: Call, visits: list[Visit], book: Book) -> Iterator[str]:
    if call.end is End.WRONG:
        yield "wrong"
    if len(visits) > 1 and not call.repeatable:
        yield f"ran {len(visits)} times, and nobody allowed that"
    if call.end is End.OK and not visits:
        yield "was answered, and no upstream saw it"
    if call.started == "no" and visits:
        yield "had begun, and the hub says that it had not"
    if call.end in {End.ERROR, End.CUT, End.DOWN} and not any(_explains(fault, call) for fault in book.faults):
        yield "no fault explains that"


def _explains(fault: Fault, call: Call) -> bool:
    return fault.began <= call.ended and call.sent <= fault.mended + AFTERMATH


def _of_service(book: Book) -> Iterator[str]:
    """Some time after the last fault, both upstreams work again."""
    calm = _calm_since(book)
    for name in book.slots:
        if not any(visit.upstream == name and visit.began >= calm for visit in book.visits):
            yield f"{name} has nothing to do, though the last fault was {RECOVERY} s ago"


def _calm_since(book: Book) -> float:
    return max((fault.mended for fault in book.faults), default=0.0) + RECOVERY


def _of_order(book: Book, visits: dict[str, list[Visit]]) -> Iterator[str]:
    """Blocked callers in order: in peace, nobody begins much before one who asked before."""
    calm = _calm_since(book)
    pairs = [(call.sent, visits[call.key][0].began) for call in book.calls if call.sent >= calm and visits[call.key]]
    latest = 0.0
    for sent, began in sorted(pairs):
        if began < latest - OVERTAKING:
            yield f"a request asked at {sent:.2f} began at {began:.2f}, {latest - began:.2f} s before an earlier one"
        latest = max(latest, began)
