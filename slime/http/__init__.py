"""HTTP/1.1 for both ends of slime: strict reading, exact writing, and the rules of passing on.

The hub reads requests with it and the agent responses, and each reads again, with the same strictness, the
heads that the other has sent over the link. Nothing here does I/O, owns a clock or keeps state between
connections, but for memories of what always comes out the same, so that a test is a few bytes in and a few values
out.

:mod:`slime.http.head`
    heads of requests and responses: parsed, serialised, and how long the body is
:mod:`slime.http.known`
    heads of requests that come again, remembered with what follows from them
:mod:`slime.http.parser`
    the bytes of a connection into heads, data and ends of messages
:mod:`slime.http.body`
    the chunked coding and trailers, written
:mod:`slime.http.forwarding`
    what an intermediary takes out of a message, and what it puts in
:mod:`slime.http.fields`
    the grammar of field lines, and questions one asks of them
:mod:`slime.http.target`
    request targets and authorities
:mod:`slime.http.reader`
    what both parsers share

**The rule** is RFC 9112, read so that no two recipients can read one message differently: a request is
refused, or what goes on to the upstream is a message about which nobody can be of two minds. Nothing is
repaired that could mean anything else. Refused are, with the status that the hub answers by:

====== ====================================================================================================
400    a request line that is not three words with one space between them; a target with a fragment,
       whitespace, controls or bytes beyond ASCII, or in a form that its method does not have; ``Host``
       missing, repeated, empty, a list, with userinfo, or other than the authority of the target; field
       lines folded, without a name, with whitespace before the colon, or with control bytes; a carriage
       return or a line feed by itself, anywhere; ``Content-Length`` that is repeated or anything but
       digits below 2**63; ``Transfer-Encoding`` that is not ``chunked``, or in company of
       ``Content-Length``, or in HTTP/1.0; chunk sizes, extensions and line ends not by the letter;
       trailers that would have to be known before the body; a body of ``TRACE``
414    a target longer than its limit
431    a head or a trailer section with too many bytes or lines
501    ``CONNECT``, a method too long to be one, a transfer coding before ``chunked``
505    versions other than HTTP/1.x
====== ====================================================================================================

Let through, because the RFC wants it so: HTTP/1.2 and later ones, as HTTP/1.1; any other method, in any case;
bodies of any method but ``TRACE``;
targets in absolute-form; up to two empty lines before a request; bad whitespace around chunk extensions;
whitespace around values, which is not part of them; bytes beyond ASCII in values, as they are.

Of responses the same is refused, always with ``upstream-broke``, and so is an end
of the connection anywhere but at the end of the message; only whitespace before colons and equal lengths said
twice are mended, as RFC 9112 section 5.1 and RFC 9110 section 8.6 have it. ``HEAD``, ``204`` and ``304`` have
no body, whatever their fields say, and bytes behind the end of a response belong to nothing.

**Why an own parser.** A head is matched by two compiled expressions, in about 8 microseconds for ten fields.
httptools takes as long, refuses methods that it does not know, lets through repeated ``Host`` fields,
fragments and transfer codings that nobody can decode, and cannot say where a message ended, which must be
known on a connection that carries several. It is the independent witness in the tests instead: what both
accept they read alike.

A head costs the hub twice and the agent twice, so it pays to keep this package fast: no byte of a body is
copied more than once, one read of a socket becomes one event, and chunks are joined as they arrive.
"""
