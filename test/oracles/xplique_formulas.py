"""Records Sobol indices and HSIC of a small function, from the formulas of Xplique 2.0 written out with numpy: matrices in
full, none of the shortcuts; test/fixtures/peers/record_games.py runs Xplique itself. Its Sobol sequence, which is TensorFlow's, is PyTorch's
here, of the same direction numbers.

    python test/oracles/xplique_formulas.py > test/oracles/xplique_formulas.json

Needs numpy and torch. Measured with numpy 2.4.6, torch 2.13.0.
"""

import json

import numpy as np
import torch

WIDTH, DESIGN, SAMPLES = 6, 32, 64
A = np.array([[round(float(np.sin(1 + 3 * k + 7 * i)), 3) for i in range(WIDTH)] for k in range(4)])
B, O = np.array([0.1, -0.3, 0.2, 0.05]), np.array([1.5, -2.0, 1.0, 0.75])
X = np.array([0.9, -1.2, 0.4, 1.1, -0.7, 0.6])


def value(masks: np.ndarray) -> np.ndarray:
    """Masks in [0, 1] say how much of each number is kept."""
    x = masks * X
    return np.tanh(x @ A.T + B) @ O + 0.5 * x[:, 0] * x[:, 3]


def sequence(count: int, dimensions: int) -> np.ndarray:
    return torch.quasirandom.SobolEngine(dimensions).draw(count, dtype=torch.float64).numpy()


def sobol() -> dict:
    points = sequence(DESIGN, 2 * WIDTH)
    first, second = points[:, :WIDTH], points[:, WIDTH:]
    base = value(first)
    mixed = []
    for at in range(WIDTH):
        rows = first.copy()
        rows[:, at] = second[:, at]
        mixed.append(value(rows))
    variance, mean = base.var(ddof=1), base.mean()
    energy = [(base * other).mean() for other in mixed]
    return {
        'points': points[:8].tolist(),
        'base': base.tolist(),
        'mixed': [other.tolist() for other in mixed],
        'jansen': [float(((base - other) ** 2).sum() / (2 * DESIGN * variance)) for other in mixed],
        'homma': [float((variance - e + mean**2) / variance) for e in energy],
        'saltelli': [float(1 - (e - mean**2) / variance) for e in energy],
        'glen': [float(1 - np.corrcoef(base, other)[0, 1]) for other in mixed],
    }


def hsic() -> dict:
    masks = np.round(sequence(SAMPLES, WIDTH))
    y = value(masks)
    width = np.median(y)
    output = np.exp(-((y[:, None] - y[None, :]) ** 2) / (2 * width**2))
    centring = np.eye(SAMPLES) - np.ones((SAMPLES, SAMPLES)) / SAMPLES
    centred = centring @ output @ centring
    scores = []
    for at in range(WIDTH):
        kernel = 1 + 0.5 - (masks[:, at, None] - masks[None, :, at]) ** 2
        scores.append(float(((centring @ kernel @ centring) * centred).sum() / SAMPLES))
    return {'masks': masks.astype(int).tolist(), 'values': y.tolist(), 'width': float(width), 'scores': scores}


def main() -> None:
    record = {'versions': {'numpy': np.__version__, 'torch': torch.__version__}, 'sobol': sobol(), 'hsic': hsic()}
    print('{\n' + ',\n'.join(f'  {json.dumps(key)}: {json.dumps(entry)}' for key, entry in record.items()) + '\n}')


if __name__ == '__main__':
    main()
