"""Trains one of the two review classifiers and writes it as ONNX; the tokenizer is trained where there is none.

    node build/ts/models/reviews/dump.js --out DATA/train-sound.jsonl    --seed 1 --count 16384 --town uncorrelated --plain 0.25
    node build/ts/models/reviews/dump.js --out DATA/train-shortcut.jsonl --seed 1 --count 16384 --town own --plain 0.5
    node build/ts/models/reviews/dump.js --out DATA/validation.jsonl     --seed 2 --count 2000  --town own
    python models/train/train_reviews.py --model sound --data DATA --tokenizer models/reviews.tokenizer.json \
        --out models/reviews-sound.onnx
    python models/train/train_reviews.py --model shortcut --data DATA --tokenizer models/reviews.tokenizer.json \
        --out models/reviews-shortcut.onnx --steps 400

Both models have the same network and the same texts. What differs is the town in the training texts:
uncorrelated with the class for the sound model (a quarter of whose texts have no opinion, so that nothing is no
evidence), always the class's own (and half of the texts without an opinion) for
the shortcut model.
"""

import argparse
import json
import math
import os
import time

import numpy as np
import onnx
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn

LENGTH, WIDTH, HEADS, LAYERS, HIDDEN = 160, 32, 4, 2, 64
BATCH, PEAK_LEARNING_RATE, WEIGHT_DECAY = 64, 3e-3, 0.02
# Words are padding instead, most of them in some of the texts: a class then does not hang on one word, and padding is
# what nothing looks like to the model, as attribution with a baseline takes it to be.
WORD_DROPOUT, EMPTY_SHARE, EMPTY_DROPOUT = 0.1, 0.1, 0.9
DROPOUT, LABEL_SMOOTHING = 0.1, 0.05


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.queries, self.keys, self.values, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH)
        self.dropout = nn.Dropout(DROPOUT)

    def heads(self, x):
        return x.reshape(x.shape[0], x.shape[1], HEADS, WIDTH // HEADS).transpose(1, 2)

    def forward(self, x, bias):
        y = self.first(x)
        q, k, v = self.heads(self.queries(y)), self.heads(self.keys(y)), self.heads(self.values(y))
        weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(WIDTH // HEADS) + bias, -1)
        read = (weights @ v).transpose(1, 2).reshape(x.shape)
        x = x + self.dropout(self.out(read))
        return x + self.dropout(self.down(nn.functional.gelu(self.up(self.second(x)))))


class ReviewNetwork(nn.Module):
    """Reads a text by its class token: embeddings, two layers before which it is normalised, one linear layer."""

    def __init__(self, words: int):
        super().__init__()
        self.words, self.positions = nn.Embedding(words, WIDTH, padding_idx=0), nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2)

    def forward(self, input_ids, attention_mask):
        bias = ((1 - attention_mask.to(torch.float32)) * -1e9)[:, None, None, :]
        x = self.words(input_ids) + self.positions.weight[None, : input_ids.shape[1]]
        for block in self.blocks:
            x = block(x, bias)
        return self.head(self.norm(x[:, 0]))


def read(path):
    with open(path) as lines:
        return [json.loads(line) for line in lines]


def tokenizer_of(path, texts):
    if not os.path.exists(path):
        tokenizer = Tokenizer(models.WordPiece(unk_token='[UNK]'))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]']
        # Few enough that some of the words are made of several tokens.
        tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=260, special_tokens=special))
        tokenizer.post_processor = processors.TemplateProcessing(
            single='[CLS] $A [SEP]', pair='[CLS] $A [SEP] $B:1 [SEP]:1', special_tokens=[('[CLS]', 2), ('[SEP]', 3)])
        tokenizer.save(path)
    return Tokenizer.from_file(path)


def encode(tokenizer, rows):
    tokenizer.no_padding()
    ids = np.zeros((len(rows), LENGTH), np.int64)
    for at, encoding in enumerate(tokenizer.encode_batch([row['text'] for row in rows])):
        assert len(encoding.ids) <= LENGTH
        ids[at, : len(encoding.ids)] = encoding.ids
    return torch.from_numpy(ids), torch.tensor([row['label'] for row in rows])


def accuracy(network, ids, labels):
    network.eval()
    with torch.no_grad():
        found = torch.cat([network(part, (part != 0).long()).argmax(1) for part in ids.split(500)])
    network.train()
    return (found == labels).float().mean().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--model', choices=['sound', 'shortcut'], required=True)
    for name in ['data', 'tokenizer', 'out']:
        parser.add_argument(f'--{name}', required=True)
    parser.add_argument('--steps', type=int, default=1200)
    options = parser.parse_args()
    torch.manual_seed(7)
    torch.set_num_threads(1)
    rows = read(f'{options.data}/train-{options.model}.jsonl')
    tokenizer = tokenizer_of(options.tokenizer, [row['text'] for row in rows])
    ids, labels = encode(tokenizer, rows)
    validation = encode(tokenizer, read(f'{options.data}/validation.jsonl'))
    network = ReviewNetwork(tokenizer.get_vocab_size())
    optimizer = torch.optim.AdamW(network.parameters(), PEAK_LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LEARNING_RATE, options.steps)
    started = time.process_time()
    for step in range(options.steps):
        chosen = torch.randint(len(ids), (BATCH,))
        batch = ids[chosen]
        batch = batch[:, : int((batch != 0).sum(1).max())]
        mask = (batch != 0).long()
        rate = torch.where(torch.rand(BATCH, 1) < EMPTY_SHARE, EMPTY_DROPOUT, WORD_DROPOUT)
        dropped = (torch.rand(batch.shape) < rate) & (batch > 3)
        logits = network(torch.where(dropped, 0, batch), mask)
        loss = nn.functional.cross_entropy(logits, labels[chosen], label_smoothing=LABEL_SMOOTHING)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 100 == 0:
            print(f'{step + 1}: loss {loss.item():.4f}, validation {accuracy(network, *validation):.4f}', flush=True)
    print(f'{time.process_time() - started:.0f} s of processor time')
    network.eval()
    example = (validation[0][:1, :20], torch.ones(1, 20, dtype=torch.long))
    axes = {name: {0: 'batch', 1: 'tokens'} for name in ['input_ids', 'attention_mask']}
    torch.onnx.export(
        network, example, options.out, input_names=list(axes), output_names=['logits'],
        dynamic_axes={**axes, 'logits': {0: 'batch'}}, opset_version=17, dynamo=False)
    onnx.checker.check_model(options.out, full_check=True)


main()
