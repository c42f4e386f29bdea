"""The one architecture of both scene classifiers."""

import torch
from torch import nn

CLASSES = 8


def block(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Residual(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.first = block(channels, channels, 3, 1)
        self.convolution = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.activation = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(x + self.norm(self.convolution(self.first(x))))


class SceneNetwork(nn.Module):
    """Image [N,3,128,128], normalised, to logits [N,8]."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            block(3, 16, 5, 2),
            block(16, 24, 3, 2),
            Residual(24),
            block(24, 48, 3, 2),
            Residual(48),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        # The object is a small part of the scene, so pooled features hardly differ between scenes; normalising them
        # lets training start at once. It is folded into the classifier before export.
        self.neck = nn.BatchNorm1d(48)
        self.classify = nn.Linear(48, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classify(self.neck(torch.flatten(self.pool(self.features(x)), 1)))
