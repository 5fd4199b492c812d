# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Int8 accuracy of Keel and of other quantizers side by side (make bench-accuracy)

Every quantizer gets the same float network, the same samples to calibrate with, as the same
floats, and is judged on the same others. Results are kept by content, so that a second run, or
one after Ctrl-C, only does what is new.
"""
import argparse
import datetime
import os
import pathlib
import platform
import re
import signal
import sys

import figures
import jobs
import networks
import report
import tools

HERE = pathlib.Path(__file__).resolve().parent
# What the versions in the page are about.
PACKAGES = re.compile(r"^(onnx|onnxruntime|aimet-onnx|ppq|torch|numpy|onnx2tf|tensorflow)==", re.M)


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cache = os.environ.get("KEEL_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "keel")
    p.add_argument("--keel", required=True, type=os.path.abspath)
    p.add_argument("--samples", required=True, type=os.path.abspath)
    p.add_argument("--shared", required=True, type=pathlib.Path)
    p.add_argument("--work", required=True, type=pathlib.Path, help="folder for temporary files")
    p.add_argument("--cache", default=os.path.join(cache, "peers"), help="environments and results")
    p.add_argument("--networks", default="", help="only those with this in their name (a regex)")
    p.add_argument("--tools", default="", help="only those with this in their name (a regex)")
    p.add_argument("--pictures", type=int, default=0,
                   help="only the first N labelled pictures, for a quick look; 0, all")
    p.add_argument("--threads", type=int, default=1, help="of everybody; 1")
    p.add_argument("--seconds", type=float, default=1800, help="limit of one job")
    p.add_argument("--mib", type=float, default=8192, help="memory limit of one job")
    p.add_argument("--retry", action="store_true", help="try again what failed before")
    p.add_argument("--known", action="store_true", help="run nothing: only what was run before")
    p.add_argument("--json", action="store_true", help="JSON instead of text")
    p.add_argument("--csv", metavar="FILE", help="write the table as CSV, too")
    p.add_argument("--markdown", metavar="FILE", help="write the page of the documentation, too")
    return p.parse_args()


def note(text):
    print(text, file=sys.stderr, flush=True)


class Comparison:
    """One run: rows grow as results come in"""

    def __init__(self, args, bench):
        self.args, self.bench, self.rows, self.left_out = args, bench, [], []
        self.tools = [t for t in tools.TOOLS if t is tools.KEEL or re.search(args.tools, t.name)]

    def leave_out(self, why):
        note(why)
        self.left_out.append(why)

    def drop_absent(self):
        for program in sorted({t.program for t in self.tools}):
            if self.bench.versions(program) is None:
                self.leave_out(f"{program} isn't installed, it is left out")
        self.tools = [t for t in self.tools if self.bench.versions(t.program) is not None]

    def run(self, chosen):
        """All of them, unless Ctrl-C comes first: then False"""
        for network in chosen:
            try:
                self.network(network)
            except jobs.Failed as e:
                self.leave_out(f"{network.name} is left out: {e}")
            except KeyboardInterrupt:
                self.leave_out("interrupted, the rest is left out")
                return False
        return True

    def network(self, network):
        samples = networks.samples(self.args.samples, network, self.args.work)
        labels = None
        if network.labels:
            labels = figures.read_labels(network.labels)[:self.args.pictures or None]
        reference = None if network.speed else self.reference(network, samples)
        for granularity in (tools.TENSOR, tools.CHANNEL):
            self.granularity(network, granularity, samples, reference, labels)

    def reference(self, network, samples):
        """Outputs of the float network"""
        if self.args.known and not self.bench.known(tools.FLOAT, None, network, samples):
            raise jobs.Failed("the float network wasn't run")
        took, place = self.bench.result(tools.FLOAT, None, network, samples)
        if "failed" in took:
            raise jobs.Failed(f"ONNX Runtime on the float network: {took['failed']}")
        return figures.read_npy(place / "outputs.npy")

    def granularity(self, network, granularity, samples, reference, labels):
        keel = {}
        if labels:
            row, _ = figures.judge(reference, reference, labels)
            self.rows.append({"network": network.name, "granularity": granularity, "speed": False,
                              "tool": tools.FLOAT.name, "program": "ort", "top1": row["top1"],
                              "samples": row["samples"]})
        for tool in self.tools:
            if granularity not in tool.granularity or not (
                    tool.job if network.speed else tool.judged):
                continue
            if self.args.known and not self.bench.known(tool, granularity, network, samples):
                self.leave_out(f"{network.name}, {granularity}: {tool.name} wasn't run")
                continue
            row = {"network": network.name, "granularity": granularity, "tool": tool.name,
                   "program": tool.program, "speed": network.speed, "job": tool.job}
            took, place = self.bench.result(tool, granularity, network, samples)
            row.update(took)
            try:
                if "failed" not in row and network.speed:
                    compare_speed(row, keel)
                elif "failed" not in row:
                    compare(row, keel, figures.read_npy(place / "outputs.npy"), reference, labels)
            except (OSError, ValueError) as e:
                row["failed"] = str(e)
            self.rows.append(row)
            note(one_line(row))


def compare(row, keel, rows, reference, labels):
    """Add what @row's outputs are worth; the first row of a table is Keel's, for the others"""
    judged, right = figures.judge(rows, reference, labels)
    row.update(judged)
    if row["tool"] == tools.KEEL.name:
        keel["right"] = right
    elif "right" in keel:
        row["only_keel"], row["only_it"], row["p"] = figures.mcnemar(keel["right"], right)
        row["pairs"] = f"{row['only_keel']} : {row['only_it']}"


def compare_speed(row, keel):
    """Add how much more time @row took than Keel did for the same job"""
    if row["program"] == tools.KEEL.program:
        keel[row["job"]] = row
    elif row["job"] in keel:
        same = keel[row["job"]]
        row["slower"] = row["seconds"] / same["seconds"]
        row["slower_cpu"] = row["cpu_seconds"] / max(same["cpu_seconds"], 1e-3)
        row["larger"] = row["peak_mib"] / same["peak_mib"]


def one_line(row):
    what = f"{row['network']}, {row['granularity']}, {row['tool']}: "
    if "failed" in row:
        return what + "failed: " + row["failed"]
    judged = "".join(f"{name} {row[key]:.4f}, " for key, name in
                     (("top1", "top-1"), ("agreement", "agreement")) if key in row)
    judged += f"{row['sqnr_db']:.1f} dB, " if "sqnr_db" in row else ""
    return f"{what}{judged}{row['seconds']:.1f} s, {row['peak_mib']:.0f} MiB"


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = re.search(r"^model name\s*: (.*)", f.read(), re.M)
    return (f"{model[1] if model else platform.machine()}, {os.cpu_count()} CPUs, "
            f"Linux {platform.release()}")


def setting(comparison):
    bench, versions = comparison.bench, []
    for program in sorted({t.program for t in comparison.tools} - {"keel"}):
        lines = bench.versions(program).splitlines()
        named = " ".join(line.replace("==", " ") + "," for line in lines if PACKAGES.match(line))
        versions.append(f"{program}: {named.rstrip(',')}")
    return {"versions": versions, "pictures": comparison.args.pictures, "machine": machine(),
            "load": os.getloadavg()[1], "threads": bench.threads, "limits": bench.limits,
            "left_out": comparison.left_out, "date": datetime.date.today().isoformat()}


def write(comparison):
    args, rows, how = comparison.args, comparison.rows, setting(comparison)
    if args.csv:
        pathlib.Path(args.csv).write_text(report.as_csv(rows))
    if args.markdown:
        template = (HERE / "page.md").read_text()
        pathlib.Path(args.markdown).write_text(report.markdown(rows, how, template))
    print(report.as_json(rows, how) if args.json else report.text(rows), end="")


def main():
    args = arguments()
    # Ending it otherwise would leave the job that is running behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    bench = jobs.Bench(args.keel, args.cache, args.work, args.threads,
                       {"seconds": args.seconds, "mib": args.mib}, args.retry)
    if bench.versions("ort") is None:
        note(f"skipped: there is no ONNX Runtime in {args.cache}; PEERS=install puts it there")
        return 0
    args.work.mkdir(parents=True, exist_ok=True)
    comparison = Comparison(args, bench)
    comparison.drop_absent()
    here, absent = networks.all_networks(HERE.parents[1] / "models", args.shared, args.pictures)
    for name in absent:
        comparison.leave_out(f"files of {name} aren't here, it is left out")
    for what in ("networks", "tools"):
        if getattr(args, what):
            comparison.leave_out(f"all {what} but those that match '{getattr(args, what)}'")
    done = comparison.run([n for n in here if re.search(args.networks, n.name)])
    write(comparison)
    return 0 if done else 130


sys.exit(main())
