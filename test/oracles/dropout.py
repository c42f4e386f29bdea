"""Probabilities of a token under dropout, by PyTorch: mean and standard deviation over many passes of small checkpoints.

Run: python dropout.py > dropout.json   (torch 2.13.0, transformers 5.18.0)
"""

import json
import pathlib
import sys

import torch
import transformers
from transformers import AutoModelForCausalLM

fixtures = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "checkpoints"
ids = [1, 7, 12, 5, 9, 14]
token = 20
passes = 40_000


def noisy(name):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(fixtures / name, attn_implementation="eager").train()
    values = []
    with torch.no_grad():
        for _ in range(passes // 2000):
            logits = model(torch.tensor([ids] * 2000)).logits[:, -1]
            values.append(logits.softmax(-1)[:, token])
    values = torch.cat(values).double()
    return {"mean": values.mean().item(), "deviation": values.std().item()}


json.dump(
    {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "ids": ids,
        "token": token,
        "passes": passes,
        "probabilities": {name: noisy(name) for name in ["gpt2", "opt"]},
    },
    sys.stdout,
)
print()
