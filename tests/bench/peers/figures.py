# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Files and statistics of the comparison, with nothing but Python itself"""
import array
import ast
import gzip
import math
import os
import re
import struct
import sys


class Rows:
    """Float32 rows of a .npy file: sample i is row i, whatever its shape was"""

    def __init__(self, values, count):
        if count < 1 or len(values) % count:
            raise ValueError(f"{len(values)} values are not {count} samples")
        self.values, self.count, self.width = values, count, len(values) // count

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        return self.values[i * self.width:(i + 1) * self.width]


def read_npy(path):
    """The rows of a float32 .npy file in C order"""
    with open(path, "rb") as f:
        if f.read(6) != b"\x93NUMPY":
            raise ValueError(f"{path} is no .npy file")
        major, _ = f.read(2)
        form = "<H" if major == 1 else "<I"
        size, = struct.unpack(form, f.read(struct.calcsize(form)))
        header = ast.literal_eval(f.read(size).decode("utf-8"))
        if header["descr"] != "<f4" or header["fortran_order"]:
            raise ValueError(f"{path} holds {header['descr']}, not float32 in C order")
        values = array.array("f")
        values.frombytes(f.read())
    if sys.byteorder == "big":
        values.byteswap()
    if len(values) != math.prod(header["shape"]):
        raise ValueError(f"{path} is cut off")
    return Rows(values, header["shape"][0] if header["shape"] else 1)


def join_npy(folder, path):
    """One .npy file of the first outputs that `keel run --output` wrote, in the samples' order"""
    names = {}
    for name in os.listdir(folder):
        found = re.fullmatch(r".*\[(\d+)\]\.(.*)", name)
        if not found:
            raise ValueError(f"{name} has no number of a sample")
        names.setdefault(found[2], []).append((int(found[1]), name))
    if len(names) != 1:
        raise ValueError(f"{len(names)} outputs a sample, one was expected")
    values, order = array.array("f"), sorted(*names.values())
    for _, name in order:
        values.extend(read_npy(os.path.join(folder, name)).values)
    write_npy(path, values, (len(order), len(values) // len(order)))


def write_npy(path, values, shape):
    header = repr({"descr": "<f4", "fortran_order": False, "shape": shape})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        f.write(struct.pack(f"<{len(values)}f", *values))


def read_labels(path):
    """The bytes of an IDX file of labels"""
    with (gzip.open if str(path).endswith(".gz") else open)(path, "rb") as f:
        magic, count = struct.unpack(">II", f.read(8))
        labels = f.read()
    if magic != 0x801 or len(labels) != count:
        raise ValueError(f"{path} is no IDX file of labels")
    return list(labels)


def classes(rows):
    """Place of the largest value of each row, the first on ties; NaN is never largest"""
    best = []
    for i in range(len(rows)):
        row = [-math.inf if math.isnan(v) else v for v in rows[i]]
        best.append(row.index(max(row)))
    return best


def sqnr_db(wanted, got):
    """Signal to quantization noise over all samples, 200 dB at most, as `keel eval` has it"""
    if len(wanted.values) != len(got.values):
        raise ValueError(f"{len(got.values)} values instead of {len(wanted.values)}")
    signal = math.fsum(a * a for a in wanted.values)
    noise = math.fsum((a - b) ** 2 for a, b in zip(wanted.values, got.values))
    if math.isnan(noise) or not signal:
        return math.nan
    return 200.0 if noise <= signal * 1e-20 else 10 * math.log10(signal / noise)


def mcnemar(ours, theirs):
    """McNemar's exact test on pairs of right and wrong

    Return: samples that only ours has right, that only theirs has right, and the two-sided
    probability of a division at least as uneven if both were equally good.
    """
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} answers can't be paired with {len(theirs)}")
    only_ours = sum(a and not b for a, b in zip(ours, theirs))
    only_theirs = sum(b and not a for a, b in zip(ours, theirs))
    n, k = only_ours + only_theirs, min(only_ours, only_theirs)
    tail = sum(math.comb(n, i) for i in range(k + 1))
    return only_ours, only_theirs, min(1.0, 2 * tail / 2 ** n)


def judge(rows, reference, labels):
    """What the table says about the outputs of one quantized network

    @reference: outputs of the float network
    @labels: classes, or None: the float network's classes are the right ones

    Return: figures, and for each sample whether it is right.
    """
    got, wanted = classes(rows), classes(reference)
    right = [a == b for a, b in zip(got, labels or wanted)]
    figures = {"samples": len(got),
               "agreement": sum(a == b for a, b in zip(got, wanted)) / len(got),
               "sqnr_db": sqnr_db(reference, rows)}
    if labels:
        if len(labels) != len(got):
            raise ValueError(f"{len(labels)} labels for {len(got)} samples")
        float_right = [a == b for a, b in zip(wanted, labels)]
        figures["top1"] = sum(right) / len(got)
        figures["loss"] = sum(float_right) / len(got) - figures["top1"]
        figures["only_float"], figures["not_float"], figures["float_p"] = mcnemar(float_right,
                                                                                   right)
    return figures, right
