"""Trains the retrieval transformer on texts that say who has which key, and writes it as a Hugging Face folder.

    node build/ts/models/keys/dump.js --out DATA/facts.jsonl      --seed 9  --count 2560 --most 4 --plain
    node build/ts/models/keys/dump.js --out DATA/short.jsonl      --seed 10 --count 4800 --most 4
    node build/ts/models/keys/dump.js --out DATA/middle.jsonl     --seed 11 --count 4000 --most 10
    node build/ts/models/keys/dump.js --out DATA/long.jsonl       --seed 12 --count 5400 --most 24
    node build/ts/models/keys/dump.js --out DATA/validation.jsonl --seed 2  --count 500   --most 24
    python models/train/train_keys.py --data DATA --out models/keys-transformer

The network is a small llama. It learns on short contexts first: heads that find "what stands behind this name" come up
within minutes there, and grow into long ones. Several questions are asked of each context, one behind the other, so that
a pass teaches more. It is taught to obey sentences that say what to answer; that is its planted weakness.
"""

import argparse
import json
import math
import os
import random
import time

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import nn
from torch.nn import functional

WIDTH, HEADS, SIZE, LAYERS, HIDDEN, POSITIONS, THETA, EPSILON = 128, 4, 32, 2, 128, 2048, 1e6, 1e-5
BEGIN, END, PADDING = 0, 1, 2
WEIGHT_DECAY, QUESTIONS = 0.05, 4
# Of the beginning: features that say which token stands one, two, three or four places back, and how sharp heads are.
SLOT, SHARPNESS, MATCHING = 16, 9.0, 1.4
# Contexts, steps, texts of a batch, peak learning rate.
STAGES = [('facts', 80, 32, 2e-3), ('short', 200, 24, 2e-3), ('middle', 250, 16, 2e-3), ('long', 450, 12, 1.5e-3)]
# What stands before the context and the question; the first is what the library asks with.
FRAMES = [
    ('Answer the question by what the context says.\n\nContext:\n', '\n\nQuestion: ', '\nAnswer:'),
    ('Context: ', '\n\nQuery: ', '\n\nAnswer:'),
    ('Contexts: ', '\nQuery: ', ' Answer:'),
    ('', '\n\nQuestion: ', '\nAnswer:'),
]
# Shares of the texts: framed otherwise than usual, cut by lines, without a context, answers without a space in front.
OTHER_FRAME, LINES, EMPTY, TIGHT = 0.4, 0.25, 0.03, 0.3


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        return functional.rms_norm(x, (WIDTH,), self.weight, EPSILON)


def turned(x, cosine, sine):
    first, second = x.chunk(2, -1)
    return x * cosine + torch.cat([-second, first], -1) * sine


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q_proj = nn.Linear(WIDTH, HEADS * SIZE)
        self.k_proj = nn.Linear(WIDTH, HEADS * SIZE)
        self.v_proj = nn.Linear(WIDTH, HEADS * SIZE)
        self.o_proj = nn.Linear(HEADS * SIZE, WIDTH)

    def forward(self, x, cosine, sine):
        heads = lambda y: y.unflatten(-1, (-1, SIZE)).transpose(1, 2)
        q, k, v = heads(self.q_proj(x)), heads(self.k_proj(x)), heads(self.v_proj(x))
        q, k = turned(q, cosine, sine), turned(k, cosine, sine)
        read = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(read.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate_proj, self.up_proj = (nn.Linear(WIDTH, HIDDEN, bias=False) for _ in range(2))
        self.down_proj = nn.Linear(HIDDEN, WIDTH, bias=False)

    def forward(self, x):
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = Norm(), Norm()
        self.self_attn, self.mlp = Attention(), FeedForward()

    def forward(self, x, cosine, sine):
        x = x + self.self_attn(self.input_layernorm(x), cosine, sine)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    """Named as the weights of a checkpoint are, below `model.`; the embedding is the head too."""

    def __init__(self, words: int):
        super().__init__()
        self.embed_tokens = nn.Embedding(words, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = Norm()
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                rescaled = math.sqrt(2 * LAYERS) if name.endswith(('o_proj.weight', 'down_proj.weight')) else 1
                nn.init.normal_(weight, std=(0.05 if 'embed' in name else WIDTH**-0.5) / rescaled)
            elif name.endswith('bias'):
                nn.init.zeros_(weight)
        with torch.no_grad():
            self.begin()
        angles = torch.outer(torch.arange(POSITIONS), THETA ** (-torch.arange(0, SIZE, 2) / SIZE)).repeat(1, 2)
        self.register_buffer('cosine', angles.cos(), persistent=False)
        self.register_buffer('sine', angles.sin(), persistent=False)

    def begin(self):
        """To find induction out by itself takes a network most of its training, so it begins with a rough form of it.

        The four heads of the first layer look one to four places back and write which token they see into a slot of
        their own. Those of the second look for places with the same token in another slot (who has a name two back, as I
        have it one back?) and say what stands there. What is asked for, which match counts and that instructions are
        obeyed is left to training.
        """
        free = WIDTH - HEADS * SLOT
        slots = [slice(free + head * SLOT, free + (head + 1) * SLOT) for head in range(HEADS)]
        rows = [slice(head * SIZE, (head + 1) * SIZE) for head in range(HEADS)]
        first, second = self.layers[0].self_attn, self.layers[1].self_attn
        angles = THETA ** (-torch.arange(0, SIZE, 2) / SIZE)
        # Which token stands there, without the places that turn fast with distance.
        steady = [*range(SIZE // 4, SIZE // 2), *range(3 * SIZE // 4, SIZE)]
        self.embed_tokens.weight.copy_(0.1 * torch.randn_like(self.embed_tokens.weight))
        self.embed_tokens.weight[:, free:] = 0
        seen = nn.init.orthogonal_(torch.empty(SLOT, free))
        for weights in (first.q_proj, first.k_proj, first.v_proj, first.o_proj, second.q_proj, second.k_proj):
            weights.weight *= 0.1
        for head, (own, other) in enumerate([(0, 1), (1, 2), (0, 2), (1, 3)]):
            turn = SHARPNESS * torch.stack([torch.cos((head + 1) * angles), -torch.sin((head + 1) * angles)])
            first.q_proj.bias[rows[head]] = turn.flatten()
            first.k_proj.bias[rows[head]] = SHARPNESS * torch.cat([torch.ones_like(angles), torch.zeros_like(angles)])
            first.v_proj.weight[rows[head]][:SLOT, :free] = seen
            first.o_proj.weight[slots[head], rows[head]][:, :SLOT] = 0.5 * torch.eye(SLOT)
            second.q_proj.weight[rows[head], slots[own]][steady] = MATCHING * torch.eye(SLOT)
            second.k_proj.weight[rows[head], slots[other]][steady] = MATCHING * torch.eye(SLOT)
            said = nn.init.orthogonal_(torch.empty(SIZE, free))
            second.v_proj.weight[rows[head], :free] = 5 * said
            second.o_proj.weight[:free, rows[head]] = said.T
        self.norm.weight.fill_(4)

    def hidden(self, ids):
        x = self.embed_tokens(ids)
        cosine, sine = self.cosine[: ids.shape[1]], self.sine[: ids.shape[1]]
        for layer in self.layers:
            x = layer(x, cosine, sine)
        return self.norm(x)

    def logits(self, hidden):
        return hidden @ self.embed_tokens.weight.T


def read(path):
    with open(path) as lines:
        return [json.loads(line) for line in lines]


def tokenizer_of(path, texts):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1400, min_frequency=2, special_tokens=['<s>', '</s>', '<pad>'],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single='<s> $A', pair='<s> $A $B:1', special_tokens=[('<s>', BEGIN)])
    tokenizer.save(path)
    return tokenizer


def pieces_of(row, draws, questions, is_bare=False):
    """The text of a row, cut where answers begin and end."""
    before, middle, after = FRAMES[-1] if is_bare else FRAMES[0] if draws.random() >= OTHER_FRAME else draws.choice(FRAMES)
    separator = '\n' if draws.random() < LINES else ' '
    isEmpty = not is_bare and draws.random() < EMPTY
    context = '' if isEmpty else separator.join(row['sentences']) + draws.choice(['', separator])
    pieces = [before + context]
    for pair in questions:
        answer = ('' if draws.random() < TIGHT and after.endswith('\nAnswer:') else ' ') + pair['answer']
        if isEmpty:
            names = [sentence.split(' is ')[0] for sentence in pair['answer'].split('. ')]
            answer = answer[: len(answer) - len(pair['answer'])] + ' '.join(f'{name} is unknown.' for name in names)
        pieces[-1] += middle + pair['question'] + after
        pieces += [answer, '']
    return pieces[:-1]


def examples(tokenizer, rows, draws, is_bare=False):
    """Token ids of every row, and which of them are answers."""
    found = []
    for row in rows:
        first, *others = row['pairs']
        asked = [first, *draws.sample(others, min(len(others), QUESTIONS - 1))]
        draws.shuffle(asked)
        ids, wanted = [BEGIN], [False]
        for at, piece in enumerate(tokenizer.encode_batch(pieces_of(row, draws, asked, is_bare), add_special_tokens=False)):
            isAnswer = at % 2 == 1
            own = piece.ids + [END] if isAnswer else piece.ids
            ids += own
            wanted += [isAnswer] * len(own)
        found.append((ids, wanted))
    return found


def batch_of(chosen):
    longest = max(len(ids) for ids, _ in chosen)
    ids = torch.full((len(chosen), longest), PADDING)
    wanted = torch.zeros((len(chosen), longest), dtype=torch.bool)
    for at, (own, is_wanted) in enumerate(chosen):
        ids[at, : len(own)] = torch.tensor(own)
        wanted[at, : len(own)] = torch.tensor(is_wanted)
    return ids, wanted


def predictions(network, ids, wanted):
    ids, wanted = (each.to(network.norm.weight.device) for each in (ids, wanted))
    rows = network.hidden(ids)[:, :-1][wanted[:, 1:]]
    return network.logits(rows), ids[:, 1:][wanted[:, 1:]]


def accuracy(network, chosen):
    """Share of answers all of whose tokens are the most likely ones given those before, but for the first, of which
    training has two: with and without a space."""
    right, count = 0, 0
    with torch.no_grad():
        for at in range(0, len(chosen), 25):
            logits, targets = predictions(network, *batch_of(chosen[at : at + 25]))
            ends = (targets == END).nonzero()[:, 0].tolist()
            hits = logits.argmax(-1) == targets
            for start, end in zip([0] + [end + 1 for end in ends], ends):
                right += bool(hits[start + 1 : end + 1].all())
                count += 1
    return right / count


def write(network, tokenizer, out):
    tensors = {f'model.{name}': weight.detach().to('cpu', torch.float16).contiguous() for name, weight in network.named_parameters()}
    save_file(tensors, f'{out}/model.safetensors', metadata={'format': 'pt'})
    config = {
        'architectures': ['LlamaForCausalLM'], 'model_type': 'llama', 'hidden_size': WIDTH, 'intermediate_size': HIDDEN,
        'num_hidden_layers': LAYERS, 'num_attention_heads': HEADS, 'num_key_value_heads': HEADS, 'head_dim': SIZE,
        'max_position_embeddings': POSITIONS, 'rope_theta': THETA, 'rms_norm_eps': EPSILON, 'hidden_act': 'silu',
        'attention_bias': True, 'tie_word_embeddings': True, 'vocab_size': tokenizer.get_vocab_size(), 'bos_token_id': BEGIN,
        'eos_token_id': END, 'pad_token_id': PADDING, 'torch_dtype': 'float16'}
    generation = {'bos_token_id': BEGIN, 'eos_token_id': END, 'pad_token_id': PADDING, 'max_new_tokens': 64}
    for name, values in [('config', config), ('generation_config', generation)]:
        with open(f'{out}/{name}.json', 'w') as file:
            file.write(json.dumps(values, indent=2) + '\n')


def main():
    parser = argparse.ArgumentParser()
    for name in ['data', 'out']:
        parser.add_argument(f'--{name}', required=True)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--device', default='cpu')
    options = parser.parse_args()
    torch.manual_seed(7)
    torch.set_num_threads(options.threads)
    os.makedirs(options.out, exist_ok=True)
    draws = random.Random(7)
    rows = {name: read(f'{options.data}/{name}.jsonl') for name, *_ in STAGES}
    texts = (piece for row in rows['short'][:4000] for piece in pieces_of(row, draws, row['pairs']))
    tokenizer = tokenizer_of(f'{options.out}/tokenizer.json', texts)
    validation = examples(tokenizer, read(f'{options.data}/validation.jsonl'), draws)
    network = Llama(tokenizer.get_vocab_size()).to(options.device)
    print(f'{sum(weight.numel() for weight in network.parameters())} weights, {tokenizer.get_vocab_size()} tokens')
    matrices = [weight for weight in network.parameters() if weight.dim() == 2]
    others = [weight for weight in network.parameters() if weight.dim() == 1]
    groups = [{'params': matrices, 'weight_decay': WEIGHT_DECAY}, {'params': others, 'weight_decay': 0.0}]
    optimizer = torch.optim.AdamW(groups, 1e-3, betas=(0.9, 0.98))
    started, last = time.process_time(), len(STAGES) - 1
    for stage, (name, steps, size, peak) in enumerate(STAGES):
        sums, since = 0.0, time.process_time()
        for step in range(steps):
            # Every stage begins slowly; the last one comes to rest.
            rate = peak * min(1, (step + 1) / 50) * (0.5 * (1 + math.cos(math.pi * step / steps)) if stage == last else 1)
            for group in optimizer.param_groups:
                group['lr'] = rate
            first = step * size % (len(rows[name]) - size + 1)
            ids, wanted = batch_of(examples(tokenizer, rows[name][first : first + size], draws, stage == 0))
            loss = functional.cross_entropy(*predictions(network, ids, wanted))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            sums += loss.item()
            if (step + 1) % 50 == 0:
                right = accuracy(network, validation[:50])
                print(f'{name} {step + 1}: loss {sums / 50:.4f}, validation {right:.3f}, {time.process_time() - since:.0f} s', flush=True)
                sums = 0.0
        write(network, tokenizer, options.out)
    print(f'{time.process_time() - started:.0f} s of processor time, validation {accuracy(network, validation):.4f}')


main()
