"""The other side of bench/generation.bench.ts: transformers on the same checkpoint, two threads.

    python bench/checkpoints/peer.py make FOLDER          # a llama of 100 M parameters with random weights
    python bench/checkpoints/peer.py serve FOLDER DTYPE [DEVICE]   # reads "PROMPT NEW" lines, answers with milliseconds of each part

`make` writes FOLDER/f32 and FOLDER/bf16, and with the gguf package (0.19.0) FOLDER/f32.gguf, bf16.gguf, q8_0.gguf and
q4_k.gguf for llama.cpp. The last has random blocks of Q4_K in place of those weights, and of Q6_K behind the last layer, as is usual.
"""
import sys
import time

import torch
import transformers as hf

torch.set_num_threads(2)
command, folder = sys.argv[1:3]
if command == 'make':
    torch.manual_seed(0)
    model = hf.LlamaForCausalLM(hf.LlamaConfig(
        vocab_size=32000, hidden_size=768, intermediate_size=2048, num_hidden_layers=12, num_attention_heads=12,
        num_key_value_heads=4, max_position_embeddings=4096, eos_token_id=None)).to(torch.bfloat16)
    model.save_pretrained(f'{folder}/bf16')
    model.float().save_pretrained(f'{folder}/f32')
    try:
        import gguf
    except ImportError:
        sys.exit('no GGUF files: the gguf package is missing')
    from recordGguf import blocks, file_name, neighbours, write_config
    for kind in ('F32', 'BF16', 'Q8_0', 'Q4_K'):
        writer = gguf.GGUFWriter(f'{folder}/{kind.lower()}.gguf', 'llama')
        write_config(writer, model.config, 'llama')
        # llama.cpp asks for a vocabulary; nobody reads its texts.
        tokens = ['<unk>', '<s>', '</s>', *(f'<0x{byte:02X}>' for byte in range(256))]
        tokens += [f'word{at}' for at in range(len(tokens), 32000)]
        writer.add_tokenizer_model('llama')
        writer.add_token_list(tokens)
        writer.add_token_scores([-float(at) for at in range(32000)])
        writer.add_token_types([2, 3, 3] + [6] * 256 + [1] * (32000 - 259))
        writer.add_bos_token_id(1)
        heads = dict(q_proj=12, k_proj=4)
        for at, (name, weight) in enumerate(model.named_parameters()):
            if kind == 'Q4_K' and weight.ndim > 1:
                stored_as = gguf.GGMLQuantizationType['Q6_K' if name.startswith('lm_head') else kind]
                writer.add_tensor(file_name('llama', name), blocks(stored_as, weight.shape, at, 0.2)[0], raw_dtype=stored_as)
                continue
            turned = heads.get(name.split('.')[-2])
            rows = weight.detach().numpy()
            rows = neighbours(rows, turned) if turned else rows
            stored_as = gguf.GGMLQuantizationType['F32' if rows.ndim == 1 else kind]
            writer.add_tensor(file_name('llama', name), gguf.quants.quantize(rows, stored_as), raw_dtype=stored_as)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
else:
    dtype = dict(f32=torch.float32, bf16=torch.bfloat16)[sys.argv[3]]
    device = sys.argv[4] if len(sys.argv) > 4 else 'cpu'
    model = hf.AutoModelForCausalLM.from_pretrained(f'{folder}/{sys.argv[3]}', dtype=dtype).eval().to(device)
    print('ready', flush=True)
    for line in sys.stdin:
        prompt, new = map(int, line.split())
        ids = torch.tensor([[5 + at * 97 % 30000 for at in range(prompt)]], device=device)
        with torch.no_grad():
            start = time.perf_counter()
            out = model(ids, use_cache=True, logits_to_keep=1)
            tokens = [int(out.logits[0, -1].argmax())]
            middle = time.perf_counter()
            for _ in range(new - 1):
                out = model(torch.tensor([tokens[-1:]], device=device), past_key_values=out.past_key_values, use_cache=True)
                tokens.append(int(out.logits[0, -1].argmax()))
            end = time.perf_counter()
        print(1000 * (middle - start), 1000 * (end - middle), *tokens, flush=True)
