# Prints the losses that tests/test_lbfgs.c compares with: 30 steps of PyTorch's L-BFGS in float64.
import math

import torch

torch.set_default_dtype(torch.float64)
x = torch.tensor([[math.sin(1.3 * i + 0.7 * k) for k in range(2)] for i in range(12)])
t = torch.cos(2 * x[:, :1]) + x[:, 1:] ** 2
net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
with torch.no_grad():
    for name, w in net.named_parameters():
        first = len(name) + (2 if name.startswith("2") else 0)
        w.copy_(torch.tensor([0.5 * math.sin(first + i) for i in range(w.numel())]).view_as(w))
optimizer = torch.optim.LBFGS(net.parameters(), max_iter=1, max_eval=100, history_size=4, line_search_fn="strong_wolfe")


def closure():
    optimizer.zero_grad()
    loss = ((net(x) - t) ** 2).mean()
    loss.backward()
    return loss


for _ in range(30):
    print("%.17g" % optimizer.step(closure).item())
