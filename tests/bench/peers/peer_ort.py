# SPDX-License-Identifier: GPL-2.0 OR MIT
"""ONNX Runtime: the float network, and its own static quantization"""
import os

import onnx
import onnxruntime
from onnxruntime.quantization import (CalibrationDataReader, CalibrationMethod, QuantFormat,
                                      QuantType, quantize_static)
from onnxruntime.quantization.shape_inference import quant_pre_process

import peer

METHODS = {"minmax": CalibrationMethod.MinMax, "entropy": CalibrationMethod.Entropy,
           "percentile": CalibrationMethod.Percentile}


def session(model, job):
    """Quantization simulated in float, as the file says: integer kernels depend on the machine"""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.intra_op_num_threads = job["threads"]
    options.log_severity_level = 3
    s = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = s.get_inputs()[0].name
    return lambda batch: s.run(None, {name: batch})[0]


class Reader(CalibrationDataReader):
    """Batches of one size: its histograms take no others"""

    def __init__(self, name, calibration, batch):
        size = max(n for n in range(1, batch + 1) if len(calibration) % n == 0)
        self.batches = ({name: b} for b in peer.batches(calibration, size))

    def get_next(self):
        return next(self.batches, None)


def quantize(job, calibration):
    if job["do"] == "float":
        return session(job["network"], job)
    prepared, done = (os.path.join(job["out"], n) for n in ("prepared.onnx", "quantized.onnx"))
    quant_pre_process(job["network"], prepared, skip_symbolic_shape=True)
    reader = Reader(onnx.load(prepared).graph.input[0].name, calibration, job["batch"])
    quantize_static(prepared, done, reader, quant_format=QuantFormat.QDQ,
                    per_channel=job["granularity"] == "per-channel",
                    activation_type=QuantType.QInt8, weight_type=QuantType.QInt8,
                    calibrate_method=METHODS[job["do"]])
    return session(done, job)


peer.main(quantize)
