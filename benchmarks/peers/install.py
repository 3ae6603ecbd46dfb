"""Install the peers, each where it can be, and say why not where it can't."""

import shutil
import subprocess
import venv
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parent / ".peers"
PYTHON = {
    "procrastinate": ["procrastinate==3.10.0"],
    "pgqueuer": ["pgqueuer[asyncpg]==1.6.0", "uvloop"],
}
"""The releases that the figures are of, as in ``package.json``."""


def main() -> None:
    """Make a virtual environment for each that is Python, and one folder of modules for those of Node."""
    for name, packages in PYTHON.items():
        folder = ENVIRONMENTS / name
        if not (folder / "installed").exists():
            venv.create(folder, with_pip=True)
            subprocess.run([folder / "bin" / "pip", "install", "-q", *packages], check=True)
            (folder / "installed").touch()
        print(f"{name}: {folder}")
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        print("graphile-worker, pg-boss: skipped, there is no node and npm on this machine")
        return
    folder = ENVIRONMENTS / "node"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "package.json", folder)
    subprocess.run([npm, "install", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, check=True)
    print(f"graphile-worker, pg-boss: {folder}")


if __name__ == "__main__":
    main()
