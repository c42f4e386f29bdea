"""Measures the vision transformer on held-out scenes, whole and with cells of a 7 x 7 grid set to black. Prints JSON.

    node build/ts/models/scenes/dump.js --out DATA/test-own   --seed 3 --count 1000 --badge own
    node build/ts/models/scenes/dump.js --out DATA/test-none  --seed 3 --count 1000 --badge none
    node build/ts/models/scenes/dump.js --out DATA/test-other --seed 3 --count 1000 --badge other
    python models/train/evaluate_transformer.py --data DATA --models models
"""

import argparse
import json

import numpy as np
import onnxruntime

from evaluate_scenes import predict, wilson
from train_scenes import Scenes, normalise
from train_transformer import BLACK

CELLS = 7


def predict_masked(session: onnxruntime.InferenceSession, scenes: Scenes, count: int, share: float, seed: int) -> np.ndarray:
    """With cells removed at random, but none that shows some of the object."""
    random = np.random.default_rng(seed)
    cell = np.arange(scenes.pixels.shape[1]) * CELLS // scenes.pixels.shape[1]
    predicted = []
    for start in range(0, count, 50):
        images = normalise(scenes.pixels[start : start + 50]).numpy()
        for image, mask in zip(images, scenes.masks[start : start + 50]):
            rows, columns = np.nonzero(mask)
            removed = random.random((CELLS, CELLS)) < share
            removed[cell[rows], cell[columns]] = False
            image[:, removed[cell][:, cell]] = BLACK
        predicted.append(session.run(None, {'image': images})[0].argmax(1))
    return np.concatenate(predicted)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--data', required=True)
    parser.add_argument('--models', required=True)
    parser.add_argument('--masked', type=int, default=1000, help='scenes that are masked')
    arguments = parser.parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    report = {}
    for name in ('transformer', 'sound'):
        # Of the convolution net the accuracy on whole scenes is known: evaluate_scenes.py.
        session = onnxruntime.InferenceSession(f'{arguments.models}/scenes-{name}.onnx', options)
        report[name] = {}
        for badge in ('own', 'none', 'other') if name == 'transformer' else ():
            scenes = Scenes(f'{arguments.data}/test-{badge}')
            right = predict(session, scenes) == scenes.labels
            report[name][badge] = wilson(int(right.sum()), len(right))
        scenes = Scenes(f'{arguments.data}/test-none')
        for share in (0.3, 0.6, 0.9):
            right = predict_masked(session, scenes, arguments.masked, share, 1) == scenes.labels[: arguments.masked]
            report[name][f'none, {share:.0%} of other cells black'] = wilson(int(right.sum()), len(right))
    print(json.dumps(report, indent=2))


if __name__ == '__main__':
    main()
