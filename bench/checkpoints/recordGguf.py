"""Writes small GGUF files with random weights and records what transformers computes with the same weights.

    python bench/checkpoints/recordGguf.py FOLDER [CASE ...]

Each case becomes FOLDER/CASE.gguf and FOLDER/CASE.json: input ids, logits, and for cases with a tokenizer texts and
their ids. Weights in blocks are random bytes, dequantised by the gguf package for PyTorch. Names, the order of rows of
queries and keys, and the 1 added to Gemma's norms are as llama.cpp's converter writes them. transformers, reading the
files itself (with accelerate), computes the same bits for llama and llama-blocks; it reads neither the rotary factors of
llama-stretched nor the caps of gemma2, and takes other sizes of heads for qwen3.
Made with gguf 0.19.0, transformers 5.18.0, tokenizers 0.23.2 and torch 2.13.0 (CPU, f32, eager attention).
"""
import importlib.metadata
import json
import os
import re
import sys

import gguf
import numpy as np
import torch
import transformers as hf
from gguf import GGMLQuantizationType as Q

from record import DECODER, randomise, rope, tensor

LARGE = dict(DECODER, hidden_size=256, intermediate_size=256, num_hidden_layers=1, num_attention_heads=4, head_dim=32)
CASES = {
    'llama': (lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**DECODER)), lambda name, weight: Q.F32),
    'llama-half': (lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**DECODER)), lambda name, weight: Q.F16 if weight.ndim > 1 else Q.F32),
    'llama-stretched': (lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**DECODER, head_dim=8, **rope(
        'llama3', factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32))), lambda name, weight: Q.F32),
    'llama-linear': (lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**DECODER, **rope('linear', factor=4.0))), lambda name, weight: Q.F32),
    'llama-blocks': (lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**LARGE)),
                     lambda name, weight: Q.F32 if weight.ndim < 2 else Q.Q8_0 if re.search('embd|attn_v|attn_output', name) else
                     Q.Q6_K if re.search('attn_k|ffn_up|output', name) else Q.Q4_K),
    'qwen2': (lambda: hf.Qwen2ForCausalLM(hf.Qwen2Config(**DECODER)), lambda name, weight: Q.BF16 if weight.ndim > 1 else Q.F32),
    'qwen3': (lambda: hf.Qwen3ForCausalLM(hf.Qwen3Config(**DECODER, head_dim=8)), lambda name, weight: Q.F32),
    'phi3': (lambda: hf.Phi3ForCausalLM(hf.Phi3Config(**DECODER, sliding_window=9)), lambda name, weight: Q.F32),
    'gemma': (lambda: hf.GemmaForCausalLM(hf.GemmaConfig(**DECODER, head_dim=6)), lambda name, weight: Q.F32),
    'gemma2': (lambda: hf.Gemma2ForCausalLM(hf.Gemma2Config(
        **DECODER, head_dim=6, sliding_window=6, attn_logit_softcapping=2.0, final_logit_softcapping=3.0, query_pre_attn_scalar=6)),
        lambda name, weight: Q.F32),
    'gemma3': (lambda: hf.Gemma3ForCausalLM(hf.Gemma3TextConfig(
        **{**DECODER, 'num_hidden_layers': 7}, head_dim=6, sliding_window=6, query_pre_attn_scalar=6)), lambda name, weight: Q.F32),
}
LAYER = {
    'input_layernorm': 'attn_norm', 'self_attn.q_proj': 'attn_q', 'self_attn.k_proj': 'attn_k', 'self_attn.v_proj': 'attn_v',
    'self_attn.qkv_proj': 'attn_qkv', 'self_attn.o_proj': 'attn_output', 'self_attn.q_norm': 'attn_q_norm',
    'self_attn.k_norm': 'attn_k_norm', 'post_attention_layernorm': 'ffn_norm', 'mlp.gate_proj': 'ffn_gate',
    'mlp.up_proj': 'ffn_up', 'mlp.gate_up_proj': 'ffn_up', 'mlp.down_proj': 'ffn_down',
}
POST_NORMS = {'post_attention_layernorm': 'post_attention_norm', 'pre_feedforward_layernorm': 'ffn_norm',
              'post_feedforward_layernorm': 'post_ffw_norm'}
OTHER = {'model.embed_tokens': 'token_embd', 'model.norm': 'output_norm', 'lm_head': 'output'}


def file_name(kind, name):
    base, end = name.rsplit('.', 1)
    match = re.match(r'model\.layers\.(\d+)\.(.*)', base)
    if not match:
        return f'{OTHER[base]}.{end}'
    names = {**LAYER, **(POST_NORMS if kind in ('gemma2', 'gemma3') else {})}
    return f'blk.{match[1]}.{names[match[2]]}.{end}'


def neighbours(weight, heads):
    """Rows of each head so that the two of a pair, which stand half a head apart, become neighbours."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def apart(weight, heads):
    return weight.reshape(heads, weight.shape[0] // heads // 2, 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def blocks(kind, shape, seed, share=1):
    """Random bytes of a storage type with scales that are numbers, all times `share`, and the weights that they stand for."""
    size, width = gguf.GGML_QUANT_SIZES[kind]
    random = np.random.default_rng(seed)
    data = random.integers(0, 256, (shape[0], shape[1] // size, width), dtype=np.uint8)
    for at, scale in {Q.Q8_0: {0: 1e-3}, Q.Q4_K: {0: 4e-4, 2: 3e-3}, Q.Q6_K: {208: 6e-5}}[kind].items():
        data[..., at:at + 2] = (share * scale * (1 + random.random((*data.shape[:2], 1)))).astype(np.float16).view(np.uint8)
    data = data.reshape(shape[0], -1)
    return data, gguf.quants.dequantize(data, kind)


def write_config(writer, config, kind):
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    size = getattr(config, 'head_dim', None) or config.hidden_size // config.num_attention_heads
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_rope_dimension_count(size)
    given = config.rope_parameters
    given = given.get('full_attention', given)
    writer.add_rope_freq_base(given['rope_theta'])
    writer.add_vocab_size(config.vocab_size)
    if given['rope_type'] == 'linear':
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(given['factor'])
    if given['rope_type'] == 'llama3':
        frequencies = given['rope_theta'] ** (-np.arange(0, size, 2) / size)
        rotary = hf.models.llama.modeling_llama.LlamaRotaryEmbedding(config)
        writer.add_tensor('rope_freqs.weight', (frequencies / rotary.inv_freq.numpy()).astype(np.float32))
    if kind in ('gemma2', 'gemma3', 'phi3'):
        writer.add_sliding_window(config.sliding_window)
    if kind == 'gemma2':
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    return size


def write_byte_pairs(writer, out):
    """A small tokenizer of byte pairs, and what it makes of texts."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    made = Tokenizer(models.BPE(ignore_merges=True))
    cut = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    made.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(cut), 'isolated'), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    made.decoder = decoders.ByteLevel()
    texts = ['the cat sat on the mat, and the dog did not', "it's 12345 o'clock; they'll come again\n\n", 'Zürich – café 猫']
    made.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=320, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                                        special_tokens=['<|begin|>', '<|end|>']))
    made.post_processor = processors.TemplateProcessing(single='<|begin|> $A', special_tokens=[('<|begin|>', 0)])
    description = json.loads(made.to_str())['model']
    tokens = sorted(description['vocab'], key=description['vocab'].get)
    writer.add_tokenizer_model('gpt2')
    writer.add_tokenizer_pre('llama-bpe')
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3] + [1] * (len(tokens) - 2))
    writer.add_token_merges([' '.join(pair) for pair in description['merges']])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(True)
    writer.add_chat_template("{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}{{ eos_token }}{% endfor %}")
    more = texts + ['a new word: 2026', '  two  spaces ', '<|begin|>the<|end|>']
    out['texts'] = [dict(text=text, ids=made.encode(text).ids) for text in more]


def record(name, folder):
    make, type_of = CASES[name]
    model = make()
    model.config._attn_implementation = 'eager'
    randomise(model, 7)
    kind = model.config.model_type.removesuffix('_text')
    path = os.path.join(folder, f'{name}.gguf')
    writer = gguf.GGUFWriter(path, kind)
    size = write_config(writer, model.config, kind)
    out = {}
    if name == 'llama-half':
        write_byte_pairs(writer, out)
    heads = dict(q_proj=model.config.num_attention_heads, k_proj=model.config.num_key_value_heads)
    with torch.no_grad():
        for at, (own, parameter) in enumerate(model.named_parameters()):
            weight, stored_as = parameter.numpy(), type_of(file_name(kind, own), parameter)
            turned = heads.get(own.split('.')[-2]) if kind == 'llama' else None
            if stored_as in (Q.Q8_0, Q.Q4_K, Q.Q6_K):
                data, wide = blocks(stored_as, weight.shape, at)
                parameter.copy_(torch.from_numpy(apart(wide, turned) if turned else wide))
                writer.add_tensor(file_name(kind, own), data, raw_dtype=stored_as)
                continue
            rows = neighbours(weight, turned) if turned else weight
            if 'gemma' in kind and own.endswith('norm.weight'):
                rows = rows + 1
            data = gguf.quants.quantize(np.ascontiguousarray(rows), stored_as)
            if stored_as != Q.F32:
                wide = gguf.quants.dequantize(data, stored_as)
                parameter.copy_(torch.from_numpy(apart(wide, turned) if turned else wide))
            writer.add_tensor(file_name(kind, own), data, raw_dtype=stored_as)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    model.eval()
    ids = torch.randint(3, 40, (2, 16), generator=torch.Generator().manual_seed(11))
    with torch.no_grad():
        logits = model(ids).logits
        try:
            read = hf.AutoModelForCausalLM.from_pretrained(folder, gguf_file=f'{name}.gguf', attn_implementation='eager').eval()
            print(name, 'transformers reads the file:', float((read(ids).logits - logits).abs().max() / logits.abs().max()))
        except Exception as error:
            print(name, 'transformers does not read the file:', str(error)[:200])
    out |= dict(ids=ids.tolist(), logits=tensor(logits))
    out['versions'] = dict(torch=torch.__version__, transformers=hf.__version__, gguf=importlib.metadata.version('gguf'))
    with open(os.path.join(folder, f'{name}.json'), 'w') as file:
        json.dump(out, file)
    print(name, os.path.getsize(path), 'bytes')


if __name__ == '__main__':
    os.makedirs(sys.argv[1], exist_ok=True)
    for case in sys.argv[2:] or CASES:
        record(case, sys.argv[1])
