#!/usr/bin/env python3
"""generate.py DIRECTORY SEED: one month of a GPU and inference cloud, as files of the same shape as the real input.

Everything drawn is an integer. totals.json has what the files add up to, summed while they are written.
"""
import csv
import gzip
import json
import os
import random
import sys
from datetime import date, timedelta

DAY = 86400
MONTH_START, MONTH_END = 119 * DAY, 150 * DAY  # October, counted in seconds from 4 June
GPU_NODES = [("G2", 8, 549), ("T4", 2, 387), ("", 0, 310), ("P100", 2, 131), ("G3", 8, 39), ("V100M16", 4, 28),
             ("V100M32", 8, 21), ("V100M16", 1, 19), ("T4", 4, 17), ("P100", 1, 3), ("A10", 1, 2)]
PODS, CODE_REQUESTS, CONV_REQUESTS, WEB_REQUESTS, WEB_CLIENTS, MACHINE_IDS = 8150, 8800, 19350, 10000, 1750, 2500


def write_csv(directory, path, rows, line_end="\n"):
    name = os.path.join(directory, path)
    os.makedirs(os.path.dirname(name), exist_ok=True)
    opened = gzip.open(name, "wt", newline="") if name.endswith(".gz") else open(name, "w", newline="")
    with opened as file:
        csv.writer(file, lineterminator=line_end).writerows(rows)


def nodes():
    yield "sn", "cpu_milli", "memory_mib", "gpu", "model"
    kinds = [(model, gpus) for model, gpus, count in GPU_NODES for _ in range(count)]
    for n, (model, gpus) in enumerate(kinds):
        yield f"openb-node-{n:04}", 32000, 262144, gpus, model


def pods(rng, totals):
    yield ("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "gpu_spec", "qos", "pod_phase",
           "creation_time", "deletion_time", "scheduled_time")
    for n in range(PODS):
        gpus = rng.choices((0, 1, 2, 4, 8), (133, 858, 2, 2, 5))[0]
        milli = 0 if gpus == 0 else 1000 if gpus > 1 else rng.choices((1000, 810, 470, 320, rng.randint(10, 990)), (56, 16, 11, 5, 12))[0]
        created = rng.randrange(MONTH_START, MONTH_END - 10)
        deleted = min(created + 4 + rng.randrange(1 << rng.randint(4, 19)), MONTH_END)
        scheduled = "" if rng.randrange(9) == 0 else min(created + rng.randrange(4), deleted - 1)
        if scheduled != "":
            totals["gpu_time"] += (deleted - scheduled) * gpus * milli
        phase = "Pending" if scheduled == "" else rng.choice(("Running", "Running", "Failed", "Succeeded"))
        yield f"openb-pod-{n:04}", 12000, 16384, gpus, milli, "", "LS", phase, created, deleted, scheduled


def inference_requests(rng, count, context_max, generated_max, totals):
    """Times have seven decimals, of a minute of each hour of November 2023."""
    yield "TIMESTAMP", "ContextTokens", "GeneratedTokens"
    for n in range(count):
        second, fraction = n * 30 * DAY // count, rng.randrange(10**7)
        context, generated = rng.randint(1, context_max), rng.randint(1, generated_max)
        totals["token_input"] += context
        totals["token_output"] += generated
        clock = f"{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}.{fraction:07}"
        yield f"2023-11-{second // DAY + 1:02} {clock}", context, generated


def web_requests(rng, totals):
    """Times run back now and then; one in 500 lines says the same as the line before; one in 15 has no byte count."""
    yield "line_no", "ts_utc", "client_ip", "method", "path", "status", "bytes_out"
    clients = [".".join(str(rng.randrange(1, 255)) for _ in range(4)) for _ in range(WEB_CLIENTS)]
    row = None
    for n in range(1, WEB_REQUESTS + 1):
        if row is None or rng.randrange(500) > 0:
            second = max(0, (n - 1) * 31 * DAY // WEB_REQUESTS - rng.randrange(3600))
            clock = f"{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}"
            sent = "" if rng.randrange(15) == 0 else rng.randrange(1 << rng.randint(6, 21))
            row = (f"2015-05-{second // DAY + 1:02}T{clock}Z", rng.choice(clients), "GET", f"/page/{rng.randrange(900)}?q=a,b", 200, sent)
        totals["requests"] += 1
        totals["bytes"] += row[5] or 0
        yield (n, *row)


def observations(rng, totals):
    """Machines seen, some several times a day; the same id in another scope is another machine."""
    yield "observed_at", "lifespan", "region", "sku", "vm_id"
    last, seen = date(2024, 9, 23), set()
    for n in range(MACHINE_IDS):
        for scope in rng.sample([(span, region) for span in ("long", "short") for region in ("eastus", "westus2")], rng.randint(1, 3)):
            for _ in range(rng.randint(1, 4)):
                row = (str(last - timedelta(days=rng.randrange(31))), *scope, rng.choice(("B8ms", "D8s_v5")), n)
                seen.add(row)
                yield (f"{row[0]} {rng.randrange(24):02}:{rng.randrange(60):02}:00.000", *row[1:])
    totals["covered_devices"] = len(seen)


def main():
    directory, seed = sys.argv[1], sys.argv[2]
    rng = random.Random(seed)
    totals = dict.fromkeys(("gpu_time", "token_input", "token_output", "requests", "bytes", "covered_devices"), 0)
    write_csv(directory, "gpu_windows/openb_node_list_all_node.csv", nodes())
    write_csv(directory, "gpu_windows/openb_pod_list_default.csv.gz", pods(rng, totals))
    for trace, count, context_max, generated_max in (("code", CODE_REQUESTS, 4100, 55), ("conv", CONV_REQUESTS, 2300, 420)):
        write_csv(directory, f"llm_tokens/AzureLLMInferenceTrace_{trace}.csv.gz",
                  inference_requests(rng, count, context_max, generated_max, totals), "\r\n")
    write_csv(directory, "http/elastic_apache_requests.csv.gz", web_requests(rng, totals))
    write_csv(directory, "assets/azure_vm_observations.csv.gz", observations(rng, totals))
    with open(os.path.join(directory, "totals.json"), "w") as file:
        json.dump(totals, file)
    print(f"{PODS:,} pods, {CODE_REQUESTS + CONV_REQUESTS:,} inference requests, {WEB_REQUESTS:,} web requests, {totals['covered_devices']:,} days of machines")


if __name__ == "__main__":
    main()
