"""Prints tests/trajectories.txt, what tests/test_trajectories.c compares with: for each case of the same name there, the
losses of 100 steps of PyTorch in float64, and the loss of evaluation after them.

    python tests/torch_trajectories.py > tests/trajectories.txt           (PyTorch 2.15; arguments: only these cases)

Weights and batches follow from names by numbers(), as in the C file; modules are called what nudge calls its layers.
"""
import sys

import numpy as np
import torch
from torch import nn, optim

STEPS = 100
torch.set_num_threads(1)
if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)

# ---- Weights and rows


def philox(key, high, low):
    """The first two words of Philox4x32-10 for a row of counters (src/base/philox.h)."""
    u, low32 = np.uint64, np.uint64(0xFFFFFFFF)
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    low = np.asarray(low, u)
    c = [low & low32, low >> u(32), low * u(0) + u(high & 0xFFFFFFFF), low * u(0) + u(high >> 32)]
    for _ in range(10):
        a, b = u(0xD2511F53) * c[0], u(0xCD9E8D57) * c[2]
        c = [(b >> u(32)) ^ c[1] ^ u(k0), b & low32, (a >> u(32)) ^ c[3] ^ u(k1), a & low32]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c[0], c[1]


def hashed(name):
    """FNV-1a, then the finaliser of splitmix64."""
    h, all_bits = 0xCBF29CE484222325, (1 << 64) - 1
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 & all_bits
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9 & all_bits
    h = (h ^ (h >> 27)) * 0x94D049BB133111EB & all_bits
    return h ^ (h >> 31)


def numbers(name, count):
    """In [-1, 1)."""
    words, _ = philox(21, hashed(name), np.arange(count))
    return torch.from_numpy((words >> np.uint64(8)).astype(np.float64) * 2.0**-23 - 1)


def choices(name, count, of):
    return ((numbers(name, count) + 1) / 2 * of).long()


def fill(net):
    with torch.no_grad():
        for name, w in net.named_parameters():
            middle = float(w.dim() == 1 and name.endswith(".weight"))
            spread = (3 * w.shape[0] / w.numel()) ** 0.5 if w.dim() > 1 else 0.1
            w.copy_((middle + spread * numbers(name, w.numel())).view_as(w))


class Rows:
    def __init__(self, shape, batch, batches, classes, tokens=False):
        self.classes, self.batches = classes, batches
        all_shape = (batch * batches, *shape)
        count = int(np.prod(all_shape))
        if tokens:
            x = choices("x", count + 1, classes)
            self.x, self.t = x[:-1].view(all_shape), x[1:].view(all_shape)
        else:
            self.x, self.t = numbers("x", count).view(all_shape), choices("t", all_shape[0], classes)

    def batch(self, step):
        k = step % self.batches
        return self.x.chunk(self.batches)[k], self.t.chunk(self.batches)[k]


TABLE = Rows((6,), 8, 4, 3)
WHOLE = Rows((6,), 24, 1, 3)
DIGITS = Rows((1, 28, 28), 4, 4, 10)
PHOTOS = Rows((3, 8, 8), 6, 4, 5)
SERIES = Rows((7, 5), 6, 4, 4)
VERSES = Rows((12,), 4, 4, 13, tokens=True)
WORDS = Rows((5,), 4, 4, 40, tokens=True)

# ---- Nets


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class Parallel(nn.Sequential):
    def forward(self, x):
        return sum(net(x) for net in self)


class Outputs:
    """Of a recurrent layer: those of all steps."""

    def forward(self, x):
        return super().forward(x)[0]


class Ends:
    """Of a recurrent layer: where each direction of the last layer ends."""

    def forward(self, x):
        last = super().forward(x)[1]
        last = last[0] if isinstance(last, tuple) else last
        ways = 2 if self.bidirectional else 1
        return torch.cat(list(last[-ways:]), dim=1)


class LSTMOutputs(Outputs, nn.LSTM):
    pass


class GRUOutputs(Outputs, nn.GRU):
    pass


class RNNOutputs(Outputs, nn.RNN):
    pass


class LSTMEnds(Ends, nn.LSTM):
    pass


class GRUEnds(Ends, nn.GRU):
    pass


class Positions(nn.Module):
    def __init__(self, length, width):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(length, width))

    def forward(self, x):
        return x + self.weight


class Block(nn.TransformerEncoderLayer):
    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return super().forward(x, src_mask=mask, is_causal=True)


class Sines(nn.Module):
    def forward(self, x):
        t, d = x.shape[-2:]
        angle = torch.arange(t)[:, None] / 10000 ** (torch.arange(0, d, 2) / d)
        return x + torch.stack([angle.sin(), angle.cos()], 2).flatten(1)


class Rotated(nn.Module):
    """Grouped queries, with places as rotations of the complex numbers that the halves of a head make."""

    def __init__(self, width, heads, kv_heads):
        super().__init__()
        self.parts = [heads, kv_heads, kv_heads]
        self.size = width // heads
        self.in_proj_weight = nn.Parameter(torch.zeros(sum(self.parts) * self.size, width))
        self.out_proj = nn.Linear(width, width, bias=False)

    def turn(self, x):
        half = self.size // 2
        angle = torch.arange(x.shape[2])[:, None] * 10000 ** (-torch.arange(half) / half)
        z = torch.complex(x[..., :half], x[..., half:]) * torch.polar(torch.ones_like(angle), angle)
        return torch.cat([z.real, z.imag], -1)

    def forward(self, x):
        n, t, width = x.shape
        z = (x @ self.in_proj_weight.T).view(n, t, -1, self.size).transpose(1, 2)
        q, k, v = z.split(self.parts, 1)
        y = nn.functional.scaled_dot_product_attention(self.turn(q), self.turn(k), v, is_causal=True, enable_gqa=True)
        return self.out_proj(y.transpose(1, 2).reshape(n, t, width))


class Llama(nn.Module):
    def __init__(self, width, heads, kv_heads, hidden):
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(width, eps=1e-6), nn.RMSNorm(width, eps=1e-6)
        self.self_attn = Rotated(width, heads, kv_heads)
        self.linear1 = nn.Linear(width, 2 * hidden, bias=False)
        self.linear2 = nn.Linear(hidden, width, bias=False)

    def forward(self, x):
        x = x + self.self_attn(self.norm1(x))
        gate, value = self.linear1(self.norm2(x)).chunk(2, -1)
        return x + self.linear2(nn.functional.silu(gate) * value)


def conv(c, n, size, stride=1, padding=0):
    return nn.Conv2d(c, n, size, stride, padding, bias=False)


def norm(n):
    return nn.BatchNorm2d(n)


def mlp():
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def smooth():
    return nn.Sequential(nn.Linear(6, 2), nn.Tanh(), nn.Linear(2, 3))


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 4, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(128, 16), nn.ReLU(), nn.Linear(16, 10))


def resnet():
    return nn.Sequential(
        conv(3, 6, 3, 1, 1), norm(6), nn.ReLU(),
        Residual(conv(6, 6, 3, 1, 1), norm(6), nn.ReLU(), conv(6, 6, 3, 1, 1), norm(6)), nn.ReLU(),
        Parallel(
            nn.Sequential(conv(6, 8, 3, 2, 1), norm(8), nn.ReLU(), conv(8, 8, 3, 1, 1), norm(8)),
            nn.Sequential(conv(6, 8, 1, 2), norm(8))),
        nn.ReLU(), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(8, 5))


def words():
    return nn.Sequential(nn.Embedding(40, 6, sparse=True), nn.Linear(6, 40))


def lstm():
    return nn.Sequential(LSTMOutputs(5, 6, 2, batch_first=True), nn.Flatten(), nn.Linear(42, 4))


def gru():
    return nn.Sequential(GRUOutputs(5, 6, 2, batch_first=True), nn.Flatten(), nn.Linear(42, 4))


def both():
    return nn.Sequential(LSTMEnds(5, 4, 2, batch_first=True, bidirectional=True), nn.Linear(8, 4))


def elman():
    return nn.Sequential(
        RNNOutputs(5, 6, nonlinearity="relu", batch_first=True), GRUEnds(6, 5, batch_first=True, bidirectional=True),
        nn.Linear(10, 4))


def gpt():
    block = [nn.Sequential(Block(16, 4, 64, 0, "gelu", batch_first=True, norm_first=True)) for _ in range(4)]
    return nn.Sequential(
        nn.Embedding(13, 16), Positions(12, 16), nn.Sequential(*block), nn.LayerNorm(16), nn.Linear(16, 13))


def images():
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding="same", dilation=2), nn.GroupNorm(2, 6), nn.PReLU(),
        nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.InstanceNorm2d(6, affine=True), nn.SiLU(), nn.AvgPool2d(3, 2, 1),
        nn.ConvTranspose2d(6, 4, 3, 2, 1, 1), nn.BatchNorm2d(4), nn.GELU(),
        nn.Upsample(scale_factor=2, mode="bilinear"), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.LayerNorm(36),
        nn.Linear(36, 5))


def encoder():
    block = [nn.Sequential(nn.TransformerEncoderLayer(16, 2, 32, 0, "relu", batch_first=True)) for _ in range(2)]
    return nn.Sequential(nn.Embedding(13, 16), Sines(), nn.Sequential(*block), nn.Linear(16, 13))


def llama():
    block = [nn.Sequential(Llama(16, 4, 2, 32)) for _ in range(2)]
    net = nn.Sequential(
        nn.Embedding(13, 16), nn.Sequential(*block), nn.RMSNorm(16, eps=1e-6), nn.Linear(16, 13, bias=False))
    net[3].weight = net[0].weight
    return net


# ---- Optimizers: a function of the parameters


def by(rule, **options):
    return lambda w: [rule(w, **options)]


def muon(**options):
    """Matrices by muon, vectors by adamw of the same rate and decay."""
    rest = {"lr": options["lr"], "weight_decay": options.get("weight_decay", 0.1)}
    return lambda w: [optim.Muon([p for p in w if p.dim() > 1], **options),
                      optim.AdamW([p for p in w if p.dim() < 2], **rest)]


def sparse(**options):
    """The first of the parameters, an embedding, by SparseAdam."""
    return lambda w: [optim.SparseAdam(w[:1], **options), optim.SGD(w[1:], lr=0.2)]


CASES = [
    # name, rows, net, optimizer, norm of the gradients, schedule
    ("lenet sgd", DIGITS, lenet, by(optim.SGD, lr=0.02, momentum=0.9)),
    ("lenet adam", DIGITS, lenet, by(optim.Adam, lr=2e-3)),
    ("lenet adafactor", DIGITS, lenet, by(optim.Adafactor, lr=0.05, eps=(2.0**-23, 1e-3))),
    ("resnet sgd", PHOTOS, resnet, by(optim.SGD, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3)),
    ("resnet adam", PHOTOS, resnet, by(optim.Adam, lr=3e-3)),
    ("lstm sgd", SERIES, lstm, by(optim.SGD, lr=0.5), 0.5),
    ("lstm adam", SERIES, lstm, by(optim.Adam, lr=0.01)),
    ("lstm bidirectional", SERIES, both, by(optim.Adam, lr=0.01)),
    ("gru sgd", SERIES, gru, by(optim.SGD, lr=0.2, momentum=0.5)),
    ("gru adam", SERIES, gru, by(optim.Adam, lr=0.01)),
    ("rnn and gru", SERIES, elman, by(optim.Adam, lr=0.01)),
    ("gpt sgd", VERSES, gpt, by(optim.SGD, lr=0.1, momentum=0.9), 1),
    ("gpt adamw", VERSES, gpt, by(optim.AdamW, lr=3e-3, betas=(0.9, 0.99), weight_decay=0.1), 1),
    ("layers for images", PHOTOS, images, by(optim.Adam, lr=3e-3)),
    ("encoder after norms", VERSES, encoder, by(optim.Adam, lr=3e-3)),
    ("llama tied", VERSES, llama, by(optim.AdamW, lr=3e-3)),

    ("sgd", TABLE, mlp, by(optim.SGD, lr=0.3)),
    ("sgd weight_decay", TABLE, mlp, by(optim.SGD, lr=0.3, weight_decay=0.01)),
    ("sgd momentum", TABLE, mlp, by(optim.SGD, lr=0.1, momentum=0.9)),
    ("sgd dampening", TABLE, mlp, by(optim.SGD, lr=0.3, momentum=0.9, dampening=0.5, weight_decay=0.01)),
    ("sgd nesterov", TABLE, mlp, by(optim.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)),
    ("adam", TABLE, mlp, by(optim.Adam, lr=0.01)),
    ("adam betas", TABLE, mlp, by(optim.Adam, lr=0.01, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.01)),
    ("adam amsgrad", TABLE, mlp, by(optim.Adam, lr=0.03, betas=(0.9, 0.9), amsgrad=True)),
    ("adamw", TABLE, mlp, by(optim.AdamW, lr=0.01)),
    ("adamw weight_decay", TABLE, mlp, by(optim.AdamW, lr=0.01, betas=(0.9, 0.99), weight_decay=1)),
    ("adamw amsgrad", TABLE, mlp, by(optim.AdamW, lr=0.03, betas=(0.9, 0.9), weight_decay=0.1, amsgrad=True)),
    ("sparse adam", WORDS, words, sparse(lr=0.02, betas=(0.9, 0.9), eps=1e-3)),
    ("nadam", TABLE, mlp, by(optim.NAdam, lr=0.01)),
    ("nadam weight_decay", TABLE, mlp, by(optim.NAdam, lr=0.01, momentum_decay=0.1, weight_decay=0.01)),
    ("nadam decoupled", TABLE, mlp, by(optim.NAdam, lr=0.01, weight_decay=1, decoupled_weight_decay=True)),
    ("radam", TABLE, mlp, by(optim.RAdam, lr=0.05)),
    ("radam weight_decay", TABLE, mlp, by(optim.RAdam, lr=0.05, betas=(0.9, 0.95), eps=1e-3, weight_decay=0.01)),
    ("radam decoupled", TABLE, mlp, by(optim.RAdam, lr=0.05, weight_decay=0.2, decoupled_weight_decay=True)),
    ("adamax", TABLE, mlp, by(optim.Adamax, lr=0.02)),
    ("adamax weight_decay", TABLE, mlp, by(optim.Adamax, lr=0.02, betas=(0.9, 0.9), eps=1e-3, weight_decay=0.01)),
    ("adadelta", TABLE, mlp, by(optim.Adadelta, lr=1)),
    ("adadelta weight_decay", TABLE, mlp, by(optim.Adadelta, lr=2, rho=0.8, eps=1e-4, weight_decay=0.01)),
    ("adagrad", TABLE, mlp, by(optim.Adagrad, lr=0.1)),
    ("adagrad lr_decay", TABLE, mlp, by(optim.Adagrad, lr=0.2, lr_decay=0.05, eps=1e-3, weight_decay=0.01)),
    ("adagrad initial", TABLE, mlp, by(optim.Adagrad, lr=0.1, initial_accumulator_value=0.02)),
    ("rmsprop", TABLE, mlp, by(optim.RMSprop, lr=0.01)),
    ("rmsprop momentum", TABLE, mlp, by(optim.RMSprop, lr=3e-3, alpha=0.9, momentum=0.9, weight_decay=0.01)),
    ("rmsprop centered", TABLE, mlp, by(optim.RMSprop, lr=0.01, alpha=0.9, eps=1e-3, centered=True)),
    ("rmsprop centered momentum", TABLE, mlp, by(optim.RMSprop, lr=3e-3, eps=1e-3, momentum=0.8, centered=True)),
    ("rprop", TABLE, mlp, by(optim.Rprop, lr=1e-3)),
    ("rprop bounds", TABLE, mlp, by(optim.Rprop, lr=0.01, etas=(0.6, 1.4), step_sizes=(1e-3, 0.05))),
    ("adafactor", TABLE, mlp, by(optim.Adafactor, lr=0.05, eps=(2.0**-23, 1e-3))),
    ("adafactor weight_decay", TABLE, mlp,
     by(optim.Adafactor, lr=0.2, beta2_decay=-0.5, eps=(0.01, 0.4), d=1.1, weight_decay=0.1)),
    ("muon", TABLE, mlp, muon(lr=0.02)),
    ("muon plain", TABLE, mlp, muon(lr=0.02, momentum=0.8, nesterov=False, weight_decay=0.5)),
    ("muon match_rms", TABLE, mlp, muon(lr=0.02, adjust_lr_fn="match_rms_adamw")),
    ("asgd", TABLE, mlp, by(optim.ASGD, lr=0.3)),
    ("asgd decay", TABLE, mlp, by(optim.ASGD, lr=0.3, lambd=0.05, alpha=0.5, t0=10, weight_decay=0.01)),
    ("lbfgs", WHOLE, smooth,
     by(optim.LBFGS, max_iter=1, max_eval=100, history_size=5, line_search_fn="strong_wolfe")),
    ("cosine", WHOLE, mlp, by(optim.SGD, lr=0.5), None, lambda o: optim.lr_scheduler.CosineAnnealingLR(o, STEPS)),
]

# ---- Training


def loss_of(net, rows, step):
    x, t = rows.batch(step)
    return nn.functional.cross_entropy(net(x).reshape(-1, rows.classes), t.reshape(-1))


def figures(rows, make, rule, clip=None, schedule=None):
    net = make()
    fill(net)
    optimizers = rule(list(net.parameters()))
    schedules = [schedule(o) for o in optimizers] if schedule else []
    result = []
    for step in range(STEPS):
        def closure():
            net.zero_grad()
            loss = loss_of(net, rows, step)
            loss.backward()
            if clip:
                nn.utils.clip_grad_norm_(net.parameters(), clip)
            return loss

        if isinstance(optimizers[0], optim.LBFGS):
            result.append(optimizers[0].step(closure).item())
        else:
            result.append(closure().item())
            for o in optimizers + schedules:
                o.step()
    net.eval()
    return result + [loss_of(net, rows, 0).item()]


def main():
    torch.bfloat16 = torch.float64  # muon rounds to it on its way; here it must not
    for name, *parts in CASES:
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        print("case", name)
        text = ["%.11g" % figure for figure in figures(*parts)]
        for at in range(0, len(text), 8):
            print(*text[at:at + 8])


if __name__ == "__main__":
    main()
