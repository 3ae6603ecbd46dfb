"""Run the chaos and print the audit; the exit code is 1 when it does not hold."""

import argparse
import random
import sys
from dataclasses import fields, replace

from chaos.storm import CI, LONG, Storm


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--long", action="store_true", help="1,000,000 jobs, 200 kills, 50 crashes")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="replays the faults of a run")
    for field in fields(CI):
        parser.add_argument(f"--{field.name}", type=int, help=f"default: {getattr(CI, field.name)}")
    options = parser.parse_args()
    said = {field.name: value for field in fields(CI) if (value := getattr(options, field.name)) is not None}
    tier = replace(LONG if options.long else CI, **said)
    again = [*(["--long"] if options.long else []), *(f"--{name} {value}" for name, value in said.items())]
    print(f'replay      make chaos ARGS="{" ".join([*again, f"--seed {options.seed}"])}"', flush=True)
    with Storm(tier, options.seed) as storm:
        broken = {name: rows for name, rows in storm.run().items() if rows}
    for name, rows in broken.items():
        print(f"BROKEN      {name}: {rows}")
    print("audit       " + (f"{len(broken)} broken" if broken else "holds: the query of every invariant is empty"))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
