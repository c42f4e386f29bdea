"""The other side of bench/generation.bench.ts: transformers on the same checkpoint, f32, two threads.

    python bench/checkpoints/peer.py make FOLDER     # a llama of 100 M parameters with random weights, f32
    python bench/checkpoints/peer.py serve FOLDER    # reads "PROMPT NEW" lines, answers with milliseconds of each part
"""
import sys
import time

import torch
import transformers as hf

torch.set_num_threads(2)
command, folder = sys.argv[1:3]
if command == 'make':
    torch.manual_seed(0)
    hf.LlamaForCausalLM(hf.LlamaConfig(
        vocab_size=32000, hidden_size=768, intermediate_size=2048, num_hidden_layers=12, num_attention_heads=12,
        num_key_value_heads=4, max_position_embeddings=4096, eos_token_id=None)).save_pretrained(folder)
else:
    model = hf.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    print('ready', flush=True)
    for line in sys.stdin:
        prompt, new = map(int, line.split())
        ids = torch.tensor([[5 + at * 97 % 30000 for at in range(prompt)]])
        with torch.no_grad():
            start = time.perf_counter()
            out = model(ids, use_cache=True, logits_to_keep=1)
            tokens = [int(out.logits[0, -1].argmax())]
            middle = time.perf_counter()
            for _ in range(new - 1):
                out = model(torch.tensor([tokens[-1:]]), past_key_values=out.past_key_values, use_cache=True)
                tokens.append(int(out.logits[0, -1].argmax()))
            end = time.perf_counter()
        print(1000 * (middle - start), 1000 * (end - middle), *tokens, flush=True)
