# SPDX-License-Identifier: GPL-2.0 OR MIT
"""What the programs of all other quantizers share: peer_TOOL.py JOB.json

A job names the network, the samples to calibrate with and those to judge, what to do, and a
folder for outputs.npy and figures.json. Time and memory are those of quantizing alone, without
importing Python packages and without running the samples that are judged.
"""
import json
import os
import resource
import sys
import time

import numpy
import onnx


def peak_mib():
    """Largest resident set so far, of this process or of a child that it waited for"""
    return max(resource.getrusage(who).ru_maxrss
               for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024


def cpu_seconds():
    return sum(u.ru_utime + u.ru_stime
               for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def batches(samples, size):
    for i in range(0, len(samples), size):
        yield numpy.ascontiguousarray(samples[i:i + size], dtype=numpy.float32)


def open_batch(job):
    """A copy of the network that says nothing about how many samples it takes at once

    Some say one; ten thousand one by one take minutes.
    """
    model = onnx.load(job["network"])
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    del model.graph.value_info[:]
    job["network"] = os.path.join(job["out"], "open.onnx")
    onnx.save(model, job["network"])


def main(quantize):
    """quantize(job, calibration): a function from a batch of samples to the first output"""
    with open(sys.argv[1], encoding="utf-8") as f:
        job = json.load(f)
    calibration = numpy.load(job["calibration"])
    if job["batch"] > 1:
        open_batch(job)
    wall, cpu = time.monotonic(), cpu_seconds()
    run = quantize(job, calibration)
    figures = {"seconds": time.monotonic() - wall, "cpu_seconds": cpu_seconds() - cpu,
               "peak_mib": peak_mib()}
    if job["test"]:
        test = numpy.load(job["test"], mmap_mode="r")
        outputs = [numpy.asarray(run(b), numpy.float32).reshape(len(b), -1)
                   for b in batches(test, job["batch"])]
        numpy.save(os.path.join(job["out"], "outputs.npy"), numpy.concatenate(outputs))
    with open(os.path.join(job["out"], "figures.json"), "w", encoding="utf-8") as f:
        json.dump(figures, f)
