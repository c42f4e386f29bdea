"""Exports architectures of timm and transformers with seeded random weights, by both of PyTorch's exporters, for
bench/architectures.bench.ts, which says what became of each.

    python bench/architectures/export.py FOLDER [NAME…]
    (torch 2.13, onnx, onnxscript, timm, transformers; a quarter of an hour, 2 GB)

Beside the files lies exports.json: the versions that made them, and what was not exported and why.
"""
import json
import sys
import warnings
from pathlib import Path

import onnx
import onnxscript
import torch

warnings.filterwarnings("ignore")
# Beside a CPU build of torch, torchvision misses operators that it wants to describe.
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import timm  # noqa: E402
import transformers as hf  # noqa: E402

TIMM = {  # name: (model, image size)
    "resnet18": ("resnet18", 96), "vgg11-bn": ("vgg11_bn", 224), "densenet121": ("densenet121", 64),
    "inception-v3": ("inception_v3", 139), "mobilenet-v2": ("mobilenetv2_050", 96),
    "mobilenet-v3": ("mobilenetv3_small_050", 96), "efficientnet-b0": ("efficientnet_b0", 96),
    "efficientnet-v2": ("efficientnetv2_rw_t", 96), "convnext": ("convnext_atto", 96), "regnet-x": ("regnetx_002", 96),
    "regnet-y": ("regnety_002", 96), "ghostnet": ("ghostnet_050", 96), "repvgg": ("repvgg_a0", 64),
    "rexnet": ("rexnet_100", 96), "swin": ("swin_tiny_patch4_window7_224", 224), "vit": ("vit_tiny_patch16_224", 224),
    "deit": ("deit_tiny_distilled_patch16_224", 224), "mixer": ("mixer_s32_224", 224), "levit": ("levit_128s", 224),
    "mobilevit": ("mobilevit_xxs", 128), "xcit": ("xcit_nano_12_p16_224", 224), "poolformer": ("poolformer_s12", 96),
    "maxvit": ("maxvit_rmlp_pico_rw_256", 256), "hrnet": ("hrnet_w18_small", 96), "eva": ("eva02_tiny_patch14_224", 224),
}
SMALL = dict(hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=128, vocab_size=200)


class Logits(torch.nn.Module):
    """One tensor out, whatever the model returns."""

    def __init__(self, model, take):
        super().__init__()
        self.model, self.take = model, take

    def forward(self, *inputs):
        return self.take(self.model, *inputs)


def decoder(model, ids):
    """A mask of ones where the older exporter traces: it has no operator for how its absence is dealt with."""

    def take(model, ids):
        mask = torch.ones_like(ids) if torch.jit.is_tracing() else None
        return model(input_ids=ids, attention_mask=mask, use_cache=False).logits

    return Logits(model, take), (ids,), ["ids"]


class WithPast(torch.nn.Module):
    """One decoding step: keys and values of the past come in as tensors and go out longer."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids, *past):
        cache = hf.DynamicCache()
        for layer in range(len(past) // 2):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        out = self.model(input_ids=ids, past_key_values=cache, use_cache=True)
        new = [t for layer in out.past_key_values.layers for t in (layer.keys, layer.values)]
        return (out.logits, *new)


def encoder(kind, config):
    model = kind(config)
    return Logits(model, lambda m, ids, mask: m(input_ids=ids, attention_mask=mask).logits), (
        torch.randint(0, 200, (1, 12)), torch.ones(1, 12, dtype=torch.int64)), ["ids", "mask"]


def transformers_models():
    yield "bert", encoder(hf.BertForSequenceClassification, hf.BertConfig(**SMALL))
    yield "minilm", encoder(hf.BertForMaskedLM, hf.BertConfig(**{**SMALL, "hidden_size": 48, "num_attention_heads": 12}))
    yield "distilbert", encoder(hf.DistilBertForSequenceClassification, hf.DistilBertConfig(
        dim=64, n_layers=3, n_heads=4, hidden_dim=128, vocab_size=200))
    yield "roberta", encoder(hf.RobertaForSequenceClassification, hf.RobertaConfig(**SMALL))
    yield "electra", encoder(hf.ElectraForSequenceClassification, hf.ElectraConfig(embedding_size=32, **SMALL))
    gpt2 = hf.GPT2LMHeadModel(hf.GPT2Config(n_embd=64, n_layer=3, n_head=4, vocab_size=200, n_positions=64))
    ids = torch.randint(0, 200, (1, 10))
    yield "gpt2", decoder(gpt2, ids)
    past = tuple(torch.randn(1, 4, 7, 16) for _ in range(6))
    yield "gpt2-past", (WithPast(gpt2), (ids[:, :1], *past), ["ids", *[f"past{i}" for i in range(6)]])
    llama = hf.LlamaForCausalLM(hf.LlamaConfig(num_key_value_heads=2, **SMALL))
    yield "llama", decoder(llama, ids)
    opt = hf.OPTForCausalLM(hf.OPTConfig(vocab_size=200, hidden_size=64, word_embed_proj_dim=64, ffn_dim=128,
                                         num_hidden_layers=3, num_attention_heads=4, max_position_embeddings=64))
    yield "opt", decoder(opt, ids)
    t5 = hf.T5ForConditionalGeneration(hf.T5Config(d_model=64, d_kv=16, d_ff=128, num_layers=3, num_heads=4, vocab_size=200))
    yield "t5-encoder", (Logits(t5.encoder, lambda m, ids: m(input_ids=ids).last_hidden_state), (ids,), ["ids"])
    yield "t5", (Logits(t5, lambda m, ids, dec: m(input_ids=ids, decoder_input_ids=dec, use_cache=False).logits),
                 (ids, ids[:, :4]), ["ids", "decoder"])
    clip = hf.CLIPModel(hf.CLIPConfig(
        text_config=dict(max_position_embeddings=16, eos_token_id=199, **SMALL),
        vision_config=dict(image_size=64, patch_size=16, **{k: v for k, v in SMALL.items() if k != "vocab_size"}),
        projection_dim=32))
    text = torch.randint(0, 199, (1, 10))
    text[0, -1] = 199
    yield "clip", (Logits(clip, lambda m, ids, pixels: m(input_ids=ids, pixel_values=pixels).logits_per_image),
                   (text, torch.randn(1, 3, 64, 64)), ["ids", "pixels"])


def models():
    for name, (model, size) in TIMM.items():
        def make(model=model, size=size):
            return timm.create_model(model, pretrained=False, num_classes=100), (torch.randn(1, 3, size, size),), ["pixels"]
        yield name, make
    for name, made in transformers_models():
        yield name, lambda made=made: made


def seeded(things):
    """Each is made from the same seed, whichever are made before it."""
    iterator = iter(things)
    while True:
        torch.manual_seed(0)
        try:
            yield next(iterator)
        except StopIteration:
            return


def main(folder, wanted):
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "exports.json"
    missing = json.loads(record.read_text())["missing"] if record.exists() else {}

    def report(name, what, error):
        line = f"{what}: {type(error).__name__}: {(str(error).splitlines() or [''])[0][:120]}"
        print(f"{name}: {line}", flush=True)
        missing[name] = line

    for name, make in seeded(models()):
        if wanted and name not in wanted:
            continue
        torch.manual_seed(0)
        for kind in ("trace", "dynamo"):
            missing.pop(f"{name}-{kind}", None)
        try:
            model, inputs, names = make()
        except Exception as error:  # noqa: BLE001
            for kind in ("trace", "dynamo"):
                report(f"{name}-{kind}", "not made", error)
            continue
        model = model.eval()
        for module in model.modules():
            # Layer scales of 1e-6 would hide whole branches, and running statistics of 0 and 1 half of batch norm.
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1), module.running_var.uniform_(0.5, 2)
            for key, parameter in module.named_parameters(recurse=False):
                # Heads that begin at 0 would answer 0 to everything.
                if key == "weight" and not parameter.any():
                    parameter.data.normal_(0, 0.1)
                # RepVGG's branches begin at a tenth: over 22 blocks the gradient would fall below what differences see.
                elif key == "weight" and isinstance(module, torch.nn.BatchNorm2d) and parameter.mean() < 0.5:
                    parameter.data.uniform_(0.5, 1)
                if "gamma" in key or "layer_scale" in key:
                    parameter.data.uniform_(0.5, 1)
        for kind in ("trace", "dynamo"):
            path = folder / f"{name}-{kind}.onnx"
            # A trace makes a tensor of a bool that timm hands from module to module; torch's fused attention takes none.
            if name == "eva":
                for module in model.modules():
                    if hasattr(module, "fused_attn"):
                        module.fused_attn = kind == "dynamo"
            try:
                with torch.no_grad():
                    torch.onnx.export(model, inputs, str(path), dynamo=kind == "dynamo", input_names=names,
                                      external_data=False, opset_version=17 if kind == "trace" else 18, verbose=False)
                print(f"{path.name}: {path.stat().st_size >> 10} KB", flush=True)
            except Exception as error:  # noqa: BLE001
                path.unlink(missing_ok=True)
                report(path.stem, "not exported", error)
    versions = {kind.__name__: kind.__version__ for kind in (torch, timm, hf, onnx, onnxscript)}
    record.write_text(json.dumps({"versions": versions, "missing": missing}, indent=2))


main(Path(sys.argv[1]), set(sys.argv[2:]))
