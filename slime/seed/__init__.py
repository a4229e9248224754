"""The earlier program's tokens and wire, as far as its agents need them to join this hub. Pure.

:mod:`slime.seed.tokens`
    its tokens, read and written
:mod:`slime.seed.protobuf`
    as much of Protocol Buffers' encoding as its tokens take
:mod:`slime.seed.wire`
    requests as it passes them on

Who speaks this is :mod:`slime.hub.seedagents`.
"""
