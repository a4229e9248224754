"""One provider: ``python -m tests.model.provider FILE`` serves a model as OpenAI's servers do.

It prints its port, runs one completion at a time on one thread, and serves until a signal ends it.
"""

from __future__ import annotations

import signal
import sys
from urllib.parse import urlsplit

#: Tokens of prompt and completion together.
CONTEXT = 2048


def main(file: str) -> None:
    """Serve."""
    from xllamacpp import CommonParams, Server

    params = CommonParams()
    params.model.path = file
    params.n_ctx, params.n_parallel, params.port = CONTEXT, 1, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_ram_mib, params.ui, params.verbosity = 0, False, 0
    server = Server(params)
    print(f"port={urlsplit(server.listening_address).port}", flush=True)
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1])
