"""The nine nets that the speed benches race, with seeded random weights, and their export: one ONNX file for everybody.

Weights are scaled so that activations stay alive: batch norms hold the statistics of random pictures, heads are not zero.
Text models read embeddings [N, tokens, width], so that all of them have one float input with a gradient.
"""
import warnings

import torch
from torch import nn

warnings.filterwarnings("ignore")
# Beside a CPU build of torch, torchvision misses operators that it wants to describe.
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import timm  # noqa: E402
import torchvision.models as vision  # noqa: E402
import transformers  # noqa: E402

PICTURE = (3, 224, 224)
TOKENS = 128


class Text(nn.Module):
    def __init__(self, width, layers, heads):
        super().__init__()
        config = transformers.BertConfig(hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
                                         intermediate_size=4 * width, vocab_size=100, num_labels=1000)
        self.model = transformers.BertForSequenceClassification(config)

    def forward(self, x):
        return self.model(inputs_embeds=x).logits


NETS = {
    "squeezenet": (PICTURE, lambda: vision.squeezenet1_1(weights=None)),
    "mobilenet-v2": (PICTURE, lambda: vision.mobilenet_v2(weights=None)),
    "efficientnet-b0": (PICTURE, lambda: vision.efficientnet_b0(weights=None)),
    "resnet-50": (PICTURE, lambda: vision.resnet50(weights=None)),
    "vgg-19": (PICTURE, lambda: vision.vgg19(weights=None)),
    "deit-tiny": (PICTURE, lambda: timm.create_model("deit_tiny_patch16_224", pretrained=False)),
    "vit-b16": (PICTURE, lambda: timm.create_model("vit_base_patch16_224", pretrained=False)),
    "minilm": ((TOKENS, 384), lambda: Text(384, 6, 12)),
    "bert-base": ((TOKENS, 768), lambda: Text(768, 12, 12)),
}
TRANSFORMERS = {"deit-tiny", "vit-b16", "minilm", "bert-base"}


def make(name):
    """The net, ready to be explained, and the shape of one example."""
    shape, maker = NETS[name]
    torch.manual_seed(1)
    model = maker()
    norms = [each for each in model.modules() if isinstance(each, nn.BatchNorm2d)]
    if norms:
        for norm in norms:
            norm.momentum = None
        model.train()
        with torch.no_grad():
            model(torch.randn(8, *shape))
    if name in TRANSFORMERS:
        for each in model.modules():
            if isinstance(each, nn.Linear):
                nn.init.normal_(each.weight, std=each.in_features ** -0.5)
    return model.eval().requires_grad_(False), shape


def export(model, shape, file):
    torch.onnx.export(model, (torch.randn(2, *shape),), str(file), input_names=["x"], output_names=["y"], opset_version=17,
                      dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}}, dynamo=False)
