"""LiMA in PyTorch, batched, written from its specification: what bench/region-search.bench.ts races against.

Reads one JSON document a line from standard input and answers each with one. Needs torch and numpy.
Measured with torch 2.13.0 (CPU), numpy 2.4.
"""

import json
import struct
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

dtypes = {"F32": np.float32, "I64": np.int64}


def read_weights(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        start = 8 + length
        weights = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            first, last = entry["data_offsets"]
            file.seek(start + first)
            data = np.frombuffer(file.read(last - first), dtypes[entry["dtype"]])
            weights[name] = torch.from_numpy(data.reshape(entry["shape"]).copy())
    return weights


def squeezenet(w):
    fire = [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)]

    def forward(x):
        def conv(x, at, **how):
            return F.relu(F.conv2d(x, w[f"w{at}"], w[f"b{at}"], **how), inplace=True)

        def pool(x):
            return F.max_pool2d(x, 3, 2, ceil_mode=True)

        x = pool(conv(x, 1, stride=2))
        at = 2
        for index in range(len(fire)):
            squeezed = conv(x, at)
            x = torch.cat([conv(squeezed, at + 1), conv(squeezed, at + 2, padding=1)], 1)
            at += 3
            if index in (2, 6):
                x = pool(x)
        return conv(x, at).mean((2, 3))

    return forward


def vision_transformer(w):
    # As torch.nn.Linear holds them: [out, in].
    lin = {name: w[name].t().contiguous() for name in w if name.endswith(".w") and w[name].dim() == 2}

    def forward(x):
        def linear(x, name):
            return F.linear(x, lin[f"{name}.w"], w[f"{name}.b"])

        def norm(x, name):
            return F.layer_norm(x, (768,), w[f"{name}.w"], w[f"{name}.b"], 1e-6)

        x = F.conv2d(x, w["patch.w"], w["patch.b"], stride=16).flatten(2).transpose(1, 2)
        x = F.pad(x, (0, 0, 1, 0)) + w["positions"]
        n, t, _ = x.shape
        for layer in range(12):
            qkv = linear(norm(x, f"l{layer}.n1"), f"l{layer}.qkv").view(n, t, 3, 12, 64)
            q, k, v = qkv.permute(2, 0, 3, 1, 4)
            joined = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, 768)
            x = x + linear(joined, f"l{layer}.out")
            x = x + linear(F.gelu(linear(norm(x, f"l{layer}.n2"), f"l{layer}.up")), f"l{layer}.down")
        return linear(norm(x, "n")[:, 0], "head")

    return forward


models = {"squeezenet": squeezenet, "vision-transformer": vision_transformer}


class Search:
    def __init__(self, forward, regions, baseline, batch):
        self.forward, self.batch = forward, batch
        self.count = int(regions.max()) + 1
        self.regions = torch.from_numpy(regions)
        self.baseline = baseline
        self.evaluations = 0

    def probabilities(self, image, sets):
        """Softmax of the image where each set is shown; sets [n, regions] of bool."""
        out = []
        for first in range(0, len(sets), self.batch):
            mask = sets[first : first + self.batch][:, self.regions][:, None]
            out.append(self.forward(torch.where(mask, image, self.baseline)))
        self.evaluations += len(sets)
        return torch.softmax(torch.cat(out).double(), 1)

    def scores(self, image, target, sets):
        both = self.probabilities(image, torch.cat([sets, ~sets]))
        shown, rest = both[: len(sets)], both[len(sets) :]
        entropy = -(shown * torch.log(shown + 1e-7)).sum(1)
        confidence = 1 - entropy / np.log(shown.shape[1])
        return (20 * shown[:, target] + 5 * (1 - rest[:, target]) + 0.01 * confidence).tolist()

    def run(self, image, target, pending, steps):
        positive, negative = [], []

        def grown(members, candidates):
            sets = torch.zeros(len(candidates), self.count, dtype=torch.bool)
            for row, candidate in enumerate(candidates):
                sets[row, members + [candidate]] = True
            return sets

        while True:
            candidates = [r for r in range(self.count) if r not in positive and r not in negative]
            if len(candidates) == 1:
                positive.append(candidates[0])
                break
            if len(positive) == steps:
                break
            scores = self.scores(image, target, grown(positive, candidates))
            winner = candidates[int(np.argmax(scores))]
            last = len(positive) + 1 == steps
            if len(candidates) > pending and not last:
                order = sorted(range(len(candidates)), key=lambda at: (scores[at], candidates[at]))
                waiting = [candidates[at] for at in order[:pending] if candidates[at] != winner]
                worth = self.scores(image, target, grown(negative, waiting))
                negative.append(waiting[int(np.argmin(worth))])
            positive.append(winner)
        ends = torch.zeros(2, self.count, dtype=torch.bool)
        ends[0] = True
        self.probabilities(image, ends)
        return positive, negative[::-1]


def main():
    torch.set_grad_enabled(False)
    state = {}
    for line in sys.stdin:
        ask = json.loads(line)
        if ask["do"] == "load":
            torch.set_num_threads(ask["threads"])
            state["model"], state["weights"] = ask["model"], read_weights(ask["weights"])
            state["forward"] = models[ask["model"]](state["weights"])
            data = read_weights(ask["data"])
            state["images"], state["regions"] = data["images"], data["regions"].numpy()
            state["baseline"] = data["baseline"]
            answer = {"torch": torch.__version__}
        elif ask["do"] == "layout":
            # Pictures and kernels of four axes as they are written, or with channels last: convolutions may be faster.
            layout = torch.channels_last if ask["channels_last"] else torch.contiguous_format
            weights, name = state["weights"], state["model"]
            weights = {k: v.contiguous(memory_format=layout) if v.dim() == 4 else v for k, v in weights.items()}
            state["forward"] = models[name](weights)
            state["images"] = state["images"].contiguous(memory_format=layout)
            answer = {}
        elif ask["do"] == "forward":
            images = state["images"]
            rows = images[torch.arange(ask["batch"]) % len(images)]
            state["forward"](rows)
            best = float("inf")
            for _ in range(2):
                start = time.perf_counter()
                state["forward"](rows)
                best = min(best, time.perf_counter() - start)
            answer = {"ms": best * 1000 / ask["batch"]}
        else:
            search = Search(state["forward"], state["regions"], state["baseline"], ask["batch"])
            start, cpu = time.perf_counter(), time.process_time()
            orders = []
            for at, target in enumerate(ask["targets"]):
                image = state["images"][at : at + 1]
                orders.append(search.run(image, target, ask["pending"], ask["steps"]))
            answer = {
                "ms": (time.perf_counter() - start) * 1000,
                "cpu": (time.process_time() - cpu) * 1000,
                "orders": orders,
                "evaluations": search.evaluations,
            }
        print(json.dumps(answer), flush=True)


main()
