"""A small vision transformer for the scenes: the first convolutions of scenes-sound make patches, and attention reads
them."""

import math

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

from network import CLASSES, SceneNetwork

SIZE = 128
PATCH = 16
WIDTH = 64
HEADS = 4
DEPTH = 3
# Blocks of the convolution net that are kept, as they were trained, and the channels that they end in.
STEM_BLOCKS, STEM_WIDTH = 4, 48


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.first_norm = nn.LayerNorm(WIDTH)
        self.read = nn.Linear(WIDTH, 3 * WIDTH)
        self.write = nn.Linear(WIDTH, WIDTH)
        self.second_norm = nn.LayerNorm(WIDTH)
        self.expand = nn.Linear(WIDTH, 4 * WIDTH)
        self.contract = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count, tokens, _ = x.shape
        parts = self.read(self.first_norm(x)).reshape(count, tokens, 3, HEADS, WIDTH // HEADS)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        weights = torch.softmax(query @ key.transpose(-2, -1) / math.sqrt(WIDTH // HEADS), -1)
        x = x + self.write((weights @ value).transpose(1, 2).reshape(count, tokens, WIDTH))
        return x + self.contract(functional.gelu(self.expand(self.second_norm(x))))


class SceneTransformer(nn.Module):
    """Image [N,3,128,128], normalised, to logits [N,8]: 64 patches of 16 x 16 pixels and a class token."""

    def __init__(self, stem: str):
        super().__init__()
        self.stem = stem_of(stem)
        self.patches = nn.Conv2d(STEM_WIDTH, WIDTH, 2, 2)
        self.positions = nn.Parameter(torch.randn(1, (SIZE // PATCH) ** 2, WIDTH) * 0.02)
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH) * 0.02)
        self.layers = nn.Sequential(*(Layer() for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(WIDTH)
        self.classify = nn.Linear(WIDTH, CLASSES)

    def train(self, mode: bool = True) -> 'SceneTransformer':
        super().train(mode)
        self.stem.eval()
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(self.stem(x)).flatten(2).transpose(1, 2) + self.positions
        tokens = torch.cat([self.token.expand(tokens.shape[0], -1, -1), tokens], 1)
        return self.classify(self.norm(self.layers(tokens)[:, 0]))


def stem_of(path: str) -> nn.Sequential:
    """The first blocks of the convolution net in an ONNX file, which are not trained further."""
    stored = {each.name: numpy_helper.to_array(each) for each in onnx.load(path).graph.initializer}
    stem = SceneNetwork().features[:STEM_BLOCKS]
    wanted = {name: value for name, value in stem.state_dict().items() if not name.endswith('num_batches_tracked')}
    stem.load_state_dict(
        {name: torch.from_numpy(np.array(stored[f'features.{name}'])) for name in wanted}, strict=False
    )
    return stem.requires_grad_(False).eval()
