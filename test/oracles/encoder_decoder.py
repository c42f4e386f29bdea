"""What a T5 checkpoint's tokens come from, by PyTorch: gradients of its logits in the embeddings of what it reads and of what it
has written, its attention, and what zero value vectors and hidden tokens do to it.

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
                # What the sums are of: they are a hundredth of it, and rounding goes by what is summed.
                "size": torch.cat([(grad * x).abs().sum(-1)[0] for grad, x in zip(grads, [read, before])]).norm().item(),
            }
        )
    return found


def normalised(relevance):
    """Rows of R - I scaled to 1, and I again (Chefer et al. 2021, equation 8); rows of zeros stay zeros."""
    rest = relevance - torch.eye(len(relevance), dtype=relevance.dtype)
    sums = rest.sum(-1, keepdim=True)
    return torch.where(sums > 0, rest / torch.where(sums > 0, sums, 1), 0) + torch.eye(len(rest), dtype=rest.dtype)


def looks(name):
    """Of each step's row: attention of the last layer, rollout over all tokens of both sides, gradient x attention, and LeGrad:
    the positive part of gradients where a query may look, mean over heads and queries, and over the layers that look at a
    token's side."""
    model = AutoModelForSeq2SeqLM.from_pretrained(
        fixtures / name, dtype=torch.float64, attn_implementation="eager"
    ).eval()
    written = [model.config.decoder_start_token_id, *answer]
    out = model(
        input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([written]), output_attentions=True
    )
    read, own, cross = out.encoder_attentions, out.decoder_attentions, out.cross_attentions
    size, length = len(source), len(written)
    mean = lambda layer: layer[0].mean(0).detach()
    whole = torch.eye(size + length, dtype=torch.float64)
    one = torch.eye(size + length, dtype=torch.float64)
    for layer in read:
        step = one.clone()
        step[:size, :size] = (mean(layer) + torch.eye(size)) / 2
        whole = step @ whole
    for among, across in zip(own, cross):
        step = one.clone()
        step[size:, size:] = (mean(among) + torch.eye(length)) / 2
        whole = step @ whole
        step = one.clone()
        step[size:, size:] = torch.eye(length) / 2
        step[size:, :size] = mean(across) / 2
        whole = step @ whole
    found = []
    for at, token in enumerate(answer):
        logit = out.logits[0, at, token]
        grads = torch.autograd.grad(logit, [*read, *own, *cross], retain_graph=True, allow_unused=True)
        raised = iter(
            [
                torch.zeros_like(layer[0, 0, 0])
                if grad is None
                else torch.where(layer > 0, grad.clamp(min=0), 0)[0].mean((0, 1)).detach()
                for grad, layer in zip(grads, [*read, *own, *cross])
            ]
        )
        maps = [[next(raised) for _ in part] for part in (read, own, cross)]
        le_grad = [torch.stack([*maps[0], *maps[2]]).mean(0), torch.stack(maps[1]).mean(0)]
        positive = iter(
            [
                torch.zeros_like(layer[0, 0]) if grad is None else (grad * layer)[0].clamp(min=0).mean(0).detach()
                for grad, layer in zip(grads, [*read, *own, *cross])
            ]
        )
        sides = [[next(positive) for _ in part] for part in (read, own, cross)]
        r_ss, r_qq, r_sq = torch.eye(length).double(), torch.eye(size).double(), torch.zeros(length, size).double()
        for among in sides[0]:
            r_qq = r_qq + among @ r_qq
        for among, across in zip(sides[1], sides[2]):
            r_ss, r_sq = r_ss + among @ r_ss, r_sq + among @ r_sq
            r_sq = r_sq + normalised(r_ss).T @ across @ normalised(r_qq)
        r_ss = r_ss - torch.eye(length)
        found.append(
            {
                "raw": [*mean(cross[-1])[at].tolist(), *mean(own[-1])[at].tolist()],
                "rollout": whole[size + at].tolist(),
                "coAttention": [*r_sq[at].tolist(), *r_ss[at].tolist()],
                "leGrad": torch.cat(le_grad).tolist(),
            }
        )
    across = torch.stack([layer[0] for layer in cross]).mean((0, 1)).detach()
    return {"steps": found, "crossRows": across.tolist()}


def zeroed(name):
    """Of the last step: [layers][tokens], what zero value vectors turn the layer's state by; each side scaled to 1."""
    model = AutoModelForSeq2SeqLM.from_pretrained(
        fixtures / name, dtype=torch.float64, attn_implementation="eager"
    ).eval()
    written = [model.config.decoder_start_token_id, *answer[:-1]]
    given = {
        "input_ids": torch.tensor([source]),
        "decoder_input_ids": torch.tensor([written]),
        "output_hidden_states": True,
    }
    rows = []
    with torch.no_grad():
        clean = model(**given).decoder_hidden_states
        for at, block in enumerate(model.decoder.block):
            row = []
            for module, count in ((block.layer[1].EncDecAttention.v, len(source)), (block.layer[0].SelfAttention.v, len(written))):
                side = []
                for token in range(count):

                    def zero(_module, _inputs, output, token=token):
                        output = output.clone()
                        output[:, token] = 0
                        return output

                    hook = module.register_forward_hook(zero)
                    changed = model(**given).decoder_hidden_states[at + 1]
                    hook.remove()
                    similarity = torch.nn.functional.cosine_similarity(clean[at + 1][0, -1], changed[0, -1], dim=-1)
                    side.append(1 - similarity.item())
                total = sum(side) or 1
                row.extend(value / total for value in side)
            rows.append(row)
    return rows


def hidden(name):
    """Log-probabilities of the answer where a token of the source is hidden from attention, and where it is taken out."""
    model = AutoModelForSeq2SeqLM.from_pretrained(fixtures / name, dtype=torch.float64).eval()
    written = torch.tensor([[model.config.decoder_start_token_id, *answer[:-1]]])

    def score(ids, mask):
        with torch.no_grad():
            logits = model(
                input_ids=torch.tensor([ids]), attention_mask=torch.tensor([mask]), decoder_input_ids=written
            ).logits[0]
        return torch.log_softmax(logits, -1)[range(len(answer)), answer].sum().item()

    ones = [1] * len(source)
    return {
        "whole": score(source, ones),
        "masked": [score(source, ones[:at] + [0] + ones[at + 1 :]) for at in range(len(source))],
        "removed": [score(source[:at] + source[at + 1 :], ones[1:]) for at in range(len(source))],
    }


json.dump(
    {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "source": source,
        "answer": answer,
        "steps": {name: steps(name) for name in ["t5", "t5-gated"]},
        "looks": {name: looks(name) for name in ["t5", "t5-gated"]},
        "zeroed": {name: zeroed(name) for name in ["t5", "t5-gated"]},
        "hidden": {name: hidden(name) for name in ["t5", "t5-gated"]},
    },
    sys.stdout,
)
print()
