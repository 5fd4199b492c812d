# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Networks of the comparison, and their samples as everybody gets them"""
import dataclasses
import json
import os
import pathlib
import subprocess

FASHION = "/usr/share/datasets/fashion-mnist"


@dataclasses.dataclass
class Network:
    """name: of the row; onnx: path; preprocess: path; dims: of its input
    batch: samples that it takes at once; calibrate, test: (selection, path) of samples.c
    labels: IDX file, or None: agreement with the float network counts
    speed: only what quantizing costs is of interest
    """
    name: str
    onnx: pathlib.Path
    preprocess: pathlib.Path
    dims: str
    batch: int
    calibrate: tuple
    test: tuple
    labels: str = None
    speed: bool = False


def fashion(models, name, pictures):
    test = f"first:{pictures}" if pictures else "all"
    facts = models / f"{name}.json"
    pixels = json.loads(facts.read_text())["pixels"] if facts.exists() else 28
    return Network(name, models / f"{name}.onnx", models / "preprocess" / f"{name}.preprocess",
                   f"1x1x{pixels}x{pixels}", 100,
                   ("spread:256", f"{FASHION}/train-images-idx3-ubyte.gz"),
                   (test, f"{FASHION}/t10k-images-idx3-ubyte.gz"),
                   f"{FASHION}/t10k-labels-idx1-ubyte.gz")


def pictures(models, shared, name, short, side):
    """Calibrated with half of the pictures, judged on the others, either way; and 64 to measure the time

    So few pictures say little, of which the difference between the halves gives an idea.
    """
    images = f"{shared}/images"
    common = (shared / "models" / f"{name}.onnx", models / "preprocess" / f"{name}.preprocess",
              f"1x3x{side}x{side}", 1)
    return [Network(short, *common, ("every:2", images), ("rest:2", images)),
            Network(f"{short}, the other half", *common, ("rest:2", images), ("every:2", images)),
            Network(f"{short}, 64 pictures", *common, ("spread:64", images), ("rest:2", images),
                    speed=True)]


def all_networks(models, shared, limit):
    """Those whose files are here, and the names of the others

    @limit: judge on so many of the labelled pictures, 0 for all
    """
    found = [fashion(models, p.stem, limit) for p in sorted(models.glob("*.onnx"))]
    found += pictures(models, shared, "mobilenet_v2_1.0_224_moderation", "MobileNetV2", 224)
    found += pictures(models, shared, "inception_v3_299_moderation", "Inception-V3", 299)
    here = [n for n in found if all(map(os.path.exists, (n.onnx, n.preprocess, n.test[1])))]
    return here, [n.name for n in found if n not in here]


def samples(program, network, folder):
    """.npy files of the samples to calibrate with and to judge, made by Keel's preprocessing"""
    paths = []
    for part in ("calibrate", "test"):
        selection, source = getattr(network, part)
        path = folder / f"{network.name}.{part}.npy".replace(" ", "_")
        subprocess.run([program, path, network.preprocess, network.dims, selection, source],
                       check=True)
        paths.append(path)
    return paths
