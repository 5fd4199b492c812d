# SPDX-License-Identifier: GPL-2.0 OR MIT
"""MobileNetV1 1.0/224 with seeded random weights: mobilenet_v1.py FILE.onnx

Speed doesn't depend on what the weights are; shapes are those of A. Howard et al., "MobileNets:
Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017, table 1. ReLU6 and
BatchNorm are as in its first implementations, the latter folded.
"""
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

# Stride of the depthwise convolution, channels behind the pointwise one.
BLOCKS = [(1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512), *[(1, 512)] * 5, (2, 1024), (1, 1024)]
CLASSES = 1000

random = numpy.random.default_rng(1)
nodes, weights = [], []


def constant(name, shape, fan_in):
    """Of a size that keeps activations about as large from layer to layer."""
    values = random.normal(0, (2 / fan_in) ** 0.5, shape).astype(numpy.float32)
    weights.append(numpy_helper.from_array(values, name))
    return name


def conv(name, x, channels_in, channels, kernel, stride, groups):
    w = constant(name + "_w", (channels, channels_in // groups, kernel, kernel),
                 channels_in // groups * kernel * kernel)
    b = constant(name + "_b", (channels,), 100)
    nodes.append(helper.make_node("Conv", [x, w, b], [name], name, kernel_shape=[kernel] * 2, group=groups,
                                  strides=[stride] * 2, pads=[kernel // 2] * 4))
    nodes.append(helper.make_node("Clip", [name, "zero", "six"], [name + "_relu6"], name + "_relu6"))
    return name + "_relu6"


def main():
    weights.append(numpy_helper.from_array(numpy.float32(0), "zero"))
    weights.append(numpy_helper.from_array(numpy.float32(6), "six"))
    x, channels = conv("conv", "input", 3, 32, 3, 2, 1), 32
    for i, (stride, to) in enumerate(BLOCKS, 1):
        x = conv(f"block{i}_depthwise", x, channels, channels, 3, stride, channels)
        x = conv(f"block{i}_pointwise", x, channels, to, 1, 1, 1)
        channels = to
    nodes.append(helper.make_node("GlobalAveragePool", [x], ["pool"], "pool"))
    nodes.append(helper.make_node("Flatten", ["pool"], ["flat"], "flat", axis=1))
    constant("fc_w", (CLASSES, channels), channels)
    constant("fc_b", (CLASSES,), 100)
    nodes.append(helper.make_node("Gemm", ["flat", "fc_w", "fc_b"], ["output"], "fc", transB=1))
    graph = helper.make_graph(
        nodes, "mobilenet_v1", [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 224, 224])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, CLASSES])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, sys.argv[1])


main()
