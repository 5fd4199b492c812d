# SPDX-License-Identifier: GPL-2.0 OR MIT
"""AIMET: BatchNorm folding, cross-layer equalization, AdaRound; judged by its own simulator"""
import onnx
from aimet_onnx import QuantizationSimModel, apply_adaround, apply_seq_mse
from aimet_onnx.batch_norm_fold import fold_all_batch_norms_to_weight
from aimet_onnx.cross_layer_equalization import equalize_model

import peer

# Its alias "default" is the second of these.
CONFIG = {"per-tensor": "default_config.json", "per-channel": "default_config_per_channel.json"}


def quantize(job, calibration):
    model = onnx.load(job["network"])
    name = model.graph.input[0].name
    inputs = [{name: b} for b in peer.batches(calibration, job["batch"])]
    steps = job["do"].split("+")
    if "cle" in steps:
        equalize_model(model)
    else:
        fold_all_batch_norms_to_weight(model)
    sim = QuantizationSimModel(model, param_type="int8", activation_type="int8",
                               quant_scheme=job["scheme"], config_file=CONFIG[job["granularity"]],
                               session_options_kwargs={"intra_op_num_threads": job["threads"]})
    if "seqmse" in steps:
        apply_seq_mse(sim, inputs)
    if "adaround" in steps:
        apply_adaround(sim, inputs, num_iterations=job["iterations"])
    sim.compute_encodings(inputs)
    return lambda batch: sim.session.run(None, {name: batch})[0]


peer.main(quantize)
