# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Weights that come through Identity nodes, which PPQ and onnx2tf don't understand"""


def without_identities(model):
    """Weights are named by those that take them

    ONNX Runtime would fold them, too, but it takes HardSwish apart, of which LiteRT has a kernel.
    """
    weights = {weight.name for weight in model.graph.initializer}
    names = {}
    for node in list(model.graph.node):
        if node.op_type == "Identity" and node.input[0] in weights:
            names[node.output[0]] = node.input[0]
            model.graph.node.remove(node)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    return model
