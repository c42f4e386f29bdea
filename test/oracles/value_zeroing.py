"""Value zeroing (Mohebbi et al. 2023, with the aggregation of Inseq) by PyTorch, for small checkpoints of test/fixtures.

Run: python value_zeroing.py > value_zeroing.json   (torch 2.13.0, transformers 5.18.0)
"""

import json
import pathlib
import sys

import torch
import transformers
from transformers import AutoModelForCausalLM

fixtures = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "checkpoints"
ids = [1, 7, 12, 5, 9, 14]


def scores(name):
    """Of the last token's row: [layers][tokens], each layer's row scaled to 1."""
    model = AutoModelForCausalLM.from_pretrained(fixtures / name, dtype=torch.float64, attn_implementation="eager").eval()
    layers = model.model.layers
    given = torch.tensor([ids])
    with torch.no_grad():
        clean = model(given, output_hidden_states=True).hidden_states
        rows = []
        for at, layer in enumerate(layers):
            row = []
            for token in range(len(ids)):

                def zeroed(_module, _inputs, output, token=token):
                    output = output.clone()
                    output[:, token] = 0
                    return output

                hook = layer.self_attn.v_proj.register_forward_hook(zeroed)
                # Layers below are as they were; of the last one the states are those behind the norm.
                corrupted = model(given, output_hidden_states=True).hidden_states[at + 1]
                hook.remove()
                similarity = torch.nn.functional.cosine_similarity(clean[at + 1][0, -1], corrupted[0, -1], dim=-1)
                row.append(1 - similarity.item())
            total = sum(row) or 1
            rows.append([value / total for value in row])
    return rows


json.dump(
    {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "ids": ids,
        "scores": {name: scores(name) for name in ["llama", "qwen2", "gemma2"]},
    },
    sys.stdout,
)
print()
