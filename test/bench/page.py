"""The report as one self-contained page: a table, and for each stage a chart of its cost per row by size."""

import html
import math

STYLE = """body { font: 14px/1.5 sans-serif; max-width: 60em; margin: 2em auto; color: #222 }
table { border-collapse: collapse; width: 100% } td, th { padding: .2em .6em; border-bottom: 1px solid #ddd; text-align: right }
td:first-child, th:first-child { text-align: left } .missed { color: #b00 } figure { display: inline-block; margin: 1em } figcaption { max-width: 26em }"""
WIDTH, HEIGHT, MARGIN = 360, 200, 40


def is_met(stage, result):
    growth = result.get("growth")
    if growth and stage.get("growth_aim") and growth["ours"] > stage["growth_aim"] * growth["rows"] / 10:
        return False
    return result["ratio"] <= stage["aim"] if stage["unit"] == "ms" else result["ratio"] >= stage["aim"]


def points(results, side, top):
    """Milliseconds by rows, both logarithmic."""
    low, high = math.log10(results[0]["rows"]), math.log10(results[-1]["rows"])
    bottom = math.log10(min(min(r["floor"], r["ours"]) for r in results))
    for result in results:
        x = MARGIN + (WIDTH - 2 * MARGIN) * (math.log10(result["rows"]) - low) / ((high - low) or 1)
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (math.log10(result[side]) - bottom) / ((top - bottom) or 1)
        yield x, y


def line(results, side, colour, top):
    placed = list(points(results, side, top))
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}'


def chart(stage):
    results = stage["results"]
    top = math.log10(max(max(r["floor"], r["ours"]) for r in results))
    labels = "".join(f'<text x="{x:.1f}" y="{HEIGHT - MARGIN + 16}" text-anchor="middle" font-size="11">{result["rows"]:,}</text>'
                     for (x, _y), result in zip(points(results, "ours", top), results))
    return (f'<figure><svg width="{WIDTH}" height="{HEIGHT}" role="img"><rect x="{MARGIN}" y="{MARGIN}" width="{WIDTH - 2 * MARGIN}" '
            f'height="{HEIGHT - 2 * MARGIN}" fill="none" stroke="#ccc"/>{line(results, "floor", "#888", top)}{line(results, "ours", "#06c", top)}{labels}'
            f'</svg><figcaption>{html.escape(stage["stage"])}: {stage["unit"]} by rows, both logarithmic; blue ours, grey {html.escape(stage["floor"])}'
            "</figcaption></figure>")


def growth_text(result):
    growth = result.get("growth")
    return f'{growth["rows"]:.0f}x: {growth["ours"]:.2f}x ({growth["floor"]:.2f}x)' if growth else ""


def table_row(stage, result):
    verdict = "" if is_met(stage, result) else ' class="missed"'
    return (f'<tr{verdict}><td>{html.escape(stage["stage"])}</td><td>{result["rows"]:,}</td><td>{result["floor"]:,.1f}</td>'
            f'<td>{result["ours"]:,.1f} {stage["unit"]}</td><td>{result["ratio"]:.2f}</td><td>{stage["aim"]}</td><td>{growth_text(result)}</td></tr>')


def render(about, report):
    rows = "".join(table_row(stage, result) for stage in report for result in stage["results"])
    charts = "".join(chart(stage) for stage in report if len(stage["results"]) > 1)
    facts = "".join(f"<li>{html.escape(name)}: {html.escape(str(value))}</li>" for name, value in about.items())
    return (f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>billing: each stage beside its floor</title><style>{STYLE}</style></head>'
            f"<body><h1>Each stage beside its floor</h1><ul>{facts}</ul><table><tr><th>stage</th><th>rows</th><th>floor</th><th>ours</th><th>ratio</th><th>aim</th><th>growth with rows (floor)</th></tr>"
            f"{rows}</table>{charts}</body></html>")
