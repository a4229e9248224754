"""Frames of every kind, for property tests of the link."""

from hypothesis import strategies as st

from slime.errors import ErrorCode
from slime.tunnel import (
    Capacity,
    Credit,
    Data,
    Drain,
    End,
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
    Welcome,
)

ids = st.integers(1, 2**64 - 1)
codes = st.sampled_from(ErrorCode)
tokens = st.integers(0, 2**64 - 1)
counts = st.integers(0, 2**31 - 1)
windows = st.integers(1, 2**31 - 1)
lengths = st.none() | st.integers(0, 2**64 - 2)
heads = st.binary(max_size=200)
printable = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])
texts = st.text(printable, max_size=256)
identifiers = st.from_regex(r"[A-Za-z0-9._-]{1,128}", fullmatch=True)
fields = st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=40)), max_size=5)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)

hellos = st.builds(
    Hello,
    agent_id=identifiers,
    name=texts,
    slots=counts,
    prefetch=counts,
    hardware=st.none() | st.dictionaries(texts, json_values, max_size=3),
    software=texts,
    window=windows,
    prefetch_window=windows,
    upstream=texts,
    versions=st.lists(counts, min_size=1, max_size=4).map(tuple),
    check=st.booleans(),
)
welcomes = st.builds(
    Welcome,
    session=identifiers,
    window=windows,
    max_window=windows,
    ping_interval=st.floats(0, 86400) | st.integers(0, 86400),
    max_message=st.integers(96 * 1024, 2**31 - 1),
    prefetch=counts,
    version=counts,
    about=st.none() | st.dictionaries(texts, json_values, max_size=3),
)
opens = st.builds(Open, ids, heads, lengths, st.booleans()) | st.builds(
    Open, ids, heads, st.just(0), st.booleans(), st.just(True)
)
response_heads = (
    st.builds(Head, ids, heads, lengths)
    | st.builds(Head, ids, heads, st.none(), interim=st.just(True))
    | st.builds(Head, ids, heads, st.none(), upgrade=st.just(True))
)

frames = st.one_of(
    hellos,
    welcomes,
    opens,
    response_heads,
    st.builds(Started, ids),
    st.builds(Data, ids, st.binary(min_size=1, max_size=200)),
    st.builds(End, ids, fields),
    st.builds(Reset, ids, codes, texts),
    st.builds(Credit, ids, st.integers(1, 2**32 - 1)),
    st.builds(Revoke, ids),
    st.builds(Revoked, ids),
    st.builds(Refused, ids, codes),
    st.builds(Capacity, st.integers(0, 2**32 - 1)),
    st.builds(Ping, tokens),
    st.builds(Pong, tokens),
    st.builds(Drain),
)
