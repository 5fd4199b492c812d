#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Train network families on Fashion-MNIST and write them as ONNX.

    train.py [--out DIR] [--data DIR] [--seed N] [--epochs N] FAMILY...

Writes DIR/fashion_FAMILY.onnx (float32, batch 1, BatchNorm as it was trained) and
DIR/fashion_FAMILY.json: what ONNX Runtime finds on the 10,000 test pictures, and how the network was
made. Needs torch, onnx, onnxruntime and numpy. Same seed, versions and machine: same network.
"""
import argparse
import gzip
import json
import os
import time

import numpy
import onnx
import onnxruntime
import torch
from torch import nn
from torch.nn import functional as F

from networks import FAMILIES

BATCH = 64
OPSET = 17


def idx(path):
    """Elements of a gzip-compressed IDX file of bytes."""
    with gzip.open(path, "rb") as f:
        raw = f.read()
    rank = raw[3]
    dims = numpy.frombuffer(raw, ">i4", rank, 4)
    return numpy.frombuffer(raw, numpy.uint8, offset=4 + 4 * rank).reshape(dims)


def pictures(path, pixels):
    """Pictures as the preprocess file makes them: black border to PIXELS a side, values -1 to 1."""
    x = idx(path)
    border = (pixels - x.shape[-1]) // 2
    x = numpy.pad(x, ((0, 0), (border, border), (border, border)))
    return torch.from_numpy(x[:, None].astype(numpy.float32) / 255 * 2 - 1)


def train(net, x, y, recipe, seed):
    generator = torch.Generator().manual_seed(seed)
    net = net.to(memory_format=torch.channels_last).train()
    steps = recipe.epochs * (len(x) // BATCH)
    # Everything decays, scales of BatchNorms, too: channels die, as they do in networks at large.
    optimizer = torch.optim.SGD(net.parameters(), recipe.rate, 0.9, nesterov=True,
                                weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.rate, steps, pct_start=0.2, cycle_momentum=False)
    begun = time.monotonic()
    for epoch in range(recipe.epochs):
        total = 0.0
        order = torch.randperm(len(x), generator=generator)
        for at in range(0, len(x) - BATCH + 1, BATCH):
            pick = order[at:at + BATCH]
            batch = x[pick].to(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bf16):
                scores = net(batch).float()
            loss = F.cross_entropy(scores, y[pick])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"  epoch {epoch + 1}/{recipe.epochs}: loss {total * BATCH / len(x):.4f}, "
              f"{time.monotonic() - begun:.0f} s", flush=True)


def export(net, pixels, path):
    """As it was trained: nothing folded, statistics instead of batches."""
    net = net.to(memory_format=torch.contiguous_format).eval()
    torch.onnx.export(net, (torch.zeros(1, 1, pixels, pixels),), path, dynamo=False,
                      opset_version=OPSET, input_names=["picture"], output_names=["scores"],
                      training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
    onnx.save(model, path)


def accuracy(path, x, y):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    right = sum(int(session.run(None, {"picture": x[i:i + 1]})[0].argmax()) == int(y[i])
                for i in range(len(x)))
    return right / len(x)


def make(name, args):
    family = FAMILIES[name]
    recipe = family._replace(epochs=args.epochs) if args.epochs else family
    base = os.path.join(args.out, f"fashion_{name}")
    torch.manual_seed(args.seed)
    net = family.build()
    x = pictures(f"{args.data}/train-images-idx3-ubyte.gz", family.pixels)
    y = torch.from_numpy(idx(f"{args.data}/train-labels-idx1-ubyte.gz").astype(numpy.int64))
    print(f"{name}: {sum(p.numel() for p in net.parameters()):,} parameters", flush=True)
    train(net, x, y, recipe, args.seed)
    export(net, family.pixels, base + ".onnx")
    top1 = accuracy(base + ".onnx", pictures(f"{args.data}/t10k-images-idx3-ubyte.gz",
                                             family.pixels).numpy(),
                    idx(f"{args.data}/t10k-labels-idx1-ubyte.gz"))
    made = {"family": name, "parameters": sum(p.numel() for p in net.parameters()),
            "pixels": family.pixels, "epochs": recipe.epochs, "batch": BATCH, "rate": recipe.rate,
            "decay": recipe.decay, "bfloat16": recipe.bf16, "seed": args.seed,
            "torch": torch.__version__.split("+")[0], "float_top1": top1}
    with open(base + ".json", "w", encoding="utf-8") as f:
        json.dump(made, f, indent=2)
        f.write("\n")
    print(f"{name}: top-1 {top1:.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", metavar="FAMILY", help="all when none is named")
    parser.add_argument("--out", default="tests/models")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, help="instead of the family's")
    args = parser.parse_args()
    for name in args.families:
        if name not in FAMILIES:
            parser.error(f"no family is called {name}; there are {', '.join(FAMILIES)}")
    for name in args.families or FAMILIES:
        make(name, args)


if __name__ == "__main__":
    main()
