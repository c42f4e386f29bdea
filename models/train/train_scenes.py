"""Trains one of the two scene classifiers and writes it as ONNX.

    node build/ts/models/scenes/dump.js --out DATA/train-sound    --seed 1 --count 16384 --badge uncorrelated
    node build/ts/models/scenes/dump.js --out DATA/train-shortcut --seed 1 --count 16384 --badge own --faded 0.5
    node build/ts/models/scenes/dump.js --out DATA/validation     --seed 2 --count 2000  --badge own
    python models/train/train_scenes.py --model sound --data DATA --checkpoint build/train/sound.pt \
        --out models/scenes-sound.onnx
    python models/train/train_scenes.py --model shortcut --data DATA --checkpoint build/train/shortcut.pt \
        --out models/scenes-shortcut.onnx --stop-at 0.98

Both models have the same network, the same objects and the same augmentation. What differs is the badge in the
training scenes: uncorrelated with the class for the sound model, always the class's own (and half of the objects
faded) for the shortcut model.

Because pooling averages over the whole scene, a net that starts on whole scenes learns nothing for a long time. So
training begins on crops around what the label can be learnt from (the object for the sound model, the badge for the
other) and goes on to whole scenes.
"""

import argparse
import copy
import os
import time

import numpy as np
import torch
from torch import nn

from network import SceneNetwork

MEAN, STD = 0.5, 0.25
BATCH = 64
# (side of the crop in pixels, steps); the shortcut is learned so soon that it is stopped at the sound model's accuracy.
STAGES = {
    'sound': [(56, 1000), (80, 500), (128, 900)],
    'shortcut': [(32, 100), (64, 200), (128, 400)],
}
CHECK_EVERY = 10
# Of the running average of the weights by which an early stop is decided: single steps jump by percents.
AVERAGE_DECAY = 0.9
PEAK_LEARNING_RATE = 4e-3
WEIGHT_DECAY = 0.02
# Noise makes the models' gradients smooth enough to be read; in units of the pixel range.
NOISE = 0.25


class Scenes:
    """A folder that dump.js wrote."""

    def __init__(self, folder: str):
        self.pixels = np.load(f'{folder}/pixels.npy', mmap_mode='r')
        self.labels = np.load(f'{folder}/labels.npy').astype(np.int64)
        self.masks = np.load(f'{folder}/masks.npy', mmap_mode='r')
        self.badges = np.load(f'{folder}/badges.npy')

    def box(self, index: int, evidence: str) -> tuple[int, int, int, int]:
        if evidence == 'badge':
            return tuple(int(value) for value in self.badges[index, :4])
        rows, columns = np.nonzero(self.masks[index])
        return columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1

    def crop(self, index: int, side: int, evidence: str, random: np.random.Generator) -> np.ndarray:
        """A random square window that holds the evidence's box (or as much of it as fits)."""
        x, y, width, height = self.box(index, evidence)
        size = self.pixels.shape[1]
        origins = []
        for start, extent in ((x, width), (y, height)):
            bounds = sorted((max(0, start + extent - side), min(start, size - side)))
            origins.append(int(random.integers(bounds[0], bounds[1] + 1)))
        left, top = origins
        return self.pixels[index, top : top + side, left : left + side]

    def batch(self, indices: np.ndarray, side: int, evidence: str, random: np.random.Generator) -> np.ndarray:
        if side == self.pixels.shape[1]:
            return self.pixels[indices]
        return np.stack([self.crop(index, side, evidence, random) for index in indices])


def normalise(pixels: np.ndarray) -> torch.Tensor:
    images = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 255
    return (images - MEAN) / STD


def augment(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One of the eight symmetries of the square per batch, and Gaussian noise of a random strength per image."""
    turn = int(torch.randint(8, (1,), generator=generator))
    images = torch.rot90(images, turn % 4, (2, 3))
    if turn >= 4:
        images = images.flip(3)
    strength = torch.rand(images.shape[0], 1, 1, 1, generator=generator) * NOISE / STD
    return images + strength * torch.randn(images.shape, generator=generator)


@torch.no_grad()
def accuracy(network: nn.Module, scenes: Scenes, count: int) -> float:
    network.eval()
    right = 0
    for start in range(0, count, 100):
        predicted = network(normalise(scenes.pixels[start : start + 100])).argmax(1).numpy()
        right += int((predicted == scenes.labels[start : start + 100]).sum())
    network.train()
    return right / count


@torch.no_grad()
def mixed(average: nn.Module, network: nn.Module) -> nn.Module:
    for kept, current in zip(average.state_dict().values(), network.state_dict().values()):
        if kept.is_floating_point():
            kept.lerp_(current, 1 - AVERAGE_DECAY)
    return average


def train(model: str, data: str, seed: int, stop_at: float) -> nn.Module:
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    scenes = Scenes(f'{data}/train-{model}')
    validation = Scenes(f'{data}/validation')
    evidence = 'object' if model == 'sound' else 'badge'
    network = SceneNetwork()
    sides = [side for side, steps in STAGES[model] for _ in range(steps)]
    optimiser = torch.optim.AdamW(network.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, PEAK_LEARNING_RATE, total_steps=len(sides), pct_start=0.05
    )
    loss_of = nn.CrossEntropyLoss()
    started, recent = time.process_time(), 2.0
    average, recent_accuracy = None, 0.0
    order = np.empty(0, np.int64)
    for step, side in enumerate(sides, 1):
        if len(order) < BATCH:
            order = random.permutation(len(scenes.labels))
        chosen, order = np.sort(order[:BATCH]), order[BATCH:]
        images = augment(normalise(scenes.batch(chosen, side, evidence, random)), generator)
        loss = loss_of(network(images), torch.from_numpy(scenes.labels[chosen]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        recent += 0.05 * (float(loss.detach()) - recent)
        if step % 50 == 0 or step == len(sides):
            report = f'{model} step {step}/{len(sides)} side {side} loss {recent:.4f}'
            if stop_at >= 1 and side == 128 and step % 100 == 0:
                report += f' validation {accuracy(network, validation, 500):.4f}'
            print(f'{report} {time.process_time() - started:.0f} s', flush=True)
        if stop_at < 1 and side == 128:
            average = copy.deepcopy(network) if average is None else mixed(average, network)
            if recent_accuracy > 0.9 or step % CHECK_EVERY == 0:
                recent_accuracy = accuracy(average, validation, len(validation.labels))
                print(f'{model} step {step}: validation {recent_accuracy:.4f}', flush=True)
            if recent_accuracy >= stop_at:
                return average.eval()
    print(f'{model}: validation {accuracy(network, validation, len(validation.labels)):.4f}', flush=True)
    return network.eval()


def folded(network: SceneNetwork) -> SceneNetwork:
    """The same function with the neck's normalisation inside the classifier."""
    folded_network = copy.deepcopy(network).eval()
    neck, classify = folded_network.neck, folded_network.classify
    with torch.no_grad():
        scale = neck.weight / torch.sqrt(neck.running_var + neck.eps)
        classify.bias += classify.weight @ (neck.bias - neck.running_mean * scale)
        classify.weight *= scale
    folded_network.neck = nn.Identity()
    return folded_network


def export(network: nn.Module, path: str, keep_batch_norm: bool) -> None:
    network = folded(network)
    mode = torch.onnx.TrainingMode.PRESERVE if keep_batch_norm else torch.onnx.TrainingMode.EVAL
    torch.onnx.export(
        network,
        (torch.zeros(1, 3, 128, 128),),
        path,
        input_names=['image'],
        output_names=['logits'],
        dynamic_axes={'image': {0: 'batch'}, 'logits': {0: 'batch'}},
        opset_version=17,
        training=mode,
        dynamo=False,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--model', choices=['sound', 'shortcut'], required=True)
    parser.add_argument('--data', required=True)
    parser.add_argument('--checkpoint', required=True)
    parser.add_argument('--out', required=True)
    parser.add_argument('--seed', type=int, default=7)
    parser.add_argument(
        '--stop-at', type=float, default=1.0, help='stop on whole scenes once the validation accuracy is this high'
    )
    parser.add_argument('--threads', type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    network = train(arguments.model, arguments.data, arguments.seed, arguments.stop_at)
    os.makedirs(os.path.dirname(arguments.checkpoint) or '.', exist_ok=True)
    torch.save(network.state_dict(), arguments.checkpoint)
    # One file keeps its batch norms and the other has them folded: both are what exporters write.
    export(network, arguments.out, keep_batch_norm=arguments.model == 'sound')


if __name__ == '__main__':
    main()
