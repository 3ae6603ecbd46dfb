"""A pgbouncer of our own, before one server at a time."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from ectojob_py.embedded import EmbeddedServer

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
"""Where it is; ``None``: it is not here (apt-get install pgbouncer)."""


class Bouncer:
    """Listens on a socket in a folder, and pools by session or by transaction."""

    def __init__(self, folder: Path, mode: str) -> None:
        self.dsn = f"host={folder} port=6432 user=postgres dbname=postgres connect_timeout=5"
        self.ready = (folder / ".s.PGSQL.6432").exists
        self._folder = folder
        self._mode = mode
        self._process: subprocess.Popen[bytes] | None = None

    def point_to(self, server: EmbeddedServer) -> None:
        """Pool connections to this server from now on."""
        ini = self._folder / "pgbouncer.ini"
        ini.write_text(f"""[databases]
* = host={server.folder} port=5432 user=postgres
[pgbouncer]
listen_port = 6432
unix_socket_dir = {self._folder}
logfile = {self._folder}/pgbouncer.log
auth_type = any
pool_mode = {self._mode}
server_login_retry = 0.1
query_wait_timeout = 10
""")
        if self._process:
            self._process.send_signal(signal.SIGHUP)
        else:
            shutil.chown(self._folder, EmbeddedServer.owner())
            command = [str(PROGRAM), "-q", str(ini)]
            self._process = subprocess.Popen(command, cwd="/", **server._user)

    def stop(self) -> None:
        """Stop it, and the sessions it has."""
        if self._process:
            self._process.kill()
            self._process.wait()
