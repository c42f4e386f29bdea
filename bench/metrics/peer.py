"""Quantus on the bundled classifier, at the command of bench/metrics.bench.ts: a line with the name of a case on standard
input, a line with seconds and values on standard output.

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

model = SceneNetwork().eval()
model.neck = torch.nn.Identity()  # folded into the classifier
weights = {each.name: torch.from_numpy(numpy_helper.to_array(each).copy()) for each in onnx.load(path).graph.initializer}
missing, unexpected = model.load_state_dict(weights, strict=False)
assert all(name.endswith("num_batches_tracked") for name in missing), missing

x, y, maps = (np.load(folder / f"{name}.npy") for name in ("x", "y", "maps"))


def gradients(model, inputs, targets, **_):
    inputs = torch.as_tensor(inputs, dtype=torch.float32).requires_grad_()
    score = model(inputs)[torch.arange(len(inputs)), torch.as_tensor(targets)].sum()
    return (inputs.detach() * torch.autograd.grad(score, inputs)[0]).numpy()


quiet = dict(disable_warnings=True, display_progressbar=False)
cases = {
    "PixelFlipping": lambda: quantus.PixelFlipping(features_in_step=1024, return_auc_per_sample=True, **quiet),
    "FaithfulnessCorrelation": lambda: quantus.FaithfulnessCorrelation(return_aggregate=False, **quiet),
    "Infidelity": lambda: quantus.Infidelity(perturb_patch_sizes=[16], n_perturb_samples=1, **quiet),
    "SensitivityMax": lambda: quantus.MaxSensitivity(nr_samples=10, lower_bound=0.02, **quiet),
    "Sparseness": lambda: quantus.Sparseness(**quiet),
    "Complexity": lambda: quantus.Complexity(**quiet),
}
versions = dict(quantus=quantus.__version__, torch=torch.__version__, numpy=np.__version__)
print(json.dumps(versions), flush=True)
for line in sys.stdin:
    metric = cases[line.strip()]()
    start = time.perf_counter()
    values = metric(model=model, x_batch=x, y_batch=y, a_batch=maps.copy(), device="cpu", channel_first=True,
                    explain_func=gradients)
    seconds = time.perf_counter() - start
    print(json.dumps(dict(seconds=seconds, values=np.asarray(values, dtype=float).ravel().tolist())), flush=True)
