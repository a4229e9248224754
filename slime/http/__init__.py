"""HTTP/1.1 for both ends of slime: heads, message parsers and forwarding rules; no I/O, no clock."""
