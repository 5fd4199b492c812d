# SPDX-License-Identifier: GPL-2.0 OR MIT
"""PPQ: judged by its own executor"""
import os

import onnx
import torch
from ppq import QuantizationSettingFactory, TargetPlatform, TorchExecutor
from ppq.api import quantize_onnx_model, register_network_quantizer
from ppq.quantization.quantizer import RKNN_PerChannelQuantizer

import peer
from identities import without_identities

# PPQ has this quantizer, but reaches only the one for whole tensors through its table.
register_network_quantizer(RKNN_PerChannelQuantizer, TargetPlatform.RKNN_INT8)


def settings(job):
    s = QuantizationSettingFactory.default_setting()
    steps = job["do"].split("+")
    s.equalization = "equalization" in steps
    s.bias_correct = "bias" in steps
    s.bias_correct_setting.collecting_device = "cpu"
    return s


def quantize(job, calibration):
    torch.set_num_threads(job["threads"])
    # It wants at least eight batches and means to see them one by one.
    size = max(1, min(job["batch"], len(calibration) // 16))
    inputs = [torch.from_numpy(b) for b in peer.batches(calibration, size)]
    network = os.path.join(job["out"], "without_identities.onnx")
    onnx.save(without_identities(onnx.load(job["network"])), network)
    graph = quantize_onnx_model(network, inputs, len(inputs), list(inputs[0].shape),
                                TargetPlatform[job["platform"]], setting=settings(job),
                                device="cpu")
    executor = TorchExecutor(graph=graph, device="cpu")
    return lambda batch: executor.forward(torch.from_numpy(batch))[0].numpy()


peer.main(quantize)
