"""PyTorch and Captum at the command of the speed benches: a line of JSON in, a line of JSON out.

    python peer.py FOLDER THREADS       (torch, torchvision, timm, transformers, onnx, captum)

FOLDER holds the exported nets (made here where they are missing) and the inputs, x-NET-BATCH.f32.
"""
import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
import nets  # noqa: E402

try:
    import captum
    from captum.attr import IntegratedGradients, NoiseTunnel, Saliency
except ImportError:
    captum = None

folder, threads = Path(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(threads)
TARGET = 7
COMPILE_SECONDS = int(os.environ.get("ASCRIBE_BENCH_COMPILE_SECONDS", "300"))
net, shape, compiled = None, None, {}


def load(name):
    global net, shape
    net, shape = nets.make(name)
    compiled.clear()
    file = folder / f"{name}.onnx"
    if not file.exists():
        nets.export(net, shape, folder / f"{name}.part")
        (folder / f"{name}.part").rename(file)
    return dict(file=str(file), shape=shape)


def picture(name, batch, variant):
    file = folder / f"x-{name}-{batch}.f32"
    # Batches that only find Captum's best internal size repeat the one example.
    data = bytearray(file.read_bytes()) if file.exists() else bytearray((folder / f"x-{name}-1.f32").read_bytes() * batch)
    x = torch.frombuffer(data, dtype=torch.float32).reshape(batch, *shape)
    return x.to(memory_format=torch.channels_last) if variant == "channels_last" else x


def modelled(variant):
    if variant == "channels_last":
        return net.to(memory_format=torch.channels_last)
    plain = net.to(memory_format=torch.contiguous_format)
    if variant != "compile":
        return plain
    if "model" not in compiled:
        compiled["model"] = torch.compile(plain, dynamic=False)
    return compiled["model"]


def gradient(model, x):
    x = x.detach().requires_grad_(True)
    model(x)[:, TARGET].sum().backward()
    return x.grad


def forward(model, x):
    with torch.no_grad():
        return model(x)


def integrated(model, x, steps, inner):
    return IntegratedGradients(model).attribute(x, target=TARGET, n_steps=steps, internal_batch_size=inner)


def smooth(model, x, samples, inner):
    return NoiseTunnel(Saliency(model)).attribute(x, target=TARGET, nt_type="smoothgrad", stdevs=0.3, nt_samples=samples,
                                                  nt_samples_batch_size=inner or samples)


def anonymous():
    return int(re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1e3


def peak(run):
    """Megabytes above what was there before, at most, while it runs."""
    before, top, done = anonymous(), [0.0], threading.Event()

    def watch():
        while not done.wait(0.002):
            top[0] = max(top[0], anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    run()
    done.set()
    watcher.join()
    return max(top[0], anonymous()) - before


def answer(do, net=None, batch=1, variant="plain", steps=50, inner=None):
    if do == "load":
        return load(net)
    model, x = modelled(variant), picture(net, batch, variant)
    runs = dict(forward=lambda: forward(model, x), gradient=lambda: gradient(model, x),
                integrated=lambda: integrated(model, x, steps, inner), smooth=lambda: smooth(model, x, steps, inner))
    if do == "values":
        for what in ("forward", "gradient"):
            (folder / f"{what}-{net}-{batch}.f32").write_bytes(runs[what]().detach().contiguous().numpy().tobytes())
        return {}
    if do == "peak":
        return dict(megabytes=peak(runs["integrated"]))
    # A compiler that takes too long is left out, as the bench says.
    signal.alarm(COMPILE_SECONDS if variant == "compile" else 0)
    start, busy = time.perf_counter(), time.process_time()
    runs[do]()
    took, busy = time.perf_counter() - start, time.process_time() - busy
    signal.alarm(0)
    return dict(milliseconds=took * 1e3, busy=busy * 1e3)


def too_long(_signal, _frame):
    raise TimeoutError(f"its compiler took more than {COMPILE_SECONDS} s")


signal.signal(signal.SIGALRM, too_long)


print(json.dumps(dict(torch=torch.__version__, captum=captum and captum.__version__, pid=os.getpid())), flush=True)
for line in sys.stdin:
    try:
        result = answer(**json.loads(line))
    except Exception as error:  # noqa: BLE001 (said to the bench, which leaves the variant out)
        signal.alarm(0)
        result = dict(error=f"{type(error).__name__}: {error}"[:300])
    print(json.dumps(result), flush=True)
