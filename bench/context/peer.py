"""The other side of bench/attn-trace.bench.ts: the procedure of AttnTrace's code, written anew from its description on
transformers, f32 unless told otherwise, two threads: a forward pass that keeps the states of all layers (and gives logits of all positions, as
a plain call does), then for each layer the norm and the projections of queries and keys for all positions, the rows of
the response against all keys, a softmax in f32 and a running sum.

    python bench/context/peer.py make FOLDER [LAYERS]   # a llama of 0.4 B parameters with random weights, f32
    python bench/context/peer.py serve FOLDER [f32|bf16] [cuda]    # reads JSON lines {ids, first, spans, avgK}
"""
import json
import math
import resource
import sys
import time

import torch
import transformers as hf
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb, repeat_kv

torch.set_num_threads(2)
command, folder, *rest = sys.argv[1:]


def attention_of_rows(model, ids, first):
    """Mean over heads, layers and rows [first, end), one number for each token."""
    count = ids.shape[1]
    states = model(ids, attention_mask=torch.ones_like(ids), output_hidden_states=True).hidden_states
    positions = torch.arange(count, device=ids.device)[None]
    allowed = positions <= positions[0, first:, None]
    mask = torch.zeros(allowed.shape, device=ids.device).masked_fill(~allowed, torch.finfo(torch.float32).min)
    total = torch.zeros(count - first, count, device=ids.device)
    for index, layer in enumerate(model.model.layers):
        attention = layer.self_attn
        x = layer.input_layernorm(states[index])
        apart = lambda y: y.view(1, count, -1, attention.head_dim).transpose(1, 2)
        queries, keys = apart(attention.q_proj(x)), apart(attention.k_proj(x))
        queries, keys = apply_rotary_pos_emb(queries, keys, *model.model.rotary_emb(x, positions))
        keys = repeat_kv(keys, attention.num_key_value_groups)
        scores = queries[:, :, first:] @ keys.transpose(2, 3) / math.sqrt(attention.head_dim)
        total += torch.softmax(scores + mask, dim=-1, dtype=torch.float32)[0].mean(0)
    return (total / len(model.model.layers)).mean(0).cpu()


if command == 'make':
    torch.manual_seed(0)
    layers = int(rest[0]) if rest else 24
    hf.LlamaForCausalLM(hf.LlamaConfig(
        vocab_size=32000, hidden_size=896, intermediate_size=4864, num_hidden_layers=layers, num_attention_heads=14,
        num_key_value_heads=2, max_position_embeddings=32768, eos_token_id=None,
        initializer_range=0.03)).save_pretrained(folder)
else:
    dtype = torch.bfloat16 if 'bf16' in rest else torch.float32
    device = 'cuda' if 'cuda' in rest else 'cpu'
    model = hf.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval().to(device)
    print('ready', flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        with torch.no_grad():
            start = time.perf_counter()
            read = attention_of_rows(model, torch.tensor([request['ids']], device=device), request['first'])
            scores = [read[a:b].topk(min(request['avgK'], b - a)).values.mean().item() for a, b in request['spans']]
            took = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({'milliseconds': 1000 * took, 'scores': scores, 'peakMegabytes': peak}), flush=True)
