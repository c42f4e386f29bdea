"""Probabilities of a token under dropout, by PyTorch: mean and standard deviation over many passes of small checkpoints.

Run: python dropout.py > dropout.json   (torch 2.13.0, transformers 5.18.0)
"""

import json
import pathlib
import sys

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

fixtures = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "checkpoints"
ids = [1, 7, 12, 5, 9, 14]
token = 20
# Of models that read one text and write another: what is read, and what was written before the token.
source = [7, 12, 5, 9, 2]
written = [0, 14]
passes = 40_000
raised = 0.4


def noisy(name, **rates):
    torch.manual_seed(0)
    is_pair = name.startswith("t5")
    kind = AutoModelForSeq2SeqLM if is_pair else AutoModelForCausalLM
    model = kind.from_pretrained(fixtures / name, attn_implementation="eager", **rates).train()
    many = lambda row: torch.tensor([row] * 2000)
    given = {"input_ids": many(source), "decoder_input_ids": many(written)} if is_pair else {"input_ids": many(ids)}
    values = []
    with torch.no_grad():
        for _ in range(passes // 2000):
            logits = model(**given).logits[:, -1]
            values.append(logits.softmax(-1)[:, token])
    values = torch.cat(values).double()
    return {"mean": values.mean().item(), "deviation": values.std().item()}


json.dump(
    {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "ids": ids,
        "token": token,
        "source": source,
        "written": written,
        "passes": passes,
        "probabilities": {name: noisy(name) for name in ["gpt2", "opt", "t5", "t5-gated"]},
        # At the rate of their training a place that is left out hardly shows.
        "raised": {"rate": raised, "probabilities": {name: noisy(name, dropout_rate=raised) for name in ["t5", "t5-gated"]}},
    },
    sys.stdout,
)
print()
