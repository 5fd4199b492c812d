# SPDX-License-Identifier: GPL-2.0 OR MIT
"""The network families of the tests, at their real depth and a fraction of their width.

Every family keeps what makes it hard or easy to quantize: the order of convolution, BatchNorm and
activation, its kernels, its skips and its joins. Of the five strides two or three are left, so that
something of a picture of 28 or 32 pixels is left at the end.

Sources of the topologies: He et al. 2015 (ResNet), Szegedy et al. 2014 and 2015 (Inception-V1, V3),
Huang et al. 2016 (DenseNet), Howard et al. 2017 and 2019 (MobileNetV1, V3), Sandler et al. 2018
(MobileNetV2), Chen et al. 2018 (MobileFaceNet, for PReLU), Tan and Le 2019 (EfficientNet, for SiLU).
"""
from typing import Callable, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 10


def conv(cin, cout, k=3, s=1, groups=1, act=nn.ReLU, pad=None):
    """Convolution without bias, BatchNorm, activation; k and pad are numbers or (high, wide)."""
    k = k if isinstance(k, tuple) else (k, k)
    pad = (k[0] // 2, k[1] // 2) if pad is None else pad
    layers = [nn.Conv2d(cin, cout, k, s, pad, groups=groups, bias=False), nn.BatchNorm2d(cout)]
    if act is not None:
        layers.append(nn.PReLU(cout) if act is nn.PReLU else act())
    return nn.Sequential(*layers)


class Classifier(nn.Sequential):
    """Mean over the picture and a fully connected layer."""

    def __init__(self, channels):
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES))


class Residual(nn.Module):
    """A body with a skip; the activation, if any, comes after the sum."""

    def __init__(self, body, skip=None, act=None):
        super().__init__()
        self.body, self.skip, self.act = body, skip, act() if act else None

    def forward(self, x):
        y = self.body(x) + (self.skip(x) if self.skip is not None else x)
        return self.act(y) if self.act is not None else y


class Join(nn.Module):
    """Branches that read the same tensor and are joined along the channels."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([b(x) for b in self.branches], 1)


def drop_in(layers, cin, cout, stride):
    skip = None if cin == cout and stride == 1 else conv(cin, cout, 1, stride, act=None)
    return Residual(nn.Sequential(*layers), skip, nn.ReLU)


def resnet18():
    layers, cin = [conv(1, 16, 7, 2), nn.MaxPool2d(3, 2, 1)], 16
    for cout, stride in ((16, 1), (32, 1), (64, 2), (96, 2)):
        for s in (stride, 1):
            body = conv(cin, cout, 3, s), conv(cout, cout, 3, act=None)
            layers.append(drop_in(body, cin, cout, s))
            cin = cout
    return nn.Sequential(*layers, Classifier(cin))


def resnet50():
    layers, cin = [conv(1, 16, 7, 2), nn.MaxPool2d(3, 2, 1)], 16
    for planes, blocks, stride in ((8, 3, 1), (16, 4, 1), (32, 6, 2), (64, 3, 2)):
        for i in range(blocks):
            s, cout = stride if i == 0 else 1, planes * 4
            body = conv(cin, planes, 1), conv(planes, planes, 3, s), conv(planes, cout, 1, act=None)
            layers.append(drop_in(body, cin, cout, s))
            cin = cout
    return nn.Sequential(*layers, Classifier(cin))


class LrnOperator(torch.autograd.Function):
    """The ONNX operator, for the exporter."""

    @staticmethod
    def symbolic(g, x, size, alpha, beta, bias):
        return g.op("LRN", x, size_i=size, alpha_f=alpha, beta_f=beta, bias_f=bias).setType(x.type())

    @staticmethod
    def forward(ctx, x, size, alpha, beta, bias):
        return F.local_response_norm(x, size, alpha, beta, bias)


class Lrn(nn.Module):
    """Local response normalization; power -3/4, the sum over channels a convolution."""

    def __init__(self, channels, size=5, alpha=1e-4, bias=1.0):
        super().__init__()
        self.size, self.alpha, self.bias = size, alpha, bias
        at = torch.arange(channels)
        band = ((at[:, None] - at[None, :]).abs() <= size // 2).float()
        self.register_buffer("band", band[:, :, None, None], persistent=False)

    def forward(self, x):
        if torch.onnx.is_in_onnx_export():
            return LrnOperator.apply(x, self.size, self.alpha, 0.75, self.bias)
        power = self.bias + self.alpha / self.size * F.conv2d(x * x, self.band)
        return x * torch.rsqrt(power * torch.sqrt(power))


def inception_v1():
    def w(full):
        return full // 4

    def module(cin, one, three_in, three, five_in, five, pool):
        return Join(conv(cin, w(one), 1),
                    nn.Sequential(conv(cin, w(three_in), 1), conv(w(three_in), w(three), 3)),
                    nn.Sequential(conv(cin, w(five_in), 1), conv(w(five_in), w(five), 5)),
                    nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(cin, w(pool), 1)))

    layers = [conv(1, w(64), 7, 2), nn.MaxPool2d(3, 2, 1), Lrn(w(64)),
              conv(w(64), w(64), 1), conv(w(64), w(192), 3), Lrn(w(192))]
    cin = w(192)
    for row in ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), None,
                (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64),
                (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128), None,
                (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)):
        if row is None:
            layers.append(nn.MaxPool2d(3, 2, 1))
            continue
        layers.append(module(cin, *row))
        cin = w(row[0]) + w(row[2]) + w(row[4]) + w(row[5])
    return nn.Sequential(*layers, Classifier(cin))


def inception_v3():
    def w(full):
        return max(8, round(full * 0.15 / 4) * 4)

    def chain(cin, *steps):
        layers = []
        for cout, k in steps:
            layers.append(conv(cin, w(cout), k))
            cin = w(cout)
        return nn.Sequential(*layers)

    def pooled(cin, cout):
        return nn.Sequential(nn.AvgPool2d(3, 1, 1), conv(cin, w(cout), 1))

    def a(cin, pool):
        return Join(chain(cin, (64, 1)), chain(cin, (48, 1), (64, 5)),
                    chain(cin, (64, 1), (96, 3), (96, 3)), pooled(cin, pool)), \
            w(64) + w(64) + w(96) + w(pool)

    def c(cin, n):
        return Join(chain(cin, (192, 1)), chain(cin, (n, 1), (n, (1, 7)), (192, (7, 1))),
                    chain(cin, (n, 1), (n, (7, 1)), (n, (1, 7)), (n, (7, 1)), (192, (1, 7))),
                    pooled(cin, 192)), 4 * w(192)

    def split(cin, cout):
        return Join(conv(cin, w(cout), (1, 3)), conv(cin, w(cout), (3, 1)))

    def e(cin):
        return Join(chain(cin, (320, 1)), nn.Sequential(chain(cin, (384, 1)), split(w(384), 384)),
                    nn.Sequential(chain(cin, (448, 1), (384, 3)), split(w(384), 384)),
                    pooled(cin, 192)), w(320) + 4 * w(384) + w(192)

    layers = [conv(1, 8, 3, 2), conv(8, 8, 3), conv(8, 16, 3), nn.MaxPool2d(3, 2, 1),
              conv(16, 16, 1), conv(16, w(192), 3)]
    cin = w(192)
    for pool in (32, 64, 64):
        block, cin = a(cin, pool)
        layers.append(block)
    layers.append(Join(conv(cin, w(384), 3, 2), nn.Sequential(chain(cin, (64, 1), (96, 3)),
                                                              conv(w(96), w(96), 3, 2)),
                       nn.MaxPool2d(3, 2, 1)))
    cin += w(384) + w(96)
    for n in (128, 160, 160, 192):
        block, cin = c(cin, n)
        layers.append(block)
    layers.append(Join(nn.Sequential(chain(cin, (192, 1)), conv(w(192), w(320), 3, 2)),
                       nn.Sequential(chain(cin, (192, 1), (192, (1, 7)), (192, (7, 1))),
                                     conv(w(192), w(192), 3, 2)), nn.MaxPool2d(3, 2, 1)))
    cin += w(320) + w(192)
    for _ in range(2):
        block, cin = e(cin)
        layers.append(block)
    return nn.Sequential(*layers, Classifier(cin))


def before(cin, cout, k):
    """BatchNorm and activation before the convolution."""
    return nn.BatchNorm2d(cin), nn.ReLU(), nn.Conv2d(cin, cout, k, 1, k // 2, bias=False)


def densenet121(growth=8):
    cin = 2 * growth
    layers = [conv(1, cin, 7, 2), nn.MaxPool2d(3, 2, 1)]
    for i, depth in enumerate((6, 12, 24, 16)):
        if i:
            layers += [*before(cin, cin // 2, 1), nn.Identity() if i == 2 else nn.AvgPool2d(2)]
            cin //= 2
        for _ in range(depth):
            layers.append(Join(nn.Identity(), nn.Sequential(*before(cin, 4 * growth, 1),
                                                            *before(4 * growth, growth, 3))))
            cin += growth
    return nn.Sequential(*layers, nn.BatchNorm2d(cin), nn.ReLU(), Classifier(cin))


def mobilenet_v1():
    def w(full):
        return full // 4

    layers, cin = [conv(1, w(32), 3, 2)], w(32)
    for full, s in ((64, 1), (128, 1), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1),
                    (512, 1), (512, 1), (512, 1), (1024, 1), (1024, 1)):
        layers += [conv(cin, cin, 3, s, groups=cin), conv(cin, w(full), 1)]
        cin = w(full)
    return nn.Sequential(*layers, Classifier(cin))


def inverted(cin, hidden, cout, k, s, act, gate=None):
    """Expansion, depthwise convolution, linear projection; a skip where shapes allow."""
    layers = [conv(cin, hidden, 1, act=act)] if hidden != cin else []
    layers.append(conv(hidden, hidden, k, s, groups=hidden, act=act))
    if gate is not None:
        layers.append(gate)
    layers.append(conv(hidden, cout, 1, act=None))
    body = nn.Sequential(*layers)
    return Residual(body) if cin == cout and s == 1 else body


def mobilenet_v2():
    layers, cin = [conv(1, 16, 3, 2, act=nn.ReLU6)], 16
    for t, c, n, s in ((1, 8, 1, 1), (6, 8, 2, 1), (6, 16, 3, 2), (6, 24, 4, 2), (6, 32, 3, 1),
                       (6, 56, 3, 1), (6, 112, 1, 1)):
        for i in range(n):
            layers.append(inverted(cin, cin * t, c, 3, s if i == 0 else 1, nn.ReLU6))
            cin = c
    return nn.Sequential(*layers, conv(cin, 320, 1, act=nn.ReLU6), Classifier(320))


class Gate(nn.Module):
    """Squeeze and excite: a factor per channel from the means of all channels."""

    def __init__(self, channels, inner, act, gate):
        super().__init__()
        self.factor = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, inner, 1), act(),
                                    nn.Conv2d(inner, channels, 1), gate())

    def forward(self, x):
        return x * self.factor(x)


def mobilenet_v3():
    layers, cin = [conv(1, 8, 3, 2, act=nn.Hardswish)], 8
    for k, hidden, cout, gated, act, s in (
            (3, 8, 8, True, nn.ReLU, 1), (3, 40, 16, False, nn.ReLU, 2), (3, 48, 16, False, nn.ReLU, 1),
            (5, 48, 24, True, nn.Hardswish, 2), (5, 120, 24, True, nn.Hardswish, 1),
            (5, 120, 24, True, nn.Hardswish, 1), (5, 64, 24, True, nn.Hardswish, 1),
            (5, 72, 24, True, nn.Hardswish, 1), (5, 144, 48, True, nn.Hardswish, 1),
            (5, 288, 48, True, nn.Hardswish, 1), (5, 288, 48, True, nn.Hardswish, 1)):
        gate = Gate(hidden, max(8, hidden // 4), nn.ReLU, nn.Hardsigmoid) if gated else None
        layers.append(inverted(cin, hidden, cout, k, s, act, gate))
        cin = cout
    head = [conv(cin, 288, 1, act=nn.Hardswish), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(288, 256), nn.Hardswish(), nn.Linear(256, CLASSES)]
    return nn.Sequential(*layers, *head)


def mobilefacenet():
    """PReLU with a slope for each channel; the picture ends in a depthwise convolution of its size."""
    act, layers, cin = nn.PReLU, [conv(1, 32, 3, 2, act=nn.PReLU)], 32
    layers.append(conv(32, 32, 3, groups=32, act=act))
    for t, c, n, s in ((2, 32, 5, 2), (4, 64, 1, 2), (2, 64, 6, 1), (4, 64, 1, 1), (2, 64, 2, 1)):
        for i in range(n):
            layers.append(inverted(cin, cin * t, c, 3, s if i == 0 else 1, act))
            cin = c
    layers += [conv(cin, 256, 1, act=act), conv(256, 256, 4, groups=256, act=None, pad=(0, 0)),
               conv(256, 64, 1, act=None), nn.Flatten(), nn.Linear(64, CLASSES)]
    return nn.Sequential(*layers)


def efficientnet():
    act, layers, cin = nn.SiLU, [conv(1, 8, 3, 2, act=nn.SiLU)], 8
    for t, k, c, n, s in ((1, 3, 8, 1, 1), (6, 3, 8, 2, 1), (6, 5, 12, 2, 2), (6, 3, 20, 3, 2),
                          (6, 5, 28, 3, 1), (6, 5, 48, 4, 1), (6, 3, 80, 1, 1)):
        for i in range(n):
            gate = Gate(cin * t, max(4, cin // 4), nn.SiLU, nn.Sigmoid)
            layers.append(inverted(cin, cin * t, c, k, s if i == 0 else 1, act, gate))
            cin = c
    return nn.Sequential(*layers, conv(cin, 320, 1, act=act), Classifier(320))


class Family(NamedTuple):
    """A builder of networks, and how to train what it builds."""
    build: Callable[[], nn.Module]
    pixels: int = 28
    epochs: int = 6
    rate: float = 0.05
    decay: float = 5e-4
    bf16: bool = False


FAMILIES = {
    "resnet18": Family(resnet18, 32, bf16=True),
    "resnet50": Family(resnet50, 32, bf16=True),
    "inception_v1": Family(inception_v1, 32, bf16=True),
    "inception_v3": Family(inception_v3, epochs=4, bf16=True),
    "densenet121": Family(densenet121, 32, epochs=4, bf16=True),
    "mobilenet_v1": Family(mobilenet_v1),
    "mobilenet_v2": Family(mobilenet_v2, epochs=8),
    "mobilenet_v3": Family(mobilenet_v3, epochs=4),
    "mobilefacenet": Family(mobilefacenet, epochs=4),
    "efficientnet": Family(efficientnet, epochs=3),
}
