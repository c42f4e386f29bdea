"""Quantus on a classifier, at the command of bench/metrics.bench.ts: a line with the name of a case and a
batch size on standard input, a line with seconds and values on standard output.

    python peer.py MODEL.onnx FOLDER THREADS       (Quantus, torch, onnx; FOLDER holds x.npy, y.npy and maps.npy)
"""
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np

np.trapz = getattr(np, "trapz", None) or np.trapezoid  # NumPy 2.4 has the new name only.
import onnx  # noqa: E402
import quantus  # noqa: E402
import torch  # noqa: E402
from onnx import numpy_helper  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models" / "train"))
from network import SceneNetwork  # noqa: E402

warnings.filterwarnings("ignore")
path, folder, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)


class OnnxNet(torch.nn.Module):
    """The few operations that convolution nets are exported with."""

    def __init__(self, graph):
        super().__init__()
        self.graph = graph
        self.weights = {each.name: torch.from_numpy(numpy_helper.to_array(each).copy()) for each in graph.initializer}

    def forward(self, x):
        F = torch.nn.functional
        values = {**self.weights, self.graph.input[0].name: x}
        for node in self.graph.node:
            given = [values[name] if name else None for name in node.input]
            at = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
            pads = at.get("pads", [0, 0, 0, 0])
            if node.op_type == "Conv":
                if pads[:2] != pads[2:]:
                    given[0], pads = F.pad(given[0], (pads[1], pads[3], pads[0], pads[2])), [0, 0, 0, 0]
                out = F.conv2d(given[0], given[1], given[2] if len(given) > 2 else None, at.get("strides", [1, 1]), pads[:2],
                               at.get("dilations", [1, 1]), at.get("group", 1))
            elif node.op_type == "MaxPool":
                assert pads[:2] == pads[2:]
                out = F.max_pool2d(given[0], at["kernel_shape"], at["strides"], pads[:2], ceil_mode=bool(at.get("ceil_mode", 0)))
            elif node.op_type == "Clip":
                out = torch.clamp(given[0], float(given[1]), float(given[2]))
            else:
                out = {"Relu": lambda: F.relu(given[0]), "Add": lambda: given[0] + given[1], "Dropout": lambda: given[0],
                       "Concat": lambda: torch.cat(given, at.get("axis", 1)), "Flatten": lambda: torch.flatten(given[0], 1),
                       "GlobalAveragePool": lambda: F.adaptive_avg_pool2d(given[0], 1)}[node.op_type]()
            values[node.output[0]] = out
        return values[self.graph.output[0].name]


graph = onnx.load(path).graph
if "scenes" in Path(path).name:
    model = SceneNetwork().eval()
    model.neck = torch.nn.Identity()  # folded into the classifier
    weights = {each.name: torch.from_numpy(numpy_helper.to_array(each).copy()) for each in graph.initializer}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert all(name.endswith("num_batches_tracked") for name in missing), missing
else:
    model = OnnxNet(graph).eval()

x, y, maps = (np.load(folder / f"{name}.npy") for name in ("x", "y", "maps"))


def gradients(model, inputs, targets, **_):
    inputs = torch.as_tensor(inputs, dtype=torch.float32).requires_grad_()
    score = model(inputs)[torch.arange(len(inputs)), torch.as_tensor(targets)].sum()
    return (inputs.detach() * torch.autograd.grad(score, inputs)[0]).numpy()


# About as many steps for every size of picture: 48 of pixel flipping, 64 patches.
steps, side = maps[0].size // 48, x.shape[-1] // 8
quiet = dict(disable_warnings=True, display_progressbar=False)
cases = {
    "PixelFlipping": lambda: quantus.PixelFlipping(features_in_step=steps, return_auc_per_sample=True, **quiet),
    "FaithfulnessCorrelation": lambda: quantus.FaithfulnessCorrelation(return_aggregate=False, **quiet),
    "Infidelity": lambda: quantus.Infidelity(perturb_patch_sizes=[side], n_perturb_samples=1, **quiet),
    "SensitivityMax": lambda: quantus.MaxSensitivity(nr_samples=10, lower_bound=0.02, **quiet),
    "Sparseness": lambda: quantus.Sparseness(**quiet),
    "Complexity": lambda: quantus.Complexity(**quiet),
}
versions = dict(quantus=quantus.__version__, torch=torch.__version__, numpy=np.__version__)
print(json.dumps(versions), flush=True)
for line in sys.stdin:
    name, batch_size = line.split()
    metric = cases[name]()
    start = time.perf_counter()
    values = metric(model=model, x_batch=x, y_batch=y, a_batch=maps.copy(), device="cpu", channel_first=True,
                    explain_func=gradients, batch_size=int(batch_size))
    seconds = time.perf_counter() - start
    print(json.dumps(dict(seconds=seconds, values=np.asarray(values, dtype=float).ravel().tolist())), flush=True)
