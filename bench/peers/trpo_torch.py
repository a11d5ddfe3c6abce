"""The peer: TRPO's policy update in PyTorch, in the way of OpenAI's Spinning Up, on CUDA if there is one.

Fisher-vector products are Hessian-vector products of the KL divergence by differentiating twice; the
graph of the first derivative is built once an update, so that a product costs one backward pass through
it. Otherwise as src/algos/trpo.ts: the same damping, every fifth sample in the products, ten iterations
of conjugate gradient, ten candidates.

Prints one JSON document: {device, torch, threads, gflops, rows: [{shape, median_ms, threads}]}. `gflops`,
those of a plain matrix product, tell a PyTorch without a good BLAS. On a CPU one thread, PyTorch's
default and all cores are tried, and a row is that of the fastest: on a busy machine threads that wait
for one another may take ten times as long as one alone.
"""

import argparse
import json
import math
import os
import statistics
import time

import torch

MAX_KL, CG_ITERS, DAMPING, EVERY, BACKTRACK, TRIES = 0.01, 10, 0.1, 5, 0.8, 10
NETWORKS = ["112-64-64-28", "112-256-256-28", "112-1024-512-28"]
LOG_STD = -1.0
# PyTorch's default first
THREADS = list(dict.fromkeys([torch.get_num_threads(), 1, os.cpu_count() or 1]))


class Policy(torch.nn.Module):
    """A tanh network for the mean of a Gaussian, and a log standard deviation apart from the state."""

    def __init__(self, sizes):
        super().__init__()
        layers = []
        for inputs, outputs in zip(sizes, sizes[1:]):
            linear = torch.nn.Linear(inputs, outputs)
            scale = 0.1 if outputs == sizes[-1] else 1.0
            torch.nn.init.normal_(linear.weight, std=scale / inputs**0.5)
            torch.nn.init.zeros_(linear.bias)
            layers += [linear, torch.nn.Tanh()]
        self.mean = torch.nn.Sequential(*layers[:-1])
        self.log_std = torch.nn.Parameter(torch.full((sizes[-1],), LOG_STD))

    def forward(self, observations):
        return self.mean(observations), self.log_std


def log_density(mean, log_std, actions):
    """Of actions [rows, columns], up to a constant: [rows]."""
    return (-0.5 * ((actions - mean) * torch.exp(-log_std)) ** 2 - log_std).sum(-1)


def kl_divergence(old_mean, old_log_std, mean, log_std):
    """Mean KL divergence from the old policy to the new, nats."""
    squares = torch.exp(2 * old_log_std) + (old_mean - mean) ** 2
    each = log_std - old_log_std + squares / (2 * torch.exp(2 * log_std)) - 0.5
    return each.sum(-1).mean()


def flat(tensors):
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def assign(parameters, vector):
    """Sets the parameters to the parts of a flat vector."""
    torch.nn.utils.vector_to_parameters(vector, parameters)


def conjugate_gradient(product, g):
    x, r, p = torch.zeros_like(g), g.clone(), g.clone()
    square = r @ r
    for _ in range(CG_ITERS):
        z = product(p)
        alpha = square / (p @ z)
        x += alpha * p
        r -= alpha * z
        following = r @ r
        p = r + (following / square) * p
        square = following
    return x


def update(policy, observations, actions, advantages):
    """One update in place; returns (gain, KL divergence, candidates tried), or None if none was taken."""
    parameters = list(policy.parameters())
    old = flat(parameters).detach()
    mean, log_std = policy(observations)
    density = log_density(mean, log_std, actions)
    old_mean, old_log_std, old_density = mean.detach(), log_std.detach().clone(), density.detach()
    surrogate = (torch.exp(density - old_density) * advantages).mean()
    g = flat(torch.autograd.grad(surrogate, parameters))

    some, some_log_std = policy(observations[::EVERY])
    divergence = kl_divergence(some.detach(), old_log_std, some, some_log_std)
    slope = flat(torch.autograd.grad(divergence, parameters, create_graph=True))
    # of log_std as it is, of the network in units of the information of an action
    information = torch.exp(-2 * old_log_std).mean()
    damping = flat(
        torch.full_like(p, DAMPING) * (1 if p is policy.log_std else information) for p in parameters
    )

    def product(v):
        second = torch.autograd.grad(slope @ v, parameters, retain_graph=True)
        return flat(second) + damping * v

    x = conjugate_gradient(product, g)
    step = torch.sqrt(2 * MAX_KL / (x @ product(x))) * x
    with torch.no_grad():
        for tried in range(TRIES):
            assign(parameters, old + BACKTRACK**tried * step)
            mean, log_std = policy(observations)
            ratio = torch.exp(log_density(mean, log_std, actions) - old_density)
            gain = ((ratio - 1) * advantages).mean().item()
            kl = kl_divergence(old_mean, old_log_std, mean, log_std).item()
            if gain > 0 and kl <= MAX_KL:
                return gain, kl, tried + 1
        assign(parameters, old)
    return None


def time_ms(run, device):
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - start)


def median_ms(run, device, rounds, seconds):
    """Median of at least `rounds` runs and of some `seconds` of them; and the threads they ran in."""
    time_ms(run, device)
    trials = []
    for count in THREADS if device.type == "cpu" else THREADS[:1]:
        torch.set_num_threads(count)
        trials.append((time_ms(run, device), count))
    threads = min(trials)[1]
    torch.set_num_threads(threads)
    times = []
    while len(times) < rounds or sum(times) < 1000 * seconds:
        times.append(time_ms(run, device))
    return statistics.median(times), threads


def update_run(network, samples, device):
    """The update of a network, of the same parameters from the same batch whenever it is called."""
    sizes = [int(width) for width in network.split("-")]
    policy = Policy(sizes).to(device)
    start = flat(policy.parameters()).detach().clone()
    observations = torch.randn(samples, sizes[0], device=device)
    actions = math.exp(LOG_STD) * torch.randn(samples, sizes[-1], device=device)
    advantages = torch.randn(samples, device=device)

    def run():
        assign(policy.parameters(), start)
        return update(policy, observations, actions, advantages)

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, nargs="+", default=[4096, 50000])
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--quick", action="store_true", help="fewer timings")
    options = parser.parse_args()
    rounds, seconds = (3, 0.1) if options.quick else (9, 1)
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    torch.manual_seed(1)
    a, b = (torch.randn(1024, 1024, device=device) for _ in range(2))
    product, _ = median_ms(lambda: a @ b, device, rounds, 0)
    rows = []
    for samples in options.samples:
        for network in options.networks:
            run = update_run(network, samples, device)
            median, threads = median_ms(run, device, rounds, seconds)
            rows.append({"shape": f"{network} x {samples}", "median_ms": median, "threads": threads})
    document = {
        "device": torch.cuda.get_device_name(device) if cuda else "cpu",
        "torch": torch.__version__,
        "threads": max(THREADS),
        "gflops": 2 * 1024**3 / product / 1e6,
        "rows": rows,
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
