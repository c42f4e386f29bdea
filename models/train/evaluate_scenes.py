"""Measures both scene classifiers on held-out scenes: accuracy with and without badges, and where their smoothed
gradients lie, next to rows that know nothing of the model. Prints one JSON object.

    node build/ts/models/scenes/dump.js --out DATA/test-own   --seed 3 --count 4000 --badge own
    node build/ts/models/scenes/dump.js --out DATA/test-none  --seed 3 --count 4000 --badge none
    node build/ts/models/scenes/dump.js --out DATA/test-other --seed 3 --count 4000 --badge other
    python models/train/evaluate_scenes.py --data DATA --models models --checkpoints build/train
"""

import argparse
import json
import math

import numpy as np
import onnxruntime
import torch
from torch.nn import functional

from network import SceneNetwork
from train_scenes import STD, Scenes, normalise

Z = 1.959964


def wilson(hits: int, count: int) -> dict:
    """A share with its 95 % Wilson score interval."""
    share = hits / count
    centre = (share + Z * Z / (2 * count)) / (1 + Z * Z / count)
    half = Z * math.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count)) / (1 + Z * Z / count)
    return {'share': round(share, 4), 'low': round(centre - half, 4), 'high': round(centre + half, 4), 'n': count}


def mean_interval(values: np.ndarray) -> dict:
    half = Z * values.std(ddof=1) / math.sqrt(len(values))
    mean = values.mean()
    return {'mean': round(mean, 4), 'low': round(mean - half, 4), 'high': round(mean + half, 4), 'n': len(values)}


def predict(session: onnxruntime.InferenceSession, scenes: Scenes) -> np.ndarray:
    predicted = []
    for start in range(0, len(scenes.labels), 50):
        images = normalise(scenes.pixels[start : start + 50]).numpy()
        predicted.append(session.run(None, {'image': images})[0].argmax(1))
    return np.concatenate(predicted)


def smooth_gradient(network: torch.nn.Module, image: torch.Tensor, samples: int, noise: float, seed: int) -> np.ndarray:
    """Mean gradient of the top logit over noisy copies; its absolute value, summed over the colours."""
    with torch.no_grad():
        target = int(network(image[None]).argmax())
    generator = torch.Generator().manual_seed(seed)
    noisy = image + noise / STD * torch.randn(samples, *image.shape, generator=generator)
    noisy.requires_grad_(True)
    network(noisy)[:, target].sum().backward()
    return noisy.grad.mean(0).abs().sum(0).numpy()


def sobel(pixels: np.ndarray) -> np.ndarray:
    kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    grey = torch.from_numpy(pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32))
    grey = functional.pad(grey[None, None], (1, 1, 1, 1), mode='replicate')
    across, down = (functional.conv2d(grey, k[None, None]) for k in (kernel, kernel.t()))
    return torch.sqrt(across**2 + down**2)[0, 0].numpy()


def badge_mask(box: np.ndarray, size: int) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    mask[box[1] : box[1] + box[3], box[0] : box[0] + box[2]] = 1
    return mask


def localisation(maps: list[np.ndarray], masks: list[np.ndarray]) -> dict:
    hits = sum(int(mask.flat[int(map_.argmax())]) for map_, mask in zip(maps, masks))
    shares = np.array([float((map_ * mask).sum() / map_.sum()) for map_, mask in zip(maps, masks)])
    return {'pointing': wilson(hits, len(maps)), 'mass': mean_interval(shares)}


def random_network(seed: int) -> torch.nn.Module:
    """The same architecture with untrained weights, its normalisations calibrated on noise so that it is alive."""
    torch.manual_seed(seed)
    network = SceneNetwork().train()
    with torch.no_grad():
        for _ in range(30):
            network(torch.randn(16, 3, 128, 128))
    return network.eval()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--data', required=True)
    parser.add_argument('--models', required=True)
    parser.add_argument('--checkpoints', required=True)
    parser.add_argument('--scenes', type=int, default=200)
    parser.add_argument('--samples', type=int, default=25)
    parser.add_argument('--noise', type=float, default=0.15, help='standard deviation as a share of the pixel range')
    parser.add_argument('--threads', type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tests = {badge: Scenes(f'{arguments.data}/test-{badge}') for badge in ('own', 'none', 'other')}
    report: dict = {'accuracy': {}, 'localisation': {}}

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    for name in ('sound', 'shortcut'):
        session = onnxruntime.InferenceSession(f'{arguments.models}/scenes-{name}.onnx', options)
        predicted = {badge: predict(session, scenes) for badge, scenes in tests.items()}
        labels = tests['own'].labels
        report['accuracy'][name] = {
            badge: wilson(int((predicted[badge] == labels).sum()), len(labels)) for badge in tests
        }
        for badge in ('none', 'other'):
            changed = int((predicted[badge] != predicted['own']).sum())
            report['accuracy'][name][f'changed by {badge}'] = wilson(changed, len(labels))

    scenes = tests['own']
    indices = range(arguments.scenes)
    size = scenes.pixels.shape[1]
    masks = {
        'object': [scenes.masks[index] for index in indices],
        'badge': [badge_mask(scenes.badges[index], size) for index in indices],
    }
    coordinates = np.mgrid[:size, :size] - (size - 1) / 2
    centre = np.exp(-(coordinates**2).sum(0) / (2 * (size / 4) ** 2))
    images = [normalise(scenes.pixels[index : index + 1])[0] for index in indices]
    maps: dict = {
        'uniform': [np.random.default_rng(index).random((size, size)) * 1e-6 + 1 for index in indices],
        'centre': [centre for _ in indices],
        'sobel': [sobel(scenes.pixels[index]) for index in indices],
    }
    networks = {'random': random_network(11)}
    for name in ('sound', 'shortcut'):
        networks[name] = SceneNetwork().eval()
        networks[name].load_state_dict(torch.load(f'{arguments.checkpoints}/{name}.pt'))
    for name, network in networks.items():
        maps[name] = [
            smooth_gradient(network, images[index], arguments.samples, arguments.noise, index) for index in indices
        ]
    for row, row_maps in maps.items():
        report['localisation'][row] = {kind: localisation(row_maps, masks[kind]) for kind in masks}
    print(json.dumps(report, indent=2))


if __name__ == '__main__':
    main()
