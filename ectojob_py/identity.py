"""What a worker's sessions are called, so that a DBA can tell which process to end."""

import os
import socket

_LONGEST = 63
"""Bytes that PostgreSQL keeps of a name."""


def session_name() -> str:
    """Return ``ectojob HOST:PID``; of a long host, as much as leaves room for the rest."""
    process = f":{os.getpid()}"
    return f"ectojob {socket.gethostname()}"[: _LONGEST - len(process)] + process
