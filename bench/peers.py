"""peers.py: times one training step of the bench jobs in other libraries; script/bench calls it, nothing else does.

    python peers.py JOB THREADS [SECONDS]       prints "peer milliseconds version" lines

The nets, batches and optimizers are those of `nudge bench`; every peer runs at its best settings: fused optimizers,
compiled graphs, inputs bound. Data is random: the time of a step does not depend on its values.
"""
import os
import sys
import time

job, threads = sys.argv[1], int(sys.argv[2])
seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 1.0
os.environ["OMP_NUM_THREADS"] = str(threads)
if threads == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import numpy as np

# widths, activation, batch, loss, optimizer
NETS = {
    "xor": ((2, 4, 1), "sigmoid", 4, "mse", "sgd"),
    "mlp32": ((784, 128, 10), "relu", 32, "classes", "sgd"),
    "mlp32adam": ((784, 128, 10), "relu", 32, "classes", "adam"),
    "tab128": ((20, 64, 64, 1), "relu", 128, "mse", "adam"),
    "mlp512": ((784, 512, 512, 10), "relu", 512, "classes", "adam"),
}
# Nets that are more than a chain of dense layers: batch, optimizer. What they are made of stands in torch_net and jax_net.
DEEP = {"lenet64": (64, "adam"), "resnet128": (128, "momentum"), "gpt": (12, "adamw"), "lstm": (32, "adam")}
PREDICT = {"predict1": (784, 128, 10), "predict2": (2, 4, 1)}


def best(step):
    """Milliseconds a step: the best of seven blocks that fill the time together, after a warm-up."""
    for _ in range(5):
        step()
    start = time.perf_counter()
    step()
    turns = max(1, int(seconds / 7 / max(time.perf_counter() - start, 1e-7)))
    blocks = []
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(turns):
            step()
        blocks.append((time.perf_counter() - start) / turns)
    return min(blocks) * 1e3


def torch_net():
    """The net of a deep job, its input and the class numbers it is to give."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    batch = DEEP[job][0]

    class Sum(nn.Module):
        def __init__(self, *branches):
            super().__init__()
            self.branches = nn.ModuleList(branches)

        def forward(self, x):
            return sum(branch(x) for branch in self.branches)

    class First(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x)[0]

    class Attention(nn.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.heads, self.into, self.out = heads, nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)

        def forward(self, x):
            n, t, width = x.shape
            q, k, v = (z.view(n, t, self.heads, -1).transpose(1, 2) for z in self.into(x).split(width, 2))
            return self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(n, t, width))

    class Positions(nn.Module):
        def __init__(self, length, width):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(length, width) * 0.02)

        def forward(self, x):
            return x + self.weight

    def convolved(n, m, size=3, stride=1):
        return nn.Sequential(nn.Conv2d(n, m, size, stride, size // 2, bias=False), nn.BatchNorm2d(m))

    def pair(n, m, stride):
        main = nn.Sequential(convolved(n, m, 3, stride), nn.ReLU(), convolved(m, m))
        return nn.Sequential(Sum(main, nn.Identity() if stride == 1 else convolved(n, m, 1, stride)), nn.ReLU())

    def block(width, heads):
        norm = lambda: nn.LayerNorm(width)
        wide = nn.Sequential(norm(), nn.Linear(width, 4 * width, bias=False), nn.GELU(), nn.Linear(4 * width, width, bias=False))
        return [Sum(nn.Identity(), nn.Sequential(norm(), Attention(width, heads))), Sum(nn.Identity(), wide)]

    if job == "lenet64":
        layers = [nn.Conv2d(1, 32, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 5), nn.ReLU(), nn.MaxPool2d(2),
                  nn.Flatten(), nn.Linear(1024, 128), nn.ReLU(), nn.Linear(128, 10)]
        shape = (1, 28, 28)
    elif job == "resnet128":
        widths = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
        layers = [convolved(3, 16), nn.ReLU()] + [pair(n, m, 1 + (n != m)) for n, m in zip(widths, widths[1:])]
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
        shape = (3, 32, 32)
    elif job == "gpt":
        layers = [nn.Embedding(65, 128), Positions(64, 128), *(part for _ in range(4) for part in block(128, 4)),
                  nn.LayerNorm(128), nn.Linear(128, 65, bias=False), nn.Flatten(0, 1)]
    else:
        layers = [nn.Embedding(65, 64), First(nn.LSTM(64, 128, batch_first=True)), nn.Linear(128, 65), nn.Flatten(0, 1)]
    if job in ("gpt", "lstm"):
        return nn.Sequential(*layers), torch.randint(65, (batch, 64)), torch.randint(65, (batch * 64,))
    return nn.Sequential(*layers), torch.randn(batch, *shape), torch.randint(10, (batch,))


def torch_steps():
    import torch

    torch.set_num_threads(threads)

    def chain():
        widths, act, batch, loss, _ = NETS[job]
        layers = []
        for n, m in zip(widths, widths[1:]):
            layers += [torch.nn.Linear(n, m), {"relu": torch.nn.ReLU, "sigmoid": torch.nn.Sigmoid}[act]()]
        t = torch.randint(widths[-1], (batch,)) if loss == "classes" else torch.randn(batch, widths[-1])
        return torch.nn.Sequential(*(layers if job == "xor" else layers[:-1])), torch.randn(batch, widths[0]), t

    def parts(last=False):
        net, x, t = torch_net() if job in DEEP else chain()
        if last:
            net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
        rule = {
            "sgd": lambda w: torch.optim.SGD(w, 0.01, fused=True),
            "momentum": lambda w: torch.optim.SGD(w, 0.1, momentum=0.9, weight_decay=1e-4, fused=True),
            "adam": lambda w: torch.optim.Adam(w, 1e-3, fused=True),
            "adamw": lambda w: torch.optim.AdamW(w, 1e-3, fused=True),
        }[(DEEP.get(job) or NETS[job])[-1]](net.parameters())
        measure = torch.nn.MSELoss() if t.is_floating_point() else torch.nn.CrossEntropyLoss()
        return lambda a, b: measure(net(a), b), x, t, rule

    def eager(last=False):
        loss, x, t, rule = parts(last)

        def step():
            rule.zero_grad(set_to_none=True)
            loss(x, t).backward()
            rule.step()
        return step

    def compiled(last=False):
        loss, x, t, rule = parts(last)
        forward = torch.compile(loss)
        update = torch.compile(lambda: rule.step())

        def step():
            forward(x, t).backward()
            update()
            rule.zero_grad(set_to_none=True)
        return step

    yield "torch", eager, torch.__version__
    yield "torch.compile", compiled, torch.__version__
    if job in ("lenet64", "resnet128"):
        yield "torch-channels-last", lambda: eager(True), torch.__version__
        yield "torch.compile-channels-last", lambda: compiled(True), torch.__version__


def jax_steps():
    import jax
    import jax.numpy as jnp
    import optax

    if job in ("resnet128", "lstm"):
        return
    key = jax.random.PRNGKey(0)
    normal = lambda *shape: jax.random.normal(key, shape) / shape[0] ** 0.5
    entropy = lambda y, t: optax.softmax_cross_entropy_with_integer_labels(y, t).mean()

    def chain():
        widths, act, batch, loss, _ = NETS[job]
        weights = [(normal(n, m), jnp.zeros(m)) for n, m in zip(widths, widths[1:])]
        x = jax.random.normal(key, (batch, widths[0]))
        t = jax.random.randint(key, (batch,), 0, widths[-1]) if loss == "classes" else jax.random.normal(key, (batch, widths[-1]))
        squash = jax.nn.relu if act == "relu" else jax.nn.sigmoid

        def measure(weights):
            y = x
            for i, (w, b) in enumerate(weights):
                y = y @ w + b
                if i + 1 < len(weights) or job == "xor":
                    y = squash(y)
            return entropy(y, t) if loss == "classes" else jnp.mean((y - t) ** 2)
        return weights, measure

    def lenet():
        kernel = lambda *shape: jax.random.normal(key, shape) * 0.05
        weights = [(kernel(5, 5, 1, 32), jnp.zeros(32)), (kernel(5, 5, 32, 64), jnp.zeros(64)), (normal(1024, 128), jnp.zeros(128)), (normal(128, 10), jnp.zeros(10))]
        x, t = jax.random.normal(key, (64, 28, 28, 1)), jax.random.randint(key, (64,), 0, 10)

        def measure(weights):
            y = x
            for w, b in weights[:2]:
                y = jax.lax.conv_general_dilated(y, w, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
                y = jax.lax.reduce_window(jax.nn.relu(y + b), -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
            (w, b), (v, c) = weights[2:]
            return entropy(jax.nn.relu(y.reshape(64, -1) @ w + b) @ v + c, t)
        return weights, measure

    def gpt():
        small = lambda *shape: jax.random.normal(key, shape) * 0.02
        norm = lambda: (jnp.ones(128), jnp.zeros(128))
        layer = lambda: (norm(), small(128, 384), small(128, 128), norm(), small(128, 512), small(512, 128))
        weights = (small(65, 128), small(64, 128), [layer() for _ in range(4)], norm(), small(128, 65))
        x, t = (jax.random.randint(key, (12, 64), 0, 65) for _ in range(2))

        def normed(x, scale, shift):
            return (x - x.mean(-1, keepdims=True)) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5) * scale + shift

        def measure(weights):
            tokens, places, layers, last, head = weights
            y = tokens[x] + places
            for n1, into, out, n2, up, down in layers:
                q, k, v = (z.reshape(12, 64, 4, 32) for z in jnp.split(normed(y, *n1) @ into, 3, -1))
                y = y + jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(12, 64, 128) @ out
                y = y + jax.nn.gelu(normed(y, *n2) @ up, approximate=False) @ down
            return entropy(normed(y, *last) @ head, t)
        return weights, measure

    def make():
        weights, measure = {"lenet64": lenet, "gpt": gpt}.get(job, chain)()
        rule = {"sgd": optax.sgd(0.01), "adam": optax.adam(1e-3), "adamw": optax.adamw(1e-3)}[(DEEP.get(job) or NETS[job])[-1]]

        @jax.jit
        def update(weights, state):
            change, state = rule.update(jax.grad(measure)(weights), state, weights)
            return optax.apply_updates(weights, change), state

        now = [weights, rule.init(weights)]

        def step():
            now[0], now[1] = update(*now)
            jax.block_until_ready(now[0])
        return step

    yield "jax", make, jax.__version__


def sklearn_steps():
    import sklearn
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    if job == "xor" or job in DEEP:
        return
    widths, act, batch, loss, optimizer = NETS[job]
    batches = 40

    def make():
        x = np.random.randn(batch * batches, widths[0]).astype("f")
        kind, extra = (MLPClassifier, {"classes": np.arange(widths[-1])}) if loss == "classes" else (MLPRegressor, {})
        t = np.random.randint(widths[-1], size=len(x)) if extra else np.random.randn(len(x)).astype("f")
        net = kind(hidden_layer_sizes=widths[1:-1], activation=act, solver=optimizer, batch_size=batch, momentum=0)
        net.partial_fit(x, t, **extra)
        return lambda: net.partial_fit(x, t)

    yield "scikit-learn", make, sklearn.__version__, batches


def onnxruntime_steps():
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    widths = PREDICT[job]

    def make():
        nodes, weights, name = [], [], "x"
        for i, (n, m) in enumerate(zip(widths, widths[1:])):
            weights += [numpy_helper.from_array(np.random.randn(n, m).astype("f"), f"w{i}"), numpy_helper.from_array(np.zeros(m, "f"), f"b{i}")]
            nodes.append(helper.make_node("Gemm", [name, f"w{i}", f"b{i}"], [f"y{i}"]))
            name = f"y{i}"
            if i + 2 < len(widths):
                nodes.append(helper.make_node("Relu", [name], [name + "r"]))
                name += "r"
        ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, w]) for n, w in (("x", widths[0]), (name, widths[-1]))]
        model = helper.make_model(helper.make_graph(nodes, "net", ends[:1], ends[1:], weights), opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        bound = session.io_binding()
        bound.bind_cpu_input("x", np.random.randn(1, widths[0]).astype("f"))
        bound.bind_output(name)
        return lambda: session.run_with_iobinding(bound)

    yield "onnxruntime", make, onnxruntime.__version__


for library in (onnxruntime_steps,) if job in PREDICT else (torch_steps, jax_steps, sklearn_steps):
    try:
        for peer, make, version, *batches in library():
            print(peer, f"{best(make()) / (batches[0] if batches else 1):.6f}", version, flush=True)
    except Exception as e:  # a peer that is missing or fails is left out, and said
        print(f"{library.__name__}: {type(e).__name__}: {str(e)[:200]}", file=sys.stderr)
