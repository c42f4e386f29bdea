"""Trains one of the two scene classifiers and writes it as ONNX.

    node build/ts/models/scenes/dump.js --out DATA/train-sound    --seed 1 --count 16384 --badge uncorrelated
    node build/ts/models/scenes/dump.js --out DATA/train-shortcut --seed 1 --count 16384 --badge own --faded 0.5
    node build/ts/models/scenes/dump.js --out DATA/validation     --seed 2 --count 2000  --badge own
    python models/train/train_scenes.py --model sound --data DATA --checkpoint build/train/sound.pt \
        --out models/scenes-sound.onnx

Both models have the same network, the same objects and the same augmentation. What differs is the badge in the
training scenes: uncorrelated with the class for the sound model, always the class's own (and half of the objects
faded) for the shortcut model.
"""

import argparse
import os
import time

import numpy as np
import torch
from torch import nn

from network import SceneNetwork

MEAN, STD = 0.5, 0.25
BATCH = 64
# The shortcut is learned sooner; it stops earlier so that both are equally accurate on validation scenes.
EPOCHS = {'sound': 8, 'shortcut': 4}
PEAK_LEARNING_RATE = 4e-3
WEIGHT_DECAY = 0.02
# Noise makes the models' gradients smooth enough to be read; in units of the pixel range.
NOISE = 0.25


def load(folder: str) -> tuple[np.ndarray, np.ndarray]:
    return (np.load(f'{folder}/pixels.npy', mmap_mode='r'), np.load(f'{folder}/labels.npy').astype(np.int64))


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
def accuracy(network: nn.Module, pixels: np.ndarray, labels: np.ndarray) -> float:
    network.eval()
    right = 0
    for start in range(0, len(labels), 100):
        predicted = network(normalise(pixels[start : start + 100])).argmax(1).numpy()
        right += int((predicted == labels[start : start + 100]).sum())
    return right / len(labels)


def train(model: str, data: str, epochs: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    pixels, labels = load(f'{data}/train-{model}')
    validation = load(f'{data}/validation')
    network = SceneNetwork()
    steps = epochs * (len(labels) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_LEARNING_RATE, total_steps=steps, pct_start=0.15)
    loss_of = nn.CrossEntropyLoss()
    started = time.time()
    for epoch in range(epochs):
        network.train()
        order = torch.randperm(len(labels), generator=generator).numpy()
        total, batches = 0.0, len(labels) // BATCH
        for batch in range(batches):
            chosen = np.sort(order[batch * BATCH : (batch + 1) * BATCH])
            images = augment(normalise(pixels[chosen]), generator)
            loss = loss_of(network(images), torch.from_numpy(labels[chosen]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss)
            if batch % 32 == 31:
                print(f'  {batch + 1}/{batches} loss {total / (batch + 1):.3f} {time.time() - started:.0f} s', flush=True)
        measured = accuracy(network, *validation)
        print(f'{model} epoch {epoch + 1}: loss {total / batches:.4f} validation {measured:.4f}', flush=True)
    return network.eval()


def export(network: nn.Module, path: str, keep_batch_norm: bool) -> None:
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
    parser.add_argument('--epochs', type=int)
    parser.add_argument('--seed', type=int, default=7)
    parser.add_argument('--threads', type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    network = train(arguments.model, arguments.data, arguments.epochs or EPOCHS[arguments.model], arguments.seed)
    os.makedirs(os.path.dirname(arguments.checkpoint) or '.', exist_ok=True)
    torch.save(network.state_dict(), arguments.checkpoint)
    # One file keeps its batch norms and the other has them folded: both are what exporters write.
    export(network, arguments.out, keep_batch_norm=arguments.model == 'sound')


if __name__ == '__main__':
    main()
