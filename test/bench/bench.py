#!/usr/bin/env python3
"""Each stage beside its floor, in one run: floor, ours, floor, ours; medians and their ratio.

Against the cluster that the environment names: test/cluster.sh --durable --signed DATABASE test/bench/bench.py OUT
    ROUNDS        of each comparison (5)            SECONDS_EACH  of each pgbench (3)
    SCALES        sizes, as factors (1,10,100)      STAGES        only those whose name contains this
OUT.json and OUT.html are written; the table goes to standard output.
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

import page
from stages import STAGES

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = os.environ.get("SECONDS_EACH", "3")
SCALES = [int(scale) for scale in os.environ.get("SCALES", "1,10,100").split(",")]
ONLY = os.environ.get("STAGES", "")
PSQL = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1"]


def run(command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bench: {' '.join(command)} failed: {done.stderr.strip()[:2000]}")
    return done.stdout


def psql(database, text):
    return run([*PSQL, "-d", database], text)


def copy_database(name, template):
    run(["dropdb", "--if-exists", name])
    run(["createdb", "-T", template, name])


def measure(database, side, home):
    """Milliseconds, or transactions a second."""
    if side.before:
        psql(database, side.before.replace("@home@", home))
    timed = side.timed.replace("@home@", home)
    if side.clients:
        script = pathlib.Path(home, "script.sql")
        script.write_text(timed, encoding="utf-8")
        out = run(["pgbench", "-n", "-c", str(side.clients), "-j", "2", "-T", SECONDS, "-f", str(script), database])
        return float(re.search(r"^tps = ([0-9.]+)", out, re.M).group(1))
    out = psql(database, f"SET work_mem = '64MB';\n\\timing on\n{timed}\n")
    return sum(float(ms) for ms in re.findall(r"^Time: ([0-9.]+) ms", out, re.M))


def measure_stage(stage, scale, home):
    rows = stage.rows(scale)
    copy_database("bench_stage", "bench_installed")
    psql("bench_stage", stage.setup(rows))
    sides = {"floor": [], "ours": []}
    order = ["ours", "floor"] if stage.fresh_rounds else ["floor", "ours"]
    for part in range(ROUNDS):
        database = "bench_stage"
        if stage.fresh_rounds:
            database = "bench_round"
            copy_database(database, "bench_stage")
        for side in order:
            sides[side].append(stage.limit if side == "floor" and stage.limit else measure(database, getattr(stage, side)(rows, part), home))
    floor, ours = (statistics.median(sides[side]) for side in ("floor", "ours"))
    return {"scale": scale, "rows": rows, "floor": floor, "ours": ours, "ratio": ours / floor, "runs": sides}


def is_met(stage, result):
    return result["ratio"] <= stage.aim if stage.unit == "ms" else result["ratio"] >= stage.aim


def machine():
    cpu = re.search(r"^model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M)
    settings = psql("postgres", """SELECT string_agg(name || ' = ' || current_setting(name), ', ') FROM pg_settings
        WHERE name IN ('synchronous_commit', 'fsync', 'full_page_writes', 'shared_buffers', 'max_wal_size', 'max_parallel_workers_per_gather');""")
    return {"machine": f"{os.cpu_count()} x {cpu.group(1) if cpu else 'unknown'}, {os.uname().sysname} {os.uname().release}, load {os.getloadavg()[0]:.2f}",
            "server": psql("postgres", "SELECT version();").strip(), "settings": settings.strip(), "rounds": ROUNDS}


def main():
    out = sys.argv[1]
    about = machine()
    print("\n".join(f"{name}: {value}" for name, value in about.items()))
    run(["createdb", "bench_installed"])
    psql("bench_installed", "CREATE EXTENSION billing; SELECT billing.install();")
    report = []
    print(f"{'stage':<44} {'rows':>9} {'floor':>11} {'ours':>11} {'ratio':>7} {'aim':>6}")
    with tempfile.TemporaryDirectory(prefix="billing-bench.") as home:
        for stage in (stage for stage in STAGES if ONLY in stage.name):
            scales = SCALES if stage.rows(1) != stage.rows(10) else SCALES[:1]
            results = [measure_stage(stage, scale, home) for scale in scales]
            for result in results:
                print(f"{stage.name:<44} {result['rows']:>9} {result['floor']:>8.1f} {stage.unit:<3}{result['ours']:>8.1f} {stage.unit:<3}"
                      f"{result['ratio']:>7.2f} {stage.aim:>6} {'' if is_met(stage, result) else 'missed'}", flush=True)
            report.append({"stage": stage.name, "floor": stage.floor_name, "aim": stage.aim, "unit": stage.unit, "results": results})
    pathlib.Path(out + ".json").write_text(json.dumps({"about": about, "stages": report}, indent=1), encoding="utf-8")
    pathlib.Path(out + ".html").write_text(page.render(about, report), encoding="utf-8")
    print(f"written: {out}.json, {out}.html")


main()
