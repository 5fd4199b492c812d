# SPDX-License-Identifier: GPL-2.0 OR MIT
"""LiteRT: onnx2tf makes it TensorFlow's, TFLiteConverter quantizes; judged by integer kernels"""
import os
import shutil

import numpy
import onnx2tf
import tensorflow

import peer


# Pictures by which onnx2tf finds out about layouts; it would fetch them.
PROBE = "calibration_image_sample_data_20x128x128x3_float32.npy"


def samples(calibration, channels_last):
    for sample in peer.batches(calibration, 1):
        yield [sample.transpose(0, 2, 3, 1) if channels_last else sample]


def convert(job, calibration):
    """Full integers; floats at the edges, so that everybody is asked the same"""
    saved = os.path.join(job["out"], "saved")
    shape = [1, *calibration.shape[1:]]
    # It simplifies its input in place, and puts files into the current folder.
    os.chdir(job["out"])
    network = shutil.copy(job["network"], "network.onnx")
    numpy.save(PROBE, numpy.random.default_rng(1).random((20, 128, 128, 3), numpy.float32))
    onnx2tf.convert(input_onnx_file_path=network, output_folder_path=saved, batch_size=1,
                    non_verbose=True, output_signaturedefs=True)
    converter = tensorflow.lite.TFLiteConverter.from_saved_model(saved)
    spec = tensorflow.saved_model.load(saved).signatures["serving_default"]
    taken = list(spec.structured_input_signature[1].values())[0].shape.as_list()
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: samples(calibration, taken[1:] != shape[1:])
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
