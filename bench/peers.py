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


def torch_steps():
    import torch

    torch.set_num_threads(threads)
    widths, act, batch, loss, optimizer = NETS[job]
    x = torch.randn(batch, widths[0])
    t = torch.randint(widths[-1], (batch,)) if loss == "classes" else torch.randn(batch, widths[-1])
    measure = torch.nn.CrossEntropyLoss() if loss == "classes" else torch.nn.MSELoss()

    def parts():
        layers = []
        for n, m in zip(widths, widths[1:]):
            layers += [torch.nn.Linear(n, m), {"relu": torch.nn.ReLU, "sigmoid": torch.nn.Sigmoid}[act]()]
        net = torch.nn.Sequential(*(layers if job == "xor" else layers[:-1]))
        rule = torch.optim.Adam(net.parameters(), 1e-3, fused=True) if optimizer == "adam" else torch.optim.SGD(net.parameters(), 0.01)
        return net, rule

    def eager():
        net, rule = parts()

        def step():
            rule.zero_grad(set_to_none=True)
            measure(net(x), t).backward()
            rule.step()
        return step

    def compiled():
        net, rule = parts()
        forward = torch.compile(lambda a, b: measure(net(a), b))
        update = torch.compile(lambda: rule.step())

        def step():
            forward(x, t).backward()
            update()
            rule.zero_grad(set_to_none=True)
        return step

    yield "torch", eager, torch.__version__
    yield "torch.compile", compiled, torch.__version__


def jax_steps():
    import jax
    import jax.numpy as jnp
    import optax

    widths, act, batch, loss, optimizer = NETS[job]
    key = jax.random.PRNGKey(0)

    def make():
        weights = [(jax.random.normal(key, (n, m)) / n**0.5, jnp.zeros(m)) for n, m in zip(widths, widths[1:])]
        x = jax.random.normal(key, (batch, widths[0]))
        t = jax.random.randint(key, (batch,), 0, widths[-1]) if loss == "classes" else jax.random.normal(key, (batch, widths[-1]))
        rule = optax.adam(1e-3) if optimizer == "adam" else optax.sgd(0.01)
        squash = jax.nn.relu if act == "relu" else jax.nn.sigmoid

        def measure(weights):
            y = x
            for i, (w, b) in enumerate(weights):
                y = y @ w + b
                if i + 1 < len(weights) or job == "xor":
                    y = squash(y)
            if loss == "classes":
                return optax.softmax_cross_entropy_with_integer_labels(y, t).mean()
            return jnp.mean((y - t) ** 2)

        @jax.jit
        def update(weights, state):
            change, state = rule.update(jax.grad(measure)(weights), state)
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

    widths, act, batch, loss, optimizer = NETS[job]
    batches = 40

    def make():
        if job == "xor":
            return None
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
            step = make()
            if step:
                print(peer, f"{best(step) / (batches[0] if batches else 1):.6f}", version, flush=True)
    except Exception as e:  # a peer that is missing or fails is left out, and said
        print(f"{library.__name__}: {type(e).__name__}: {str(e)[:200]}", file=sys.stderr)
