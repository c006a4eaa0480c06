#!/usr/bin/env python3
"""Each stage beside its floor, in one run: floor, ours, floor, ours; medians and their ratio.

Against the cluster that the environment names: test/cluster.sh --durable --signed DATABASE test/bench/bench.py OUT [MORE.json...]
    ROUNDS        of each comparison (5)            SECONDS_EACH  of each pgbench (3)
    SCALES        sizes, as factors (1,10,100)      STAGES        only those whose name contains this
OUT.json and OUT.html are written, with the stages of MORE.json, which others measured; the table goes to standard output.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

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
    if side.sessions:
        return measure_together(database, side.sessions)
    out = psql(database, f"SET work_mem = '64MB';\n\\timing on\n{timed}\n")
    return sum(float(ms) for ms in re.findall(r"^Time: ([0-9.]+) ms", out, re.M))


def measure_together(database, sessions):
    """Until the last of them is done, connecting included."""
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda statements: psql(database, statements), sessions))
    return 1000 * (time.monotonic() - began)


def set_up(stage, rows):
    """The database of a stage; the one before is taken again when the stage before had the same."""
    if getattr(set_up, "last", None) == (stage.setup, rows) and stage.fresh_rounds:
        return
    copy_database("bench_stage", "bench_installed")
    psql("bench_stage", stage.setup(rows))
    set_up.last = (stage.setup, rows)


def measure_stage(stage, scale, home):
    rows = stage.rows(scale)
    set_up(stage, rows)
    sides = {"floor": [], "ours": []}
    order = ["ours", "floor"] if stage.fresh_rounds else ["floor", "ours"]
    for part in range(ROUNDS):
        database = "bench_stage"
        if stage.fresh_rounds:
            database = "bench_round"
            copy_database(database, "bench_stage")
        for side in order:
            if stage.fresh_sides:
                database = "bench_round"
                copy_database(database, "bench_stage")
            sides[side].append(stage.limit if side == "floor" and stage.limit else measure(database, getattr(stage, side)(rows, part), home))
    floor, ours = (statistics.median(sides[side]) for side in ("floor", "ours"))
    return {"scale": scale, "rows": rows, "floor": floor, "ours": ours, "ratio": ours / floor, "runs": sides}


def add_growth(results):
    """How many times as much each size costs as the one before it."""
    for before, result in zip(results, results[1:]):
        result["growth"] = {side: result[side] / before[side] for side in ("floor", "ours")} | {"rows": result["rows"] / before["rows"]}


def print_results(stage):
    for result in stage["results"]:
        growth = result.get("growth")
        print(f"{stage['stage']:<44} {result['rows']:>9} {result['floor']:>8.1f} {stage['unit']:<3}{result['ours']:>8.1f} {stage['unit']:<3}"
              f"{result['ratio']:>7.2f} {stage['aim']:>6} {'' if page.is_met(stage, result) else 'missed':<6}"
              + (f" {growth['rows']:.0f}x the rows: {growth['ours']:.2f}x, floor {growth['floor']:.2f}x" if growth else ""), flush=True)


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
    with tempfile.TemporaryDirectory(prefix="billing-bench.") as home:
        # By size first: stages that begin alike then share what they begin with.
        chosen = [stage for stage in STAGES if ONLY in stage.name]
        measured = {stage.name: [] for stage in chosen}
        for scale in SCALES:
            for stage in chosen:
                if scale == SCALES[0] or stage.rows(1) != stage.rows(10):
                    result = measure_stage(stage, scale, home)
                    measured[stage.name].append(result)
                    print(f"# {stage.name}, {result['rows']} rows: {result['ours']:.1f} / {result['floor']:.1f} = {result['ratio']:.2f}", file=sys.stderr, flush=True)
    for stage in chosen:
        add_growth(measured[stage.name])
        report.append({"stage": stage.name, "floor": stage.floor_name, "aim": stage.aim, "growth_aim": stage.growth_aim, "unit": stage.unit, "results": measured[stage.name]})
    for more in sys.argv[2:]:
        report += json.loads(pathlib.Path(more).read_text(encoding="utf-8"))
    print(f"{'stage':<44} {'rows':>9} {'floor':>11} {'ours':>11} {'ratio':>7} {'aim':>6}")
    for stage in report:
        print_results(stage)
    pathlib.Path(out + ".json").write_text(json.dumps({"about": about, "stages": report}, indent=1), encoding="utf-8")
    pathlib.Path(out + ".html").write_text(page.render(about, report), encoding="utf-8")
    print(f"written: {out}.json, {out}.html")


main()
