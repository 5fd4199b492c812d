# SPDX-License-Identifier: GPL-2.0 OR MIT
"""LiteRT: onnx2tf makes it TensorFlow's, TFLiteConverter quantizes; judged by integer kernels"""
import os
import subprocess

import numpy
import onnx
import onnx2tf
import onnxruntime
import tensorflow

import peer
from identities import without_identities


# Pictures by which onnx2tf finds out about layouts; it would fetch them.
PROBE = "calibration_image_sample_data_20x128x128x3_float32.npy"


def one_at_a_time(job):
    """The network for single samples; onnx2tf mistakes the axes of one that leaves that open"""
    model = onnx.load(job["network"])
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    return model


def with_explicit_zeros(model):
    """Padding of pools is a node: onnx2tf doesn't count it in averages, and pads maxima by -3.4e38

    No int8 scale reaches from there to what matters. Zeros do as well where no value is below
    them; check() sees the rest.
    """
    nodes = []
    for node in model.graph.node:
        a = {attribute.name: attribute for attribute in node.attribute}
        counted = node.op_type == "MaxPool" or (
            "count_include_pad" in a and a["count_include_pad"].i)
        if "Pool" in node.op_type and counted and "pads" in a and any(a["pads"].ints):
            top, left, bottom, right = a["pads"].ints
            pads = numpy.array([0, 0, top, left, 0, 0, bottom, right], numpy.int64)
            name = f"{node.output[0]}_padded"
            model.graph.initializer.append(onnx.numpy_helper.from_array(pads, f"{name}_by"))
            nodes.append(onnx.helper.make_node("Pad", [node.input[0], f"{name}_by"], [name]))
            node.input[0] = name
            a["pads"].ints[:] = [0] * 4
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return onnx.shape_inference.infer_shapes(model)


def check(job, function, sample):
    """What is judged has to be the same network; onnx2tf doesn't say when it isn't"""
    session = onnxruntime.InferenceSession(job["network"], providers=["CPUExecutionProvider"])
    wanted = session.run(None, {session.get_inputs()[0].name: sample})[0]
    got = list(function(tensorflow.constant(sample_for(function, sample))).values())[0].numpy()
    if not numpy.allclose(got.reshape(wanted.shape), wanted, rtol=1e-3, atol=1e-3):
        raise ValueError(f"onnx2tf changed the network: outputs differ by "
                         f"{abs(got.reshape(wanted.shape) - wanted).max():.3g}")


def sample_for(function, sample):
    """A sample with its channels where the converted network has them"""
    taken = list(function.structured_input_signature[1].values())[0].shape.as_list()
    return sample if taken[1:] == list(sample.shape[1:]) else sample.transpose(0, 2, 3, 1)


def convert(job, calibration):
    """Full integers; floats at the edges, so that everybody is asked the same"""
    saved = os.path.join(job["out"], "saved")
    # onnx2tf puts files into the current folder.
    os.chdir(job["out"])
    onnx.save(without_identities(one_at_a_time(job)), "network.onnx")
    # onnx2tf would do that by itself, but it would take padding back into the pools.
    subprocess.run(["onnxsim", "network.onnx", "network.onnx"], check=True)
    onnx.save(with_explicit_zeros(onnx.load("network.onnx")), "network.onnx")
    numpy.save(PROBE, numpy.random.default_rng(1).random((20, 128, 128, 3), numpy.float32))
    onnx2tf.convert(input_onnx_file_path="network.onnx", output_folder_path=saved, batch_size=1,
                    non_verbose=True, output_signaturedefs=True, not_use_onnxsim=True)
    function = tensorflow.saved_model.load(saved).signatures["serving_default"]
    check(job, function, numpy.ascontiguousarray(calibration[:1]))
    converter = tensorflow.lite.TFLiteConverter.from_saved_model(saved)
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample_for(function, sample)] for sample in
                                                peer.batches(calibration, 1))
    converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
    # No public setting says "one scale for each tensor".
    converter._experimental_disable_per_channel = job["granularity"] == "per-tensor"
    return converter.convert()


def quantize(job, calibration):
    net = tensorflow.lite.Interpreter(model_content=convert(job, calibration),
                                      num_threads=job["threads"])
    net.allocate_tensors()
    taken, given = net.get_input_details()[0], net.get_output_details()[0]

    def one(sample):
        if tuple(taken["shape"][1:]) != sample.shape:
            sample = sample.transpose(1, 2, 0)
        net.set_tensor(taken["index"], numpy.ascontiguousarray(sample[None]))
        net.invoke()
        return net.get_tensor(given["index"])[0]

    return lambda batch: numpy.stack([one(sample) for sample in batch])


peer.main(quantize)
