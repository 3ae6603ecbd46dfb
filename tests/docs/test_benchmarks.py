"""The benchmark runs, in a size that measures nothing, and writes what it found."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_what_is_quick_is_measured_beside_its_limits(tmp_path: Path) -> None:
    size = {
        "fsync": "off", "rounds": 1, "drain": 2000, "fast-drain": 20000, "hands": 2, "idle-workers": 3, "idle": 1,
        "wakeups": 50,
    }  # fmt: skip
    options = [word for name, value in size.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "benchmarks", "--only", "w2,w3,w4,idle,wakeups", *options, "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "results.json").read_text())
    assert {row["workload"] for row in found} == {"w2", "w3", "w4", "idle", "wakeups"}
    rows = {row["name"]: row for row in found if row["workload"] == "w3"}
    for way in ("Worker(perform)", "Worker(perform_batch)", "Worker(perform, transaction=False)"):
        assert rows[way]["ratio"] > 0
    [idle] = [row for row in found if row["workload"] == "idle"]
    assert idle["costs"].keys() == {"statements/s", "clients' CPU %"}
    quoted = (tmp_path / "results.md").read_text()
    assert quoted.startswith("| fsync off | jobs/s | ratio | of CPU |")
    bare, ours = rows["bare UPDATE by 100, DELETE by 100"], rows["Worker(perform_batch)"]
    line = f"\n| Worker(perform_batch) | {ours['value']:,.0f} ({bare['value']:,.0f}) | {ours['ratio']:.2f} |"
    assert line in quoted
