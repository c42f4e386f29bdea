"""Makes small checkpoints with random weights, one for each case, and records what transformers computes with them.

    python bench/checkpoints/record.py FOLDER [CASE ...]

Each case becomes FOLDER/CASE with config.json, model.safetensors and recorded.json: inputs, outputs, and for models
that generate a greedy continuation. Made with transformers 5.18.0 and torch 2.13.0 (CPU, f32, eager attention).
"""
import json
import os
import sys

import torch
import transformers as hf

TEXT = dict(vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=256)
DECODER = dict(TEXT, num_key_value_heads=2, pad_token_id=0, bos_token_id=1, eos_token_id=2)
ENCODER = dict({**TEXT, 'max_position_embeddings': 32}, pad_token_id=0)
VISION = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, image_size=16, patch_size=4)


def rope(kind, **more):
    return dict(rope_parameters=dict(rope_type=kind, rope_theta=10000.0, **more))


def llama(**more):
    return lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**{**DECODER, **more}))


CASES = {
    'llama': llama(),
    'llama-tied-biased': llama(tie_word_embeddings=True, attention_bias=True, mlp_bias=True, head_dim=6),
    'llama-linear': llama(**rope('linear', factor=4.0)),
    'llama-dynamic': llama(**{**rope('dynamic', factor=2.0), 'max_position_embeddings': 8}),
    'llama-llama3': llama(head_dim=8, **rope('llama3', factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                             original_max_position_embeddings=32)),
    'llama-yarn': llama(head_dim=8, **rope('yarn', factor=4.0, original_max_position_embeddings=32)),
    'mistral-window': lambda: hf.MistralForCausalLM(hf.MistralConfig(**DECODER, sliding_window=7, head_dim=6)),
    'qwen2': lambda: hf.Qwen2ForCausalLM(hf.Qwen2Config(**DECODER, use_sliding_window=True, sliding_window=5, max_window_layers=1)),
    'qwen3': lambda: hf.Qwen3ForCausalLM(hf.Qwen3Config(**DECODER, head_dim=8)),
    'smollm3': lambda: hf.SmolLM3ForCausalLM(hf.SmolLM3Config(**DECODER, no_rope_layer_interval=2)),
    'gemma': lambda: hf.GemmaForCausalLM(hf.GemmaConfig(**DECODER, head_dim=6)),
    'gemma2': lambda: hf.Gemma2ForCausalLM(hf.Gemma2Config(
        **DECODER, head_dim=6, sliding_window=6, attn_logit_softcapping=2.0, final_logit_softcapping=3.0, query_pre_attn_scalar=9)),
    'gemma3': lambda: hf.Gemma3ForCausalLM(hf.Gemma3TextConfig(
        **DECODER, head_dim=6, sliding_window=6, query_pre_attn_scalar=9, sliding_window_pattern=2,
        layer_types=['sliding_attention', 'full_attention'])),
    'gemma3-text-part': lambda: hf.Gemma3ForConditionalGeneration(hf.Gemma3Config(
        text_config=dict(DECODER, head_dim=6, sliding_window=6, query_pre_attn_scalar=9,
                         layer_types=['sliding_attention', 'full_attention']),
        vision_config=dict(VISION, num_hidden_layers=1), mm_tokens_per_image=4, image_token_index=39, boi_token_index=38, eoi_token_index=37)),
    'phi3': lambda: hf.Phi3ForCausalLM(hf.Phi3Config(**DECODER, sliding_window=9)),
    'phi3-longrope': lambda: hf.Phi3ForCausalLM(hf.Phi3Config(
        **DECODER, original_max_position_embeddings=8,
        **rope('longrope', short_factor=[1.0, 1.5], long_factor=[1.2, 3.0], original_max_position_embeddings=8))),
    'gpt2': lambda: hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=40, n_positions=256, n_embd=16, n_layer=2, n_head=4,
                                                      bos_token_id=1, eos_token_id=2)),
    'gpt_neox': lambda: hf.GPTNeoXForCausalLM(hf.GPTNeoXConfig(**TEXT, rotary_pct=0.5, bos_token_id=1, eos_token_id=2)),
    'gpt_neox-serial': lambda: hf.GPTNeoXForCausalLM(hf.GPTNeoXConfig(**TEXT, rotary_pct=0.5, use_parallel_residual=False, bos_token_id=1, eos_token_id=2)),
    'opt': lambda: hf.OPTForCausalLM(hf.OPTConfig(vocab_size=40, hidden_size=16, ffn_dim=24, num_hidden_layers=2,
                                                  num_attention_heads=4, max_position_embeddings=256, word_embed_proj_dim=16)),
    'opt-post-norm': lambda: hf.OPTForCausalLM(hf.OPTConfig(
        vocab_size=40, hidden_size=16, ffn_dim=24, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=256,
        word_embed_proj_dim=12, do_layer_norm_before=False)),
    'llama-classification': lambda: hf.LlamaForSequenceClassification(hf.LlamaConfig(**DECODER, num_labels=3)),
    'gpt2-states': lambda: hf.GPT2Model(hf.GPT2Config(vocab_size=40, n_positions=32, n_embd=16, n_layer=1, n_head=4)),
    'bert-classification': lambda: hf.BertForSequenceClassification(hf.BertConfig(**ENCODER, num_labels=3)),
    'bert-masked': lambda: hf.BertForMaskedLM(hf.BertConfig(**ENCODER)),
    'bert-base': lambda: hf.BertModel(hf.BertConfig(**ENCODER)),
    'roberta-classification': lambda: hf.RobertaForSequenceClassification(hf.RobertaConfig(**{**ENCODER, 'pad_token_id': 1}, num_labels=3)),
    'roberta-masked': lambda: hf.RobertaForMaskedLM(hf.RobertaConfig(**{**ENCODER, 'pad_token_id': 1})),
    'distilbert-classification': lambda: hf.DistilBertForSequenceClassification(hf.DistilBertConfig(
        vocab_size=40, dim=16, hidden_dim=24, n_layers=2, n_heads=4, max_position_embeddings=32, num_labels=3)),
    'distilbert-masked': lambda: hf.DistilBertForMaskedLM(hf.DistilBertConfig(
        vocab_size=40, dim=16, hidden_dim=24, n_layers=2, n_heads=4, max_position_embeddings=32)),
    'electra-classification': lambda: hf.ElectraForSequenceClassification(hf.ElectraConfig(**ENCODER, embedding_size=12, num_labels=3)),
    'electra-masked': lambda: hf.ElectraForMaskedLM(hf.ElectraConfig(**ENCODER, embedding_size=12)),
    'mpnet-classification': lambda: hf.MPNetForSequenceClassification(hf.MPNetConfig(**{**ENCODER, 'pad_token_id': 1}, num_labels=3)),
    'mpnet-masked': lambda: hf.MPNetForMaskedLM(hf.MPNetConfig(**{**ENCODER, 'pad_token_id': 1})),
    'vit': lambda: hf.ViTForImageClassification(hf.ViTConfig(**VISION, num_labels=5)),
    'deit': lambda: hf.DeiTForImageClassificationWithTeacher(hf.DeiTConfig(**VISION, num_labels=5)),
    'clip': lambda: hf.CLIPModel(hf.CLIPConfig(
        text_config=dict({**TEXT, 'max_position_embeddings': 32}, bos_token_id=1, eos_token_id=2, pad_token_id=0), vision_config=VISION, projection_dim=12)),
    'siglip': lambda: hf.SiglipModel(hf.SiglipConfig(text_config=dict({**TEXT, 'max_position_embeddings': 32}, pad_token_id=1), vision_config=VISION)),
    't5': lambda: hf.T5ForConditionalGeneration(hf.T5Config(
        vocab_size=40, d_model=16, d_kv=6, d_ff=24, num_layers=2, num_heads=4, relative_attention_num_buckets=8,
        relative_attention_max_distance=12, pad_token_id=0, eos_token_id=2, decoder_start_token_id=0)),
    't5-gated': lambda: hf.T5ForConditionalGeneration(hf.T5Config(
        vocab_size=40, d_model=16, d_kv=6, d_ff=24, num_layers=2, num_heads=4, relative_attention_num_buckets=8,
        relative_attention_max_distance=12, feed_forward_proj='gated-gelu', tie_word_embeddings=False,
        pad_token_id=0, eos_token_id=2, decoder_start_token_id=0)),
}


# Cases whose probabilities in the last layer, of the first text, are recorded too.
WITH_ATTENTION = ('llama', 'mistral-window', 'gemma2', 'bert-classification')


def kind_of(model):
    return model.config.model_type


def randomise(model, seed):
    """Weights under which activations are alive and every bias and norm says something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if 'norm' in name.lower() and weight.dim() == 1 and name.endswith('weight'):
                weight.copy_((0 if 'gemma' in type(model).__name__.lower() else 1) + 0.2 * noise)
            elif weight.dim() < 2:
                weight.copy_(0.2 * noise)
            elif 'embed' in name or name.split('.')[-2] in ('wte', 'wpe', 'shared'):
                # A table that is the output's too would make every token its own successor.
                weight.copy_(noise * (0.1 if getattr(model.config, 'tie_word_embeddings', False) or kind_of(model) == 'gemma3' else 1))
            else:
                fan = weight[0].numel() if 'c_' not in name else weight.shape[0]
                weight.copy_(1.5 * noise / fan ** 0.5)


def explain(model, inputs, target):
    """Gradient of a logit in the word embeddings, and AttnLRP as value times gradient under its rules: activations hand
    back f(x)/x, two factors that both depend on the input have half each, the scale of a norm is a constant."""
    words = model.get_input_embeddings()(inputs['input_ids'][:1]).detach()
    rest = {key: value[:1] for key, value in inputs.items() if key != 'input_ids'}

    def gradient():
        x = words.clone().requires_grad_()
        model(inputs_embeds=x, **rest).logits[0, target].backward()
        return x.grad[0]

    plain = gradient()
    norm, product, activation = torch.nn.LayerNorm.forward, torch.matmul, type(model.bert.encoder.layer[0].intermediate.intermediate_act_fn).forward
    original = model.bert.encoder.layer[0].intermediate.intermediate_act_fn
    tanh = torch.nn.Tanh.forward

    def norm_rule(self, x):
        scale = (x.var(-1, unbiased=False, keepdim=True) + self.eps).rsqrt().detach()
        return (x - x.mean(-1, keepdim=True)) * scale * self.weight + self.bias

    def product_rule(a, b):
        y = product(a, b)
        return y / 2 + y.detach() / 2

    def passes(f):
        return lambda self, x: x * (f(self, x) / x).detach()

    torch.nn.LayerNorm.forward, torch.matmul = norm_rule, product_rule
    type(original).forward, torch.nn.Tanh.forward = passes(activation), passes(tanh)
    relevance = words[0] * gradient()
    torch.nn.LayerNorm.forward, torch.matmul = norm, product
    type(original).forward, torch.nn.Tanh.forward = activation, tanh
    return dict(target=target, gradient=tensor(plain), attnLrp=tensor(relevance))


def tensor(value):
    return dict(shape=list(value.shape), data=[float(f'{x:.7g}') for x in value.flatten().tolist()])


def record(name, folder):
    model = CASES[name]()
    model.config._attn_implementation = 'eager'
    for part in ('text_config', 'vision_config'):
        if hasattr(model.config, part):
            getattr(model.config, part)._attn_implementation = 'eager'
    randomise(model, 7)
    model.eval()
    path = os.path.join(folder, name)
    model.save_pretrained(path)
    generator = torch.Generator().manual_seed(11)
    kind = model.config.model_type
    out = {}
    length = 16
    ids = torch.randint(3, 37 if kind == 'gemma3' else 40, (2, length), generator=generator)
    pixels = torch.randn(2, 3, 16, 16, generator=generator)
    with torch.no_grad():
        if kind in ('vit', 'deit'):
            out['inputs'] = dict(pixel_values=tensor(pixels))
            out['outputs'] = dict(logits=tensor(model(pixels).logits))
        elif kind in ('clip', 'siglip'):
            ids = ids[:, :10]
            ids[:, -1] = 39 if kind == 'siglip' else 2
            result = model(input_ids=ids, pixel_values=pixels)
            out['inputs'] = dict(input_ids=ids.tolist(), pixel_values=tensor(pixels))
            out['outputs'] = {key: tensor(result[key]) for key in ('logits_per_image', 'text_embeds', 'image_embeds')}
        elif kind == 't5':
            mask = torch.ones_like(ids)
            mask[1, -5:] = 0
            start = torch.cat([torch.zeros(2, 1, dtype=torch.long), ids[:, :9].flip(0)], 1)
            result = model(input_ids=ids, attention_mask=mask, decoder_input_ids=start)
            out['inputs'] = dict(input_ids=ids.tolist(), attention_mask=mask.tolist(), decoder_input_ids=start.tolist())
            out['outputs'] = dict(logits=tensor(result.logits))
            tokens = torch.zeros(1, 1, dtype=torch.long)
            for _ in range(200):
                tokens = torch.cat([tokens, model(input_ids=ids[:1], decoder_input_ids=tokens).logits[:, -1].argmax(-1, keepdim=True)], 1)
            out['greedy'] = tokens[0, 1:].tolist()
        elif model.config.architectures[0].endswith(('CausalLM', 'LMHeadModel', 'Gemma3ForConditionalGeneration')):
            out['inputs'] = dict(input_ids=ids.tolist())
            # First of all: dynamic scaling keeps what it learnt from longer sequences.
            past, tokens, last = None, [], ids[:1, :10]
            for _ in range(200):
                result = model(last, past_key_values=past, use_cache=True)
                past, last = result.past_key_values, result.logits[:, -1].argmax(-1, keepdim=True)
                tokens.append(int(last))
            out['prompt'], out['greedy'] = ids[0, :10].tolist(), tokens
            model = type(model).from_pretrained(path, attn_implementation='eager').eval()
            out['outputs'] = dict(logits=tensor(model(ids).logits))
            if name in WITH_ATTENTION:
                out['attention'] = tensor(model(ids[:1], output_attentions=True).attentions[-1][0])
        else:
            mask = torch.ones_like(ids)
            mask[1, -5:] = 0
            pad = model.config.pad_token_id or 0
            ids = torch.where(mask == 1, ids, torch.full_like(ids, pad))
            inputs = dict(input_ids=ids, attention_mask=mask)
            if kind in ('llama', 'gpt2'):
                inputs = dict(input_ids=ids)
            if kind in ('bert', 'electra'):
                inputs['token_type_ids'] = (torch.arange(length) > 9).long().expand(2, -1)
            result = model(**inputs)
            out['inputs'] = {key: value.tolist() for key, value in inputs.items()}
            out['outputs'] = {key: tensor(result[key]) for key in ('logits', 'last_hidden_state') if key in result}
            if name in WITH_ATTENTION:
                first = {key: value[:1] for key, value in inputs.items()}
                out['attention'] = tensor(model(**first, output_attentions=True).attentions[-1][0])
            if name == 'bert-classification':
                with torch.enable_grad():
                    out['explained'] = explain(model, inputs, 1)
    out['versions'] = dict(torch=torch.__version__, transformers=hf.__version__)
    with open(os.path.join(path, 'recorded.json'), 'w') as file:
        json.dump(out, file)
    print(name, sum(os.path.getsize(os.path.join(path, each)) for each in os.listdir(path)), 'bytes')


if __name__ == '__main__':
    for case in sys.argv[2:] or CASES:
        record(case, sys.argv[1])
