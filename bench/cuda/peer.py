"""PyTorch on the same GPU: exports the models that the bench runs, records what they give, and times them.

    python bench/cuda/peer.py FOLDER [--quick] [--attributions]

Writes FOLDER/NAME.onnx, NAME.{x,y,gradient}.f32 (raw, batch 2) and peer.json: milliseconds from host array to host array
by batch, in single precision with and without TF32, the better of channels_last and not. Where captum is found, integrated
gradients in 50 steps and SmoothGrad of 50 samples on SqueezeNet and ResNet-50 too: milliseconds of the best internal batch
size, and the scores of the former. `--attributions` leaves everything else out.
"""
import json
import sys
import time
from pathlib import Path

import torch
import torchvision  # noqa

try:
    import captum
    from captum.attr import IntegratedGradients, NoiseTunnel, Saliency
except ImportError:
    captum = None

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
quick = "--quick" in sys.argv
torch.backends.mha.set_fastpath_enabled(False)  # its fused operator has neither an export nor a gradient
device = "cuda" if torch.cuda.is_available() else "cpu"
explained = ("squeezenet1_1", "resnet50")
alone = "--attributions" in sys.argv
batches = [] if alone else [1] if quick else [1, 8, 32]


def models():
    makers = {"squeezenet1_1": torchvision.models.squeezenet1_1, "mobilenet_v2": torchvision.models.mobilenet_v2}
    if not quick:
        makers |= {"resnet50": torchvision.models.resnet50, "vgg11": torchvision.models.vgg11, "vit_b_16": torchvision.models.vit_b_16}
    for name, make in makers.items():
        if alone and name not in explained:
            continue
        torch.manual_seed(1)
        model = make(weights=None)
        if name == "vit_b_16":  # its head starts at zero
            torch.nn.init.normal_(model.heads.head.weight, std=0.05)
        yield name, model.eval().requires_grad_(False)


def gradient(model, x):
    x = x.detach().requires_grad_(True)
    model(x)[:, 7].sum().backward()
    return x.grad


def milliseconds(run, rounds):
    for _ in range(3):
        run()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()  # ends with a copy to the host, which waits
        times.append((time.perf_counter() - start) * 1e3)
    return sorted(times)[len(times) // 2]


report = {"torch": torch.__version__, "device": torch.cuda.get_device_name(0) if device == "cuda" else "cpu", "models": {}}
for name, model in models():
    x = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(3))
    torch.onnx.export(model, (x,), str(folder / f"{name}.onnx"), input_names=["x"], output_names=["y"], opset_version=17,
                      dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}}, dynamo=False)
    double = model.double()
    for what, value in {"x": x, "y": double(x.double()), "gradient": gradient(double, x.double())}.items():
        (folder / f"{name}.{what}.f32").write_bytes(value.detach().float().contiguous().numpy().tobytes())
    exact = gradient(double, x.double())
    model = model.float().to(device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    single = gradient(model, x.to(device)).cpu().double()
    rows = {"gradientError": float((single - exact).norm() / exact.norm())}
    for batch in batches:
        host = torch.randn(batch, 3, 224, 224)
        row = {}
        for tf32 in (False, True):
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
            for layout in (torch.contiguous_format, torch.channels_last):
                model = model.to(memory_format=layout)

                def forward():
                    with torch.no_grad():
                        return model(host.to(device).to(memory_format=layout)).cpu()

                def both():
                    return gradient(model, host.to(device).to(memory_format=layout)).cpu()

                for what, run in {"forward": forward, "gradient": both}.items():
                    key = what + ("_tf32" if tf32 else "")
                    row[key] = min(row.get(key, 1e9), milliseconds(run, 5 if quick else 15))
        rows[batch] = row
    if captum and name in explained:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        host = x[:1].contiguous()
        best, smooth = (1e9, 0), (1e9, 0)
        for layout in (torch.contiguous_format, torch.channels_last):
            explainer = IntegratedGradients(model.to(memory_format=layout))
            tunnel = NoiseTunnel(Saliency(model))
            for inner in ([10] if quick else [10, 25, 50]):

                def explain():
                    on_device = host.to(device).to(memory_format=layout)
                    return explainer.attribute(on_device, target=7, n_steps=50, internal_batch_size=inner).float().cpu()

                def smoothen():
                    on_device = host.to(device).to(memory_format=layout)
                    return tunnel.attribute(on_device, nt_type="smoothgrad", nt_samples=50, nt_samples_batch_size=inner, stdevs=0.1, target=7).float().cpu()

                best = min(best, (milliseconds(explain, 3 if quick else 7), inner))
                smooth = min(smooth, (milliseconds(smoothen, 3 if quick else 7), inner))
                scores = explain()
        (folder / f"{name}.integrated.f32").write_bytes(scores.contiguous().numpy().tobytes())
        rows["integrated"] = {"milliseconds": best[0], "inner": best[1]}
        rows["smooth"] = {"milliseconds": smooth[0], "inner": smooth[1]}
    report["models"][name] = rows
(folder / "peer.json").write_text(json.dumps(report, indent=1))
