# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Who is compared, with which settings"""
import dataclasses

TENSOR, CHANNEL = "per-tensor", "per-channel"


@dataclasses.dataclass(frozen=True)
class Tool:
    """name: of the row; program: keel, or the virtual environment and peer_PROGRAM.py
    settings: "do" and what else the program reads from its job; for keel the options
    granularity: which; speed: takes part in the comparison of time, too
    """
    name: str
    program: str
    settings: tuple
    granularity: tuple = (TENSOR, CHANNEL)
    speed: bool = False


def tool(name, program, granularity=(TENSOR, CHANNEL), speed=False, **settings):
    return Tool(name, program, tuple(sorted(settings.items())), granularity, speed)


FLOAT = tool("float", "ort", do="float")
KEEL = tool("Keel", "keel", speed=True, options="")

TOOLS = [
    KEEL,
    tool("Keel, naive", "keel", options="--optimize 0"),
    tool("ONNX Runtime, min-max", "ort", do="minmax", speed=True),
    tool("ONNX Runtime, entropy", "ort", do="entropy"),
    tool("ONNX Runtime, percentile", "ort", do="percentile"),
    tool("AIMET, min-max", "aimet", do="fold", scheme="min_max"),
    tool("AIMET, TF-enhanced", "aimet", do="fold", scheme="tf_enhanced"),
    tool("AIMET, CLE", "aimet", do="cle", scheme="min_max", speed=True),
    tool("AIMET, CLE, TF-enhanced", "aimet", do="cle", scheme="tf_enhanced"),
    tool("AIMET, CLE and AdaRound", "aimet", do="cle+adaround", scheme="min_max",
         iterations=10000),
    tool("PPQ (PPL-DSP), default", "ppq", (TENSOR,), do="default", platform="PPL_DSP_INT8"),
    tool("PPQ (PPL-DSP), equalization", "ppq", (TENSOR,), do="equalization",
         platform="PPL_DSP_INT8", speed=True),
    tool("PPQ (PPL-DSP), equalization and bias correction", "ppq", (TENSOR,),
         do="equalization+bias", platform="PPL_DSP_INT8", speed=True),
    tool("PPQ (RKNN), default", "ppq", (CHANNEL,), do="default", platform="RKNN_INT8"),
    tool("PPQ (RKNN), equalization and bias correction", "ppq", (CHANNEL,),
         do="equalization+bias", platform="RKNN_INT8"),
    tool("PPQ (OpenVINO), default", "ppq", (CHANNEL,), do="default", platform="OPENVINO_INT8",
         speed=True),
    tool("LiteRT converter", "litert", do="default", speed=True),
]
