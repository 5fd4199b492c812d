# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Results as text, CSV, JSON and as a page of the documentation"""
import csv
import io
import json
import math

# key, heading, format
COLUMNS = [
    ("tool", "tool and settings", str),
    ("top1", "top-1", "{:.4f}".format),
    ("loss", "loss", "{:+.4f}".format),
    ("agreement", "agreement", "{:.4f}".format),
    ("sqnr_db", "SQNR dB", "{:.1f}".format),
    ("pairs", "Keel : it", str),
    ("p", "p", "{:.2g}".format),
    ("seconds", "s", "{:.1f}".format),
    ("cpu_seconds", "CPU s", "{:.1f}".format),
    ("peak_mib", "MiB", "{:.0f}".format),
]
SPEED = [COLUMNS[0], ("job", "job", str)] + COLUMNS[-3:] + [
    ("slower", "s / Keel's s", "{:.1f}".format), ("slower_cpu", "CPU s / Keel's", "{:.1f}".format)]
# Of a difference that p says is no accident, and of one in SQNR that is worth a sentence.
SIGNIFICANT, AUDIBLE_DB = 0.05, 0.5


def groups(rows):
    """Rows of one network and granularity, in their order"""
    found = {}
    for row in rows:
        found.setdefault((row["network"], row["granularity"]), []).append(row)
    return found


def columns(rows):
    table = SPEED if all(r["speed"] for r in rows) else COLUMNS
    return [c for c in table if c[0] == "tool" or any(c[0] in r for r in rows)]


def cells(row, table):
    """One text for each column; a failure's reason takes the place of all figures"""
    return [form(row[key]) if key in row and not is_nan(row[key]) else "" for key, _, form in table]


def is_nan(value):
    return isinstance(value, float) and math.isnan(value)


def heading(network, granularity, rows):
    samples = next((r["samples"] for r in rows if "samples" in r), None)
    judged = f", {samples} samples" if samples else ", time and memory"
    return f"{network}, {granularity}{judged}"


def text(rows):
    out = []
    for (network, granularity), group in groups(rows).items():
        table = columns(group)
        lines = [[name for _, name, _ in table]] + [cells(r, table) for r in group]
        widths = [max(map(len, column)) for column in zip(*lines)]
        out.append(heading(network, granularity, group))
        for line, row in zip(lines, [{}] + group):
            shown = [line[0].ljust(widths[0])]
            shown += [f"failed: {row['failed']}"] if "failed" in row else [
                cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
            out.append("  " + "  ".join(shown).rstrip())
        out.append("")
    return "\n".join(out)


def markdown_tables(rows):
    out = []
    for (network, granularity), group in groups(rows).items():
        table = columns(group)
        out += [f"### {heading(network, granularity, group)}", "",
                "| " + " | ".join(name for _, name, _ in table) + " |",
                "|---|" + "---:|" * (len(table) - 1)]
        for row in group:
            shown = cells(row, table)
            if "failed" in row:
                shown = [shown[0], "failed: " + row["failed"].replace("|", "\\|")]
            out.append("| " + " | ".join(shown) + " |")
        out.append("")
    return "\n".join(out)


def as_csv(rows):
    keys = ["network", "granularity", "job", *(c[0] for c in COLUMNS), "only_keel", "only_it",
            "samples", "slower", "slower_cpu", "failed"]
    out = io.StringIO()
    writer = csv.DictWriter(out, keys, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_json(rows, setting):
    clean = [{k: None if is_nan(v) else v for k, v in r.items()} for r in rows]
    return json.dumps({"setting": setting, "rows": clean}, indent=2) + "\n"


def is_peer(row):
    return "failed" not in row and row["program"] != "keel" and row["tool"] != "float"


def above_float(row):
    """Part of a sentence: a quantized network that is better than the float one has luck"""
    if not row.get("not_float", 0) > row.get("only_float", 0):
        return ""
    return (f"; where the float network is wrong it is right {row['not_float']} times, and "
            f"wrong {row['only_float']} times where that is right (p = {row['float_p']:.2g})")


def against_keel(rows):
    """Sentences: every place where somebody is better than Keel, and how the others compare"""
    worse, better, peers = [], 0, 0
    for (network, granularity), group in groups(rows).items():
        keel = next((r for r in group if r["tool"] == "Keel" and "sqnr_db" in r), None)
        for row in filter(is_peer, group if keel else []):
            peers += 1
            where = f"{network}, {granularity}: {row['tool']}"
            certain = row["p"] < SIGNIFICANT
            if certain and row["only_it"] > row["only_keel"]:
                worse.append(f"{where} is right {row['only_it']} times where Keel is wrong, and "
                             f"wrong {row['only_keel']} times where Keel is right "
                             f"(p = {row['p']:.2g}){above_float(row)}.")
            elif row["sqnr_db"] > keel["sqnr_db"] + AUDIBLE_DB:
                worse.append(f"{where} has {row['sqnr_db'] - keel['sqnr_db']:.1f} dB more SQNR; "
                             "the difference in classes may be chance "
                             f"(p = {row['p']:.2g}).")
            better += certain and row["only_it"] < row["only_keel"]
    return worse, better, peers


def slow(rows):
    """Sentences about what quantizing takes, from the rows that measure that"""
    out = []
    for (network, granularity), group in groups([r for r in rows if r["speed"]]).items():
        for keel in (r for r in group if r["program"] == "keel" and "failed" not in r):
            others = [r for r in group if is_peer(r) and r["job"] == keel["job"]]
            if others:
                out.append(f"{network}, {granularity}, {keel['job']}: Keel "
                           f"{keel['seconds']:.1f} s and {keel['peak_mib']:.0f} MiB; "
                           + ", ".join(f"{r['tool']} {r['slower']:.1f} times the time and "
                                       f"{r['larger']:.1f} times the memory"
                                       for r in others) + ".")
    return out


def bullets(sentences, nothing):
    return "\n".join(f"* {s}" for s in sentences) if sentences else nothing


def markdown(rows, setting, template):
    """The page: a template whose @words@ are replaced"""
    worse, better, peers = against_keel(rows)
    words = {
        "worse": bullets(worse, "Nowhere in this table."),
        "better": f"{better} of the {peers} peer rows that have classes to compare",
        "chance": f"{peers * SIGNIFICANT / 2:.0f}",
        "slow": bullets(slow(rows), "Not measured."),
        "tables": markdown_tables(rows),
        "versions": bullets(setting["versions"], ""),
        "machine": setting["machine"], "date": setting["date"], "threads": str(setting["threads"]),
        "load": f"{setting['load']:.1f}",
        "seconds": f"{setting['limits']['seconds']:.0f}", "mib": f"{setting['limits']['mib']:.0f}",
        "pictures": f"the first {setting['pictures']:,}" if setting["pictures"] else "all 10,000",
        "left_out": bullets(setting["left_out"], "Nothing."),
    }
    for word, value in words.items():
        template = template.replace(f"@{word}@", value)
    return template
