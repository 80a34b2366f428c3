"""A soak: many trials of the tests of this folder in bounded time, and the table of docs/reliability.md from them.

The tests of other folders that are marked ``soak`` run too.

``python -m tests.reliability --minutes 15``; what was tried and what it cost stands in the table, of tests that passed.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- from make soak -->", "<!-- end -->"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0, help="how long all trials may take together")
    minutes = parser.parse_args().minutes
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder, "rows.jsonl")
        environment = os.environ | {"GMJAX_SOAK_MINUTES": str(minutes), "GMJAX_SOAK_ROWS": str(rows)}
        command = [sys.executable, "-m", "pytest", str(HERE.parent), "--numprocesses", "2", "--dist", "worksteal", "-v"]
        status = subprocess.run(command, env=environment).returncode
        found = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()] if rows.exists() else []
    if found:
        PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), found, time.monotonic() - begun), encoding="utf-8")
        print(f"The table is in {PAGE.relative_to(Path.cwd()) if PAGE.is_relative_to(Path.cwd()) else PAGE}.")
    return status


def with_table(page: str, rows: list[dict], seconds: float) -> str:
    """``page`` with its table made anew from ``rows``."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = ["| fault | how often tried | what was lost |", "|---|---|---|"]
    lines += [f"| {row['fault']} | {row['tried']} | {row['lost']} |" for row in sorted(rows, key=lambda r: r["fault"])]
    today = datetime.date.today().isoformat()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    text = f"{today}, in {seconds / 60:.0f} minutes on {machine}:\n\n" + "\n".join(lines)
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


if __name__ == "__main__":
    sys.exit(main())
