"""What single precision makes of a convolution net and its gradient: PyTorch in double and single on the weights of the
same ONNX file that ascribe reads.

    python rounding.py FOLDER OUT [NET ...]       (torch, onnx, numpy)

For each net of FOLDER (see nets.py) and each of three seeded pictures, OUT gets the picture, logits, the gradient of logit 7
and which ReLUs and clips are open, in double; and a line of JSON with how far PyTorch's f32 is from that.
"""
import json
import pathlib
import sys

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch.nn import functional as F

PICTURES = 3
CLASS = 7


def attributes(node):
    return {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}


class Net:
    """The graph node by node; gates are the signs that its kinks saw."""

    def __init__(self, file, dtype, layout):
        self.graph = onnx.load(file).graph
        self.dtype, self.layout = dtype, layout
        self.weights = {}
        for each in self.graph.initializer:
            tensor = torch.from_numpy(numpy_helper.to_array(each).copy())
            if tensor.is_floating_point():
                tensor = tensor.to(dtype)
                if tensor.dim() == 4:
                    tensor = tensor.contiguous(memory_format=layout)
            self.weights[each.name] = tensor

    def __call__(self, x):
        values, gates = {**self.weights, self.graph.input[0].name: x, "": None}, []
        for node in self.graph.node:
            a, inputs = attributes(node), [values[name] for name in node.input]
            values[node.output[0]] = self.apply(node.op_type, a, inputs, gates)
        return values[self.graph.output[0].name], gates

    def apply(self, op, a, inputs, gates):
        first = inputs[0] if inputs else None
        if op == "Conv":
            top, left, bottom, right = a.get("pads", [0, 0, 0, 0])
            assert (top, left) == (bottom, right)
            return F.conv2d(first, inputs[1], inputs[2] if len(inputs) > 2 else None, a.get("strides", 1), (top, left),
                            a.get("dilations", 1), a.get("group", 1))
        if op == "Relu":
            gates.append(first > 0)
            return F.relu(first)
        if op == "Clip":
            low, high = float(inputs[1]), float(inputs[2])
            gates.append((first > low) & (first < high))
            return F.hardtanh(first, low, high)
        if op == "MaxPool":
            top, left, bottom, right = a.get("pads", [0, 0, 0, 0])
            # An odd pixel at the end that ceil_mode would take is not in these nets.
            return F.max_pool2d(first, a["kernel_shape"], a["strides"], (top, left), ceil_mode=bool(a.get("ceil_mode", 0)))
        if op == "GlobalAveragePool":
            return F.adaptive_avg_pool2d(first, 1)
        if op == "AveragePool":
            return F.avg_pool2d(first, a["kernel_shape"], a["strides"])
        if op == "ReduceMean":
            return first.mean(a["axes"], bool(a.get("keepdims", 1)))
        if op == "Gemm":
            return F.linear(first, inputs[1] if a.get("transB", 0) else inputs[1].T, inputs[2])
        if op == "Constant":
            return torch.from_numpy(numpy_helper.to_array(a["value"]).copy())
        if op == "Flatten":
            return first.flatten(a.get("axis", 1))
        if op == "Reshape":
            return first.reshape([first.shape[i] if n == 0 else n for i, n in enumerate(inputs[1].tolist())])
        if op == "Add":
            return first + inputs[1]
        if op == "Mul":
            return first * inputs[1]
        if op == "Sigmoid":
            return torch.sigmoid(first)
        if op == "Concat":
            return torch.cat(inputs, a["axis"])
        if op in ("Identity", "Dropout"):
            return first
        raise SystemExit(f"no rule for {op}")


def gradient(net, x):
    x = x.to(net.dtype).contiguous(memory_format=net.layout).requires_grad_()
    logits, gates = net(x)
    (found,) = torch.autograd.grad(logits[:, CLASS].sum(), x)
    bits = torch.cat([each.detach().contiguous(memory_format=torch.contiguous_format).flatten() for each in gates]) if gates else torch.zeros(0, dtype=torch.bool)
    return logits.detach(), found.detach().contiguous(memory_format=torch.contiguous_format), bits


def distance(a, b):
    return float((a.double() - b).norm() / b.norm())


def main(folder, out, names):
    torch.set_num_threads(2)
    plain, last = torch.contiguous_format, torch.channels_last
    for name in names:
        nets = {"exact": Net(folder / f"{name}.onnx", torch.float64, plain), "plain": Net(folder / f"{name}.onnx", torch.float32, plain),
                "channels_last": Net(folder / f"{name}.onnx", torch.float32, last)}
        for seed in range(PICTURES):
            x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(seed))
            logits, exact, gates = gradient(nets["exact"], x)
            x.numpy().tofile(out / f"{name}-{seed}.x")
            logits.numpy().tofile(out / f"{name}-{seed}.logits")
            exact.numpy().tofile(out / f"{name}-{seed}.gradient")
            gates.numpy().astype(np.uint8).tofile(out / f"{name}-{seed}.gates")
            line = {"net": name, "picture": seed, "gates": gates.numel(), "torch": torch.__version__}
            for way in ("plain", "channels_last"):
                y, g, open_gates = gradient(nets[way], x)
                line[way] = {"forward": distance(y, logits), "gradient": distance(g, exact), "flipped": int((open_gates != gates).sum())}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:] or ["squeezenet", "mobilenet-v2", "resnet-50", "vgg-19", "efficientnet-b0"])
