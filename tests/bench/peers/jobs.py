# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Running one quantizer on one network: limits, what it took, and what is known already"""
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import figures

HERE = pathlib.Path(__file__).resolve().parent
PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2 ** 20


class Failed(Exception):
    """A quantizer didn't come to an end; the text is the reason"""


def group_mib(group):
    """Resident memory of a process group; pages that processes share count for each"""
    total = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        # Behind the name: state, parent, process group; resident pages are the 22nd.
        if int(fields[2]) == group:
            total += int(fields[21])
    return total * PAGE_MIB


def last_words(log):
    """The line that says what went wrong, from the end of a log"""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(\w+\.)*\w*(Error|Exception)\b|keel: ", line)]
    return " ".join((errors or lines or ["no reason given"])[-1].split())[:200]


def run(argv, log, limits, environment=None):
    """A process group of its own within limits; what it took

    @limits: seconds and MiB of resident memory, of all its processes together
    """
    start, peak = time.monotonic(), 0.0
    with open(log, "wb") as out, open(os.devnull, "rb") as nothing:
        child = subprocess.Popen(argv, stdin=nothing, stdout=out, stderr=out,
                                 start_new_session=True, env=environment)
    try:
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            seconds = time.monotonic() - start
            if pid:
                break
            peak = max(peak, group_mib(child.pid))
            if seconds > limits["seconds"]:
                raise Failed(f"stopped after {seconds:.0f} s")
            if peak > limits["mib"]:
                raise Failed(f"stopped, it had taken {peak:.0f} MiB")
            # Short jobs are looked at closely, long ones at leisure.
            time.sleep(min(1.0, max(0.02, seconds / 10)))
        child.returncode = os.waitstatus_to_exitcode(status)
    finally:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if child.returncode is None:
            child.wait()
    if child.returncode:
        raise Failed(last_words(log))
    return {"seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "peak_mib": max(peak, usage.ru_maxrss / 1024)}


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def keep(out, place):
    """Copy what is worth keeping beside its place in the cache, then rename it"""
    part = place.with_name(f"{place.name}.part{os.getpid()}")
    part.mkdir(parents=True)
    for name in ("log", "outputs.npy", "figures.json"):
        if (out / name).exists():
            shutil.copy(out / name, part)
    try:
        part.rename(place)
    except OSError:
        # Another run may have been here first.
        shutil.rmtree(part)
        if not place.exists():
            raise


class Bench:
    """keel: the command; cache: folder of environments and results; work: folder for this run
    threads: of everybody; limits: of everybody; retry: what failed is tried again
    """

    def __init__(self, keel, cache, work, threads, limits, retry=False):
        self.keel, self.cache, self.work = keel, pathlib.Path(cache), pathlib.Path(work)
        self.threads, self.limits, self.retry = threads, limits, retry
        self.digests = {}

    def python(self, program):
        return self.cache / program / "bin" / "python"

    def versions(self, program):
        """Text that changes with what executes, or None when it isn't installed"""
        if program == "keel":
            return self.digest(self.keel)
        path = self.cache / program / "versions.txt"
        return path.read_text() if path.exists() else None

    def digest(self, path):
        if path not in self.digests:
            self.digests[path] = digest(path)
        return self.digests[path]

    def key(self, tool, granularity, network, samples):
        scripts = () if tool.program == "keel" else (HERE / "peer.py",
                                                     HERE / f"peer_{tool.program}.py")
        files = [network.onnx, *samples, *scripts]
        text = json.dumps([tool.settings, tool.program, granularity, network.batch, network.speed,
                           self.threads, self.versions(tool.program), *map(self.digest, files)])
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def place(self, *what):
        """Folder of a result in the cache, whether it is there or not"""
        return self.cache / "results" / self.key(*what)

    def known(self, *what):
        """Whether the cache has the result"""
        return (self.place(*what) / "figures.json").exists()

    def result(self, tool, granularity, network, samples):
        """Figures of one job and the folder of its outputs, from the cache where it has them"""
        place = self.place(tool, granularity, network, samples)
        if not (place / "figures.json").exists() or (self.retry and "failed" in load(place)):
            shutil.rmtree(place, ignore_errors=True)
            self.fill(place, tool, granularity, network, samples)
        return load(place), place

    def fill(self, place, tool, granularity, network, samples):
        """The result appears in the cache whole or not at all"""
        do = self.quantize_keel if tool.program == "keel" else self.quantize_peer
        self.work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.work, ignore_cleanup_errors=True) as name:
            out = pathlib.Path(name)
            try:
                result = do(out, tool, granularity, network, samples)
            except (Failed, OSError, ValueError) as e:
                result = {"failed": str(e)}
            (out / "figures.json").write_text(json.dumps(result))
            keep(out, place)

    def quantize_keel(self, out, tool, granularity, network, samples):
        model, outputs = out / "net.keel", out / "outputs"
        took = run([self.keel, "compile", network.onnx, "--calibrate", samples[0], "--limit", "0",
                    "--preprocess", network.preprocess, "--granularity", granularity, "--quiet",
                    "--threads", str(self.threads), "-o", model,
                    *dict(tool.settings)["options"].split()], out / "log", self.limits)
        if not network.speed:
            run([self.keel, "run", model, "--input", samples[1], "--top", "0", "--json",
                 "--threads", str(self.threads), "--output", outputs], out / "log", self.limits)
            figures.join_npy(outputs, out / "outputs.npy")
        return took

    def quantize_peer(self, out, tool, granularity, network, samples):
        job = {"network": str(network.onnx), "calibration": str(samples[0]),
               "test": None if network.speed else str(samples[1]), "granularity": granularity,
               "batch": network.batch, "threads": self.threads, "out": str(out),
               **dict(tool.settings)}
        (out / "job.json").write_text(json.dumps(job))
        run([self.python(tool.program), HERE / f"peer_{tool.program}.py", out / "job.json"],
            out / "log", self.limits, self.environment(tool.program))
        return load(out)

    def environment(self, program):
        n = str(self.threads)
        path = f"{self.python(program).parent}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path,
                "OMP_NUM_THREADS": n, "OPENBLAS_NUM_THREADS": n, "MKL_NUM_THREADS": n,
                "TF_NUM_INTRAOP_THREADS": n, "TF_NUM_INTEROP_THREADS": "1",
                "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "",
                "PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1"}


def load(folder):
    return json.loads((folder / "figures.json").read_text())
