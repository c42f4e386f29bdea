"""Trains the vision transformer of the scenes, with regions dropped, and writes it as ONNX.

    node build/ts/models/scenes/dump.js --out DATA/train-sound --seed 1 --count 12288 --badge uncorrelated
    node build/ts/models/scenes/dump.js --out DATA/validation  --seed 2 --count 1000  --badge own
    python models/train/train_transformer.py --data DATA --stem models/scenes-sound.onnx \
        --checkpoint build/train/transformer.pt --out models/scenes-transformer.onnx

Of half of the images in a batch, cells of a random grid are set to black, each with a probability that is drawn for the
image: masked scenes are then nothing that the model has not seen, and what it says of them can be compared.
"""

import argparse
import os
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from train_scenes import BATCH, MEAN, NOISE, STD, Scenes, normalise
from vision_transformer import SIZE, SceneTransformer

PEAK_LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.05
BLACK = (0 - MEAN) / STD


def drop_regions(images: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """Black cells in every second image or so; a grid of 4 to 12 cells a side, shared by the batch."""
    cells = int(random.integers(4, 13))
    share = random.uniform(0, 0.8, images.shape[0]) * (random.random(images.shape[0]) < 0.5)
    dropped = random.random((images.shape[0], 1, cells, cells)) < share[:, None, None, None]
    mask = functional.interpolate(torch.from_numpy(dropped.astype(np.float32)), images.shape[2:], mode='nearest')
    return torch.where(mask > 0, torch.tensor(BLACK), images)


@torch.no_grad()
def accuracy(network: nn.Module, scenes: Scenes, count: int) -> float:
    network.eval()
    right = 0
    for start in range(0, count, 100):
        predicted = network(normalise(scenes.pixels[start : start + 100])).argmax(1).numpy()
        right += int((predicted == scenes.labels[start : start + 100]).sum())
    network.train()
    return right / count


def train(data: str, stem: str, seed: int, steps: int) -> nn.Module:
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    scenes = Scenes(f'{data}/train-sound')
    validation = Scenes(f'{data}/validation')
    network = SceneTransformer(stem).train()
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=PEAK_LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_LEARNING_RATE, total_steps=steps, pct_start=0.1)
    started, recent = time.process_time(), 2.0
    order = np.empty(0, np.int64)
    for step in range(1, steps + 1):
        if len(order) < BATCH:
            order = random.permutation(len(scenes.labels))
        chosen, order = np.sort(order[:BATCH]), order[BATCH:]
        turn = int(random.integers(8))
        images = torch.rot90(normalise(scenes.pixels[chosen]), turn % 4, (2, 3))
        images = images.flip(3) if turn >= 4 else images
        strength = torch.from_numpy(random.random((len(chosen), 1, 1, 1), np.float32)) * NOISE / STD
        images = drop_regions(images + strength * torch.randn(images.shape), random)
        loss = functional.cross_entropy(network(images), torch.from_numpy(scenes.labels[chosen]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        recent += 0.05 * (float(loss.detach()) - recent)
        if step % 25 == 0 or step == steps:
            report = f'step {step}/{steps} loss {recent:.4f}'
            if step % 200 == 0:
                report += f' validation {accuracy(network, validation, 500):.4f}'
            print(f'{report} {time.process_time() - started:.0f} s', flush=True)
    print(f'validation {accuracy(network, validation, len(validation.labels)):.4f}', flush=True)
    return network.eval()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--data', required=True)
    parser.add_argument('--stem', required=True, help='the ONNX file whose first convolutions make patches')
    parser.add_argument('--checkpoint', required=True)
    parser.add_argument('--out', required=True)
    parser.add_argument('--seed', type=int, default=7)
    parser.add_argument('--steps', type=int, default=1600)
    parser.add_argument('--threads', type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    network = train(arguments.data, arguments.stem, arguments.seed, arguments.steps)
    os.makedirs(os.path.dirname(arguments.checkpoint) or '.', exist_ok=True)
    torch.save(network.state_dict(), arguments.checkpoint)
    torch.onnx.export(
        network,
        (torch.zeros(1, 3, SIZE, SIZE),),
        arguments.out,
        input_names=['image'],
        output_names=['logits'],
        dynamic_axes={'image': {0: 'batch'}, 'logits': {0: 'batch'}},
        opset_version=17,
        dynamo=False,
    )


if __name__ == '__main__':
    main()
