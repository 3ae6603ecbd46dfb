"""Make each module that has an async original, ``*_async.py``, from that; run it after changing one."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_RULES = [
    (r"\basync (?=def |with |for )", ""),
    (r"\bawait ", ""),
    (r"\bfrom asyncio import sleep\b", "from time import sleep"),
    (r"\bawait(ed)?\b", r"call\1"),
    (r"\bAwaitable\[(\w+)\]", r"\1"),
    (r"\bAwaitable, ", ""),
    (r"\bAbstractAsync", "Abstract"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\basync_?(?=[a-z])", ""),
    (r"_async\b", ""),
    (r"\b__a(?=enter__|exit__)", "__"),
]


def originals() -> list[Path]:
    """Return the modules that are written by hand, twice as async as needed."""
    return sorted((ROOT / "ectojob_py").rglob("*_async.py"))


def twin_of(original: Path) -> Path:
    """Return where the sync module goes."""
    return original.with_name(original.name.replace("_async.py", ".py"))


def unasync(original: Path) -> str:
    """Return the text of the sync module."""
    text = original.read_text()
    for pattern, replacement in _RULES:
        text = re.sub(pattern, replacement, text)
    text = f"# Made from {original.name} by tests/client/unasync.py: change that one, then run make unasync.\n{text}"
    name = ("--stdin-filename", str(twin_of(original)), "-")
    for command in (["check", "--fix-only", "-q", "--select", "I,F401"], ["format", "-q"]):
        ruff = [str(Path(sys.executable).with_name("ruff")), *command, *name]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout
    return text


if __name__ == "__main__":
    for original in originals():
        twin_of(original).write_text(unasync(original))
