"""Records what transformers computes where each product reads rows rounded to 8 bits, as `precision: 'int8'` does.

    python bench/checkpoints/recordInt8.py FOLDER

FOLDER holds llama-blocks.gguf (recordGguf.py); what comes of it goes into FOLDER/int8/llama-blocks.json. Rows are rounded in blocks
of 32: the greatest magnitude over 127 is a block's scale, numbers go to the nearest, ties to even. Weights are those that the blocks
stand for, in f32. Made with torch 2.13.0 and transformers 5.18.0 (CPU, f32, eager attention).
"""
import json
import os
import sys

import torch
import transformers as hf

from record import tensor


def rounded(rows):
    blocks = rows.unflatten(-1, (-1, 32))
    scale = blocks.abs().amax(-1, keepdim=True) / 127
    steps = torch.where(scale > 0, blocks / scale, 0).round()
    return (steps * scale).flatten(-2)


if __name__ == '__main__':
    folder = sys.argv[1]
    model = hf.AutoModelForCausalLM.from_pretrained(folder, gguf_file='llama-blocks.gguf', attn_implementation='eager').eval()
    with open(os.path.join(folder, 'llama-blocks.json')) as file:
        ids = torch.tensor(json.load(file)['ids'])
    with torch.no_grad():
        exact = model(ids).logits
        for module in model.modules():
            if isinstance(module, torch.nn.Linear):
                module.register_forward_pre_hook(lambda _, inputs: (rounded(inputs[0]),))
        logits = model(ids).logits
    distance = float((logits - exact).norm() / exact.norm())
    print('relative L2 of rounding', distance)
    os.makedirs(os.path.join(folder, 'int8'), exist_ok=True)
    with open(os.path.join(folder, 'int8', 'llama-blocks.json'), 'w') as file:
        json.dump(dict(logits=tensor(logits), versions=dict(torch=torch.__version__, transformers=hf.__version__)), file)
