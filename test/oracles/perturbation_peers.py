"""Records what Captum and shap give for small cases of methods on masked inputs, in double precision (what
Captum gives passes through single precision).

    python test/oracles/perturbation_peers.py > test/oracles/perturbation_peers.json

Needs torch, scikit-learn, shap 0.51.0 and Captum (https://github.com/pytorch/captum, the commit in CAPTUM below), each
found by Python.
"""

import json
import sys
from itertools import product

import numpy as np
import shap
import sklearn
import torch
from captum.attr import LimeBase, Occlusion, ShapleyValues
from captum.attr._core.lime import get_exp_kernel_similarity_function
from captum._utils.models.linear_model import SkLearnLasso

CAPTUM = 'faac08773131888714b15709b28494ebeea7f6eb'
WIDTH = 6
# The function: sum over k of o[k] tanh(sum over i of a[k][i] x[i] + b[k]), plus 0.5 x0 x3.
A = [[round(float(np.sin(1 + 3 * k + 7 * i)), 3) for i in range(WIDTH)] for k in range(4)]
B = [0.1, -0.3, 0.2, 0.05]
O = [1.5, -2.0, 1.0, 0.75]
X = [0.9, -1.2, 0.4, 1.1, -0.7, 0.6]
BASE = [0.1, 0.2, -0.1, 0.0, 0.3, -0.2]
HIERARCHY = [[[0, 1], 2], [3, [4, 5]]]


def value(x: torch.Tensor) -> torch.Tensor:
    hidden = torch.tanh(x @ torch.tensor(A, dtype=torch.float64).T + torch.tensor(B, dtype=torch.float64))
    return hidden @ torch.tensor(O, dtype=torch.float64) + 0.5 * x[:, 0] * x[:, 3]


def occlusion_picture() -> dict:
    """A sum of products over a picture [2, 5, 7]; windows of 3 x 3 that step by 2 are cut off at the edges."""
    weights = torch.sin(torch.arange(70, dtype=torch.float64)).reshape(2, 5, 7)
    picture = torch.cos(torch.arange(70, dtype=torch.float64) * 0.7).reshape(1, 2, 5, 7)
    scores = Occlusion(lambda x: torch.tanh((x * weights).sum((1, 2, 3)) / 4)).attribute(
        picture, sliding_window_shapes=(2, 3, 3), strides=(2, 2, 2), baselines=0
    )
    return {'scores': scores[0, 0].flatten().tolist()}


def lime_over_all_masks(x: torch.Tensor, base: torch.Tensor) -> dict:
    def every_mask(_original, **_):
        yield from (torch.tensor([z], dtype=torch.float64) for z in product([0, 1], repeat=WIDTH))

    lime = LimeBase(
        value,
        SkLearnLasso(alpha=0.01, tol=1e-14, max_iter=1_000_000),
        get_exp_kernel_similarity_function('cosine', 1.0),
        every_mask,
        True,
        lambda z, original, **_: z * original + (1 - z) * base,
        None,
    )
    return {'scores': lime.attribute(x, n_samples=2**WIDTH)[0].tolist()}


def owen(x: torch.Tensor, base: torch.Tensor) -> dict:
    # scipy's form of HIERARCHY: rows join two clusters; the order of joins is by their distance.
    clustering = np.array([[0, 1, 0.1, 2], [4, 5, 0.2, 2], [6, 2, 0.3, 3], [3, 7, 0.4, 3], [8, 9, 0.5, 6]], float)
    masker = shap.maskers.Partition(base.numpy(), clustering=clustering)
    explainer = shap.explainers.Partition(lambda rows: value(torch.tensor(rows, dtype=torch.float64)).numpy(), masker)
    return {'hierarchy': HIERARCHY, 'scores': explainer(x.numpy(), max_evals=4000).values[0].tolist()}


def main() -> None:
    x, base = torch.tensor([X], dtype=torch.float64), torch.tensor([BASE], dtype=torch.float64)
    numbers = lambda rows: value(torch.tensor(rows, dtype=torch.float64)).numpy()
    kernel = shap.KernelExplainer(numbers, base.numpy()).shap_values(x.numpy(), nsamples=2**WIDTH, l1_reg=0, silent=True)
    record = {
        'versions': {
            'python': sys.version.split()[0],
            'torch': torch.__version__,
            'shap': shap.__version__,
            'scikit-learn': sklearn.__version__,
            'captum': CAPTUM,
        },
        'function': {'a': A, 'b': B, 'o': O, 'x': X, 'baseline': BASE},
        'occlusion': Occlusion(value)
        .attribute(x, sliding_window_shapes=(3,), strides=(2,), baselines=base)[0]
        .tolist(),
        'occlusionPicture': occlusion_picture(),
        'shapley': ShapleyValues(value).attribute(x, baselines=base)[0].tolist(),
        'kernelShap': kernel[0].tolist(),
        'lime': lime_over_all_masks(x, base),
        'owen': owen(x, base),
    }
    lines = (f'  {json.dumps(key)}: {json.dumps(entry)}' for key, entry in record.items())
    print('{\n' + ',\n'.join(lines) + '\n}')


if __name__ == '__main__':
    main()
