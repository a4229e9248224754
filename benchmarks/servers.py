"""The programs that take part: nginx as the upstream, HAProxy as the reference, a hub and its agents."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import free_port
from slime.demo.children import Child

__all__ = ["BODY", "haproxy", "nginx"]

BODY = "The quick brown fox jumps over the lazy dog; the lazy dog does not mind."

NGINX = """
{user}
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr notice;
events {{ worker_connections 2048; }}
http {{
    access_log off; sendfile on; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 300s;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        root {folder}; default_type application/octet-stream;
        location = /small {{ default_type text/plain; return 200 "{body}"; }}
    }}
}}
"""

HAPROXY = """
global
    maxconn 4096
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout queue 60s
    http-reuse always
frontend applications
    bind 127.0.0.1:{port}
    default_backend providers
backend providers
    balance leastconn
{servers}
"""


def _bound(command: list[str]) -> list[str]:
    """The command, made to end when this process does."""
    return ["setpriv", "--pdeathsig", "TERM", *command] if shutil.which("setpriv") else command


@contextmanager
def nginx(folder: Path) -> Iterator[int]:
    """nginx with ``/small`` and the files of ``folder``; gives its port."""
    port, settings = free_port(), folder / "nginx.conf"
    user = "user root;" if os.getuid() == 0 else ""
    settings.write_text(NGINX.format(user=user, folder=folder, port=port, body=BODY))
    child = Child("nginx", _bound(["nginx", "-c", str(settings)]))
    try:
        child.wait_for("using the .* event method")
        yield port
    finally:
        child.end()


@contextmanager
def haproxy(folder: Path, upstream: int, slots: int) -> Iterator[int]:
    """HAProxy that has ``slots`` servers, all of them ``upstream``, one request at a time each.

    It has one thread, as the hub has. With more it is several times slower at this, as they hand servers over to one
    another, and its queue leaves servers idle.
    """
    port, settings = free_port(), folder / f"haproxy-{slots}.cfg"
    servers = "\n".join(f"    server s{n} 127.0.0.1:{upstream} maxconn 1" for n in range(slots))
    settings.write_text(HAPROXY.format(port=port, servers=servers))
    child = Child("haproxy", _bound(["haproxy", "-W", "-db", "-f", str(settings)]))
    try:
        child.wait_for("Loading success")
        yield port
    finally:
        child.end()
