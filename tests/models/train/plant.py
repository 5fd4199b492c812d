#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Plant factors into a network without changing what it computes.

    plant.py [--seed N] [--spread K] [--check] IN.onnx OUT.onnx

Every channel that may have a scale of its own gets a random power of two from 2^-K to 2^K: the layer
that makes it is multiplied by it, everything that reads it divides. Powers of two round nothing, so
each output of OUT is bit for bit that of IN, and a quantizer that finds the best factorization of one
has no reason to do worse with the other. The rules are those of Meller et al. 2019 (arXiv 1902.01917),
worked out on the ONNX graph itself and apart from the compiler's own.

Needs onnx and numpy; --check runs both networks in onnxruntime and compares their outputs.
"""
import argparse
import sys

import numpy
import onnx
from onnx import numpy_helper

# Through these a scale passes unchanged: f(s x) = s f(x) for s > 0, channel by channel.
HOMOGENEOUS = {"Relu", "LeakyRelu", "PRelu", "MaxPool", "AveragePool", "GlobalAveragePool",
               "GlobalMaxPool", "Identity", "Dropout"}


class Scales:
    """A forest of variables; variable 0 is the scale 1."""

    def __init__(self):
        self.parent = [0]

    def new(self, count):
        first = len(self.parent)
        self.parent.extend(range(first, first + count))
        return numpy.arange(first, first + count)

    def root(self, var):
        while self.parent[var] != var:
            var = self.parent[var]
        return var

    def unite(self, a, b):
        for x, y in zip(a, b):
            x, y = sorted((self.root(x), self.root(y)))
            self.parent[y] = x

    def fix(self, label):
        self.unite(label, numpy.zeros_like(label))

    def draw(self, seed, spread):
        """One scale for each variable, the same for all that were united."""
        drawn = 2.0 ** numpy.random.default_rng(seed).integers(-spread, spread + 1, len(self.parent))
        drawn[0] = 1
        return numpy.array([drawn[self.root(v)] for v in range(len(self.parent))], numpy.float32)


class Planter:
    """label[tensor] names the variable of each channel."""

    def __init__(self, model):
        self.graph = onnx.shape_inference.infer_shapes(model).graph
        self.scales = Scales()
        self.label = {}
        self.weights = {i.name: numpy_helper.to_array(i) for i in self.graph.initializer}
        self.own_weights()
        self.nodes = self.find_nodes()
        self.channels = {v.name: v.type.tensor_type.shape.dim[1].dim_value
                         for v in (*self.graph.value_info, *self.graph.input, *self.graph.output)
                         if len(v.type.tensor_type.shape.dim) > 1}
        self.area = {v.name: int(numpy.prod([d.dim_value for d in v.type.tensor_type.shape.dim[2:]]))
                     for v in (*self.graph.value_info, *self.graph.input)}

    def own_weights(self):
        """Exporters share equal tensors, through Identity or by name: each reader gets its own."""
        alias = {n.output[0]: n.input[0] for n in self.graph.node
                 if n.op_type == "Identity" and n.input[0] in self.weights}
        kept = [n for n in self.graph.node if n.output[0] not in alias]
        own = {}
        for i, node in enumerate(kept):
            for j, name in enumerate(node.input):
                if name in self.weights or name in alias:
                    node.input[j] = f"{name}.{i}.{j}"
                    own[node.input[j]] = self.weights[alias.get(name, name)].copy()
        del self.graph.node[:]
        self.graph.node.extend(kept)
        self.weights = own

    def find_nodes(self):
        """Nodes that are not computed from constants alone, each with the inputs that are not."""
        constant, nodes = {"", *self.weights}, []
        for node in self.graph.node:
            data = [name for name in node.input if name not in constant]
            if data:
                nodes.append((node, data))
            else:
                constant.update(node.output)
        return nodes

    def is_folded(self, name):
        """Is this between a layer and the BatchNorm that becomes part of it? Then the factor would
        not even arrive, and the BatchNorm would remember another spread than there was."""
        makers = [n for n in self.graph.node if name in n.output]
        readers = [n for n in self.graph.node if name in n.input]
        return len(readers) == 1 and makers and makers[0].op_type in ("Conv", "Gemm")

    def of(self, name):
        """A tensor of which nothing is known has the scale 1."""
        if name not in self.label:
            self.label[name] = numpy.zeros(self.channels.get(name, 1), int)
        return self.label[name]

    def labels(self, node, data):
        """Labels of a node's output; unites and fixes those of its inputs."""
        kind = node.op_type
        if kind == "BatchNormalization" and self.is_folded(data[0]):
            self.scales.fix(self.of(data[0]))
        if kind in ("Conv", "Gemm", "BatchNormalization"):
            return self.scales.new(self.channels[node.output[0]])
        if kind in HOMOGENEOUS:
            return self.of(data[0])
        if kind == "Flatten":
            return numpy.repeat(self.of(data[0]), self.area[data[0]])
        if kind == "Concat" and node.attribute[0].i == 1:
            return numpy.concatenate([self.of(name) for name in data])
        if kind == "Add" and len(data) == 2:
            self.scales.unite(self.of(data[0]), self.of(data[1]))
            return self.of(data[0])
        if kind == "Mul" and len(data) == 2:
            return self.product(*(self.of(name) for name in data))
        for name in data:
            self.scales.fix(self.of(name))
        return self.of(node.output[0])

    def product(self, a, b):
        """A gate is fixed before it comes here, and leaves the scale of what it gates."""
        free = [any(self.scales.root(v) for v in label) for label in (a, b)]
        if free[0] and free[1]:
            self.scales.fix(b)
        return b if free[1] and not free[0] else a

    def plant(self, seed, spread):
        """Number of channels whose scale is not 1."""
        for node, data in self.nodes:
            self.label[node.output[0]] = self.labels(node, data)
        for output in self.graph.output:
            self.scales.fix(self.of(output.name))
        scale = self.scales.draw(seed, spread)
        for node, _ in self.nodes:
            rescale = getattr(self, "rescale_" + node.op_type.lower(), None)
            if rescale:
                rescale(node, scale[self.of(node.input[0])], scale[self.of(node.output[0])])
        return int(sum((scale[self.of(n.output[0])] != 1).sum() for n, _ in self.nodes
                       if n.op_type in ("Conv", "Gemm", "BatchNormalization")))

    def rescale_conv(self, node, before, after):
        w = self.weights[node.input[1]]
        groups = len(before) // w.shape[1]
        reads = numpy.repeat(before.reshape(groups, -1), len(after) // groups, 0)
        w /= reads.reshape(w.shape[:2] + (1,) * (w.ndim - 2))
        w *= after.reshape((-1,) + (1,) * (w.ndim - 1))
        self.rescale_bias(node, 2, after)

    def rescale_gemm(self, node, before, after):
        attributes = {a.name: a.i for a in node.attribute if a.name in ("transA", "transB")}
        if attributes.get("transA") or not attributes.get("transB"):
            raise ValueError(f"{node.name}: only Gemm with transB is understood")
        w = self.weights[node.input[1]]
        w /= before
        w *= after[:, None]
        self.rescale_bias(node, 2, after)

    def rescale_bias(self, node, at, after):
        if len(node.input) > at and node.input[at]:
            self.weights[node.input[at]] *= after

    def rescale_batchnormalization(self, node, before, after):
        """Epsilon belongs to the variance as it was, so the variance stays and gamma divides."""
        gamma, beta, mean = (self.weights[name] for name in node.input[1:4])
        gamma *= after / before
        beta *= after
        mean *= before

    def finish(self):
        del self.graph.initializer[:]
        self.graph.initializer.extend(numpy_helper.from_array(w, n) for n, w in self.weights.items())
        del self.graph.value_info[:]
        return self.graph


def compare(path, planted):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    a, b = (onnxruntime.InferenceSession(p, options, providers=["CPUExecutionProvider"])
            for p in (path, planted))
    random = numpy.random.default_rng(0)
    name = a.get_inputs()[0].name
    shape = [d if isinstance(d, int) else 1 for d in a.get_inputs()[0].shape]
    for _ in range(16):
        x = random.uniform(-1, 1, shape).astype(numpy.float32)
        y, z = (s.run(None, {name: x})[0] for s in (a, b))
        if not numpy.array_equal(y, z):
            worst = numpy.abs(y - z).max() / numpy.abs(y).max()
            sys.exit(f"plant: {planted} differs from {path} by {worst:.3g} of the largest output")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("planted")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--spread", type=int, default=4)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    model = onnx.load(args.source)
    planter = Planter(model)
    count = planter.plant(args.seed, args.spread)
    model.graph.CopyFrom(planter.finish())
    onnx.checker.check_model(model)
    onnx.save(model, args.planted)
    print(f"{args.planted}: {count} channels scaled")
    if args.check:
        compare(args.source, args.planted)


if __name__ == "__main__":
    main()
