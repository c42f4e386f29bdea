"""Gradients of a T5 checkpoint's logits in the embeddings of what it reads and of what it has written, by PyTorch.

Run: python encoder_decoder.py > encoder_decoder.json   (torch 2.13.0, transformers 5.18.0)
"""

import json
import pathlib
import sys

import torch
import transformers
from transformers import AutoModelForSeq2SeqLM

fixtures = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "checkpoints"
source = [7, 12, 5, 9, 2]
answer = [14, 8, 30]
zero = 0


def steps(name):
    """Of each token of the answer: its logit, and gradient x embedding summed over features, source then decoder."""
    model = AutoModelForSeq2SeqLM.from_pretrained(fixtures / name, dtype=torch.float64).eval()
    table = model.get_input_embeddings()
    written = [model.config.decoder_start_token_id, *answer]
    found = []
    for at, token in enumerate(answer):
        read = table(torch.tensor([source])).detach().requires_grad_()
        before = table(torch.tensor([written[: at + 1]])).detach().requires_grad_()
        logits = model(inputs_embeds=read, decoder_inputs_embeds=before).logits[0, -1]
        grads = torch.autograd.grad(logits[token], [read, before])
        found.append(
            {
                "logit": logits[token].item(),
                "probability": torch.softmax(logits, -1)[token].item(),
                "inputXGradient": [
                    value for grad, x in zip(grads, [read, before]) for value in (grad * x).sum(-1)[0].tolist()
                ],
            }
        )
    return found


json.dump(
    {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "source": source,
        "answer": answer,
        "steps": {name: steps(name) for name in ["t5", "t5-gated"]},
    },
    sys.stdout,
)
print()
