# SPDX-License-Identifier: GPL-2.0 OR MIT
"""The other side of a comparison: ort.py MODEL.onnx THREADS

Says "ready VERSION" when ONNX Runtime has loaded the model, or "absent WHY".
Then each line "N" on its input asks for N inferences, and is answered with
their times in milliseconds on one line.
"""
import sys
import time


def absent(why):
    print("absent", " ".join(str(why).split()), flush=True)
    sys.exit(1)


def load(path, threads):
    try:
        import numpy
        import onnxruntime
    except ImportError as e:
        absent(e)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as e:  # its exceptions have no common base
        absent(e)
    # Bound once: what is timed is the run alone, floats in, floats out.
    binding = session.io_binding()
    noise = numpy.random.default_rng(1)
    for i in session.get_inputs():
        shape = [n if isinstance(n, int) else 1 for n in i.shape]  # a batch without a size
        binding.bind_cpu_input(i.name, noise.uniform(-1, 1, shape).astype(numpy.float32))
    for o in session.get_outputs():
        binding.bind_output(o.name)
    return onnxruntime.__version__, lambda: session.run_with_iobinding(binding)


def main():
    version, run = load(sys.argv[1], int(sys.argv[2]))
    print("ready", version, flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter_ns()
            run()
            times.append((time.perf_counter_ns() - start) / 1e6)
        print(*(f"{t:.5f}" for t in times), flush=True)


main()
