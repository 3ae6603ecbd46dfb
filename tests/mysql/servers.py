"""Private MySQL and MariaDB servers: a folder, a socket, and whoever may run a server."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
FOUND = {"mariadb": shutil.which("mariadbd", path=PATH), "mysql": os.environ.get("ECTOJOB_MYSQLD")}
MYSQL = {name: program for name, program in FOUND.items() if program}
"""MariaDB when it is on the machine, and the ``mysqld`` that ECTOJOB_MYSQLD names."""

OPTIONS = [
    "--skip-networking",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=64M",
    "--log-bin-trust-function-creators=1",
    "--innodb-lock-wait-timeout=10",
]
MYSQL_OPTIONS = ["--mysqlx=OFF", "--secure-file-priv=", "--skip-log-bin"]


@contextmanager
def mysql_running(name: str) -> Iterator[str]:
    """Run one of ``MYSQL`` and yield its dsn, of a superuser without a password."""
    folder = Path(tempfile.mkdtemp(prefix="ectojob-test-"))
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        shutil.chown(folder, nobody.pw_uid, nobody.pw_gid)
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    data, socket, log = folder / "data", folder / "socket", folder / "log"
    subprocess.run(_initialize(name, data), check=True, capture_output=True, cwd=folder, **user)
    command = [MYSQL[name], "--no-defaults", f"--datadir={data}", f"--socket={socket}", f"--pid-file={folder / 'pid'}"]
    with log.open("wb") as output:
        options = [*OPTIONS, *(MYSQL_OPTIONS if name == "mysql" else [])]
        process = subprocess.Popen([*command, *options], stdout=output, stderr=output, cwd=folder, **user)
    try:
        _wait(process, log)
        yield f"mysql://root@/?unix_socket={socket}"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def _initialize(name: str, data: Path) -> list[str]:
    if name == "mysql":
        return [MYSQL[name], "--no-defaults", "--initialize-insecure", f"--datadir={data}"]
    return [
        "mariadb-install-db",
        "--no-defaults",
        f"--datadir={data}",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
    ]


def _wait(process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if "ready for connections" in log.read_text(errors="replace"):
            return
        time.sleep(0.02)
    raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')}")
