"""Records the distributions that transformers samples from: python bench/checkpoints/recordSampling.py > test/fixtures/sampling/recorded.json

Made with transformers 5.18.0 and torch 2.13.0.
"""
import json

import torch
from transformers.generation import logits_process as lp

LOGITS = [[2.0, 1.0, 0.5, 2.5, -1.0, 0.0, 1.9, -3.0], [0.0, 0.0, 0.0, 0.0, 5.0, 4.9, -2.0, 1.0]]
PREVIOUS = [3, 5, 3]
CASES = [
    dict(temperature=0.7),
    dict(temperature=1.0, topK=3),
    dict(temperature=1.0, topP=0.8),
    dict(temperature=1.0, minP=0.2),
    dict(temperature=1.0, repetitionPenalty=1.3),
    dict(temperature=1.5, topK=5, topP=0.9, minP=0.1, repetitionPenalty=1.2),
    dict(temperature=0.5, topK=50, topP=0.1),
]
out = []
for options in CASES:
    for logits in LOGITS:
        scores, ids = torch.tensor([logits]), torch.tensor([PREVIOUS])
        if 'repetitionPenalty' in options:
            scores = lp.RepetitionPenaltyLogitsProcessor(options['repetitionPenalty'])(ids, scores)
        scores = lp.TemperatureLogitsWarper(options['temperature'])(ids, scores) if options['temperature'] != 1 else scores
        if 'topK' in options:
            scores = lp.TopKLogitsWarper(options['topK'])(ids, scores)
        if 'topP' in options:
            scores = lp.TopPLogitsWarper(options['topP'])(ids, scores)
        if 'minP' in options:
            scores = lp.MinPLogitsWarper(options['minP'])(ids, scores)
        out.append(dict(options=options, logits=logits, previous=PREVIOUS,
                        probabilities=[float(f'{p:.7g}') for p in scores.softmax(-1)[0].tolist()]))
print(json.dumps(out))
