"""Compares the gradients at ties that tests/test_gradients.c expects (its table `ties`) with PyTorch's; prints those that
differ, and how many there are.

    python tests/torch_ties.py           (PyTorch 2.15)
"""
import os
import re

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

MEANING = {
    "abs(x)": lambda x, z: x.abs(),
    "sign(x)": lambda x, z: x.sign(),
    "max(x, z)": torch.maximum,
    "min(x, z)": torch.minimum,
    "x^2": lambda x, z: x**2,
    "x^3": lambda x, z: x**3,
    "x^z": lambda x, z: x**z,
    "x^0": lambda x, z: x**0,
    "x*z": lambda x, z: x*z,
    "where(x, z, 3)": lambda x, z: torch.where(x.bool(), z, torch.tensor(3.)),
    "where(x <= z, x, 2*z)": lambda x, z: torch.where(x<=z, x, 2*z),
    "sum(amax(concat(reshape(x, 1), reshape(z, 1)), 0))": lambda x, z: torch.stack([x, z]).amax(0),
    "relu(x)": lambda x, z: F.relu(x),
    "relu6(x)": lambda x, z: F.relu6(x),
    "leaky_relu(x)": lambda x, z: F.leaky_relu(x),
    "leaky_relu(x, slope=.2)": lambda x, z: F.leaky_relu(x, .2),
    "elu(x)": lambda x, z: F.elu(x),
    "elu(x, alpha=2)": lambda x, z: F.elu(x, 2),
    "selu(x)": lambda x, z: F.selu(x),
    "celu(x, alpha=2)": lambda x, z: F.celu(x, 2),
    "gelu(x)": lambda x, z: F.gelu(x),
    "gelu_tanh(x)": lambda x, z: F.gelu(x, approximate="tanh"),
    "silu(x)": lambda x, z: F.silu(x),
    "mish(x)": lambda x, z: F.mish(x),
    "softplus(x)": lambda x, z: F.softplus(x),
    "softplus(x, beta=3)": lambda x, z: F.softplus(x, 3),
    "softsign(x)": lambda x, z: F.softsign(x),
    "logsigmoid(x)": lambda x, z: F.logsigmoid(x),
    "log(sigmoid(x))": lambda x, z: x.sigmoid().log(),
    "hardtanh(x)": lambda x, z: F.hardtanh(x),
    "hardsigmoid(x)": lambda x, z: F.hardsigmoid(x),
    "hardswish(x)": lambda x, z: F.hardswish(x),
    "hardshrink(x)": lambda x, z: F.hardshrink(x),
    "softshrink(x)": lambda x, z: F.softshrink(x),
    "tanhshrink(x)": lambda x, z: F.tanhshrink(x),
    "threshold(x, edge=1, value=5)": lambda x, z: F.threshold(x, 1, 5),
    "clip(x, low=-1, high=1)": lambda x, z: x.clamp(-1, 1),
    "sum(vector_norm(reshape(x, 1)))": lambda x, z: x.reshape(1).norm(),
    "hypot(x, z)": torch.hypot,
    "logaddexp(x, z)": torch.logaddexp,
    "mod(x, z)": torch.remainder,
    "sse(x, z)": lambda x, z: .5*F.mse_loss(x, z, reduction="sum"),
    "mae(x, z)": F.l1_loss,
    "huber(x, z)": F.huber_loss,
    "huber(x, z, delta=2)": lambda x, z: F.huber_loss(x, z, delta=2),
    "smooth_l1(x, z, beta=2)": lambda x, z: F.smooth_l1_loss(x, z, beta=2),
    "bce(x, z)": F.binary_cross_entropy_with_logits,
    "hinge(x, z)": lambda x, z: F.relu(1-x*z),
    "sum(amin(concat(reshape(x, 1), reshape(z, 1)), 0))": lambda x, z: torch.stack([x, z]).amin(0),
    "clip(x, low=-1)": lambda x, z: x.clamp(min=-1),
    "clip(x, high=1)": lambda x, z: x.clamp(max=1),
    "floor(x)": lambda x, z: x.floor(),
    "ceil(x)": lambda x, z: x.ceil(),
    "round(x)": lambda x, z: x.round(),
    "trunc(x)": lambda x, z: x.trunc(),
    "atan2(x, z)": torch.atan2,
}


def rows():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "test_gradients.c")
    with open(path) as file:
        table = re.search(r"} ties\[\] = \{(.*?)\n\};", file.read(), re.S).group(1)
    for text, *numbers in re.findall(r'\{"([^"]+)", ([^,]+), ([^,]+), ([^,]+), ([^}]+)\}', table):
        yield text, [float(n) for n in numbers]


def gradient(text, x, z):
    inputs = [torch.tensor(v, requires_grad=True) for v in (x, z)]
    y = MEANING[text](*inputs)
    found = torch.autograd.grad(y, inputs, allow_unused=True) if y.requires_grad else (None, None)
    return [0 if g is None else g.item() for g in found]


count = 0
for text, (x, z, dx, dz) in rows():
    is_x, is_z = gradient(text, x, z)
    count += 1
    if not (abs(is_x - dx) < 1e-14 and abs(is_z - dz) < 1e-14):
        print("%s at %g, %g: %g, %g here, %g, %g in PyTorch" % (text, x, z, dx, dz, is_x, is_z))
print("%d ties compared" % count)
