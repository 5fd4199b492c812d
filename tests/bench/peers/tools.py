# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Who is compared, with which settings"""
import dataclasses

TENSOR, CHANNEL = "per-tensor", "per-channel"


@dataclasses.dataclass(frozen=True)
class Tool:
    """name: of the row; program: keel, or the virtual environment and peer_PROGRAM.py
    settings: "do" and what else the program reads from its job; for keel the options
    granularity: which; judged: takes part in the comparison of accuracy
    job: what is done, where it takes part in the comparison of time: with others that do the same
    """
    name: str
    program: str
    settings: tuple
    granularity: tuple = (TENSOR, CHANNEL)
    job: str = ""
    judged: bool = True


def tool(name, program, granularity=(TENSOR, CHANNEL), job="", judged=True, **settings):
    return Tool(name, program, tuple(sorted(settings.items())), granularity, job, judged)


FLOAT = tool("float", "ort", do="float")
# Jobs. Nobody else measures the finished network, so Keel doesn't, either, where it does the same.
MINMAX, EQUALIZATION, EVERYTHING = "min-max", "equalization", "equalization and biases"
KEEL = tool("Keel", "keel", job=EVERYTHING, options="")

TOOLS = [
    KEEL,
    tool("Keel, naive", "keel", options="--optimize 0"),
    tool("Keel, --optimize 2", "keel", options="--optimize 2"),
    tool("Keel, min-max", "keel", job=MINMAX, judged=False, options="--optimize 0 --no-measure"),
    tool("Keel, equalization", "keel", job=EQUALIZATION, judged=False,
         options="--optimize 0 --factorize equalize --no-measure"),
    tool("ONNX Runtime, min-max", "ort", do="minmax", job=MINMAX),
    tool("ONNX Runtime, entropy", "ort", do="entropy"),
    tool("ONNX Runtime, percentile", "ort", do="percentile"),
    tool("AIMET, min-max", "aimet", do="fold", scheme="min_max"),
    tool("AIMET, TF-enhanced", "aimet", do="fold", scheme="tf_enhanced"),
    tool("AIMET, CLE", "aimet", do="cle", scheme="min_max", job=EQUALIZATION),
    tool("AIMET, CLE, TF-enhanced", "aimet", do="cle", scheme="tf_enhanced"),
    tool("AIMET, CLE and AdaRound", "aimet", (TENSOR,), do="cle+adaround", scheme="min_max",
         iterations=500),
    tool("AIMET, CLE and AdaRound to the end", "aimet", (TENSOR,), do="cle+adaround",
         scheme="min_max", iterations=10000),
    tool("PPQ (PPL-DSP), default", "ppq", (TENSOR,), do="default", platform="PPL_DSP_INT8"),
    tool("PPQ (PPL-DSP), equalization", "ppq", (TENSOR,), do="equalization",
         platform="PPL_DSP_INT8", job=EQUALIZATION),
    tool("PPQ (PPL-DSP), equalization and bias correction", "ppq", (TENSOR,),
         do="equalization+bias", platform="PPL_DSP_INT8", job=EVERYTHING),
    tool("PPQ (RKNN), default", "ppq", (CHANNEL,), do="default", platform="RKNN_INT8"),
    tool("PPQ (RKNN), equalization and bias correction", "ppq", (CHANNEL,),
         do="equalization+bias", platform="RKNN_INT8"),
    tool("PPQ (OpenVINO), default", "ppq", (CHANNEL,), do="default", platform="OPENVINO_INT8",
         job=MINMAX),
    # Most of its time goes into onnx2tf.
    tool("LiteRT converter", "litert", do="default"),
]
