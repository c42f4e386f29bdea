"""Writes the operator cases that the onnx package generates into a folder, for bench/onnxCases.bench.ts.

    python bench/onnx-cases/convert.py FOLDER        (onnx 1.23; some 1,600 cases, two minutes)
"""
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

warnings.filterwarnings("ignore")
folder = Path(sys.argv[1])


def write(value, name, path):
    """False for what is no tensor: sequences, optionals, maps."""
    if isinstance(value, onnx.TensorProto):
        tensor = value
    elif isinstance(value, (np.ndarray, np.generic)):
        tensor = numpy_helper.from_array(np.asarray(value), name)
    else:
        return False
    path.write_bytes(tensor.SerializeToString())
    return True


# Operands that decide which operator is meant and are constants in every export: axes, which way a triangle lies.
CONSTANT = {**{f"Reduce{kind}": [1] for kind in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")},
            "CumSum": [1], "CumProd": [1], "Squeeze": [1], "Unsqueeze": [1], "Trilu": [1], "Dropout": [1, 2], "BitCast": []}


def with_constants(model, inputs):
    """The model with such operands as initialisers, and the inputs that are left."""
    kept = list(zip(model.graph.input, inputs))
    for node in model.graph.node:
        for at in CONSTANT.get(node.op_type, []):
            name = node.input[at] if at < len(node.input) else ""
            for pair in [pair for pair in kept if pair[0].name == name and isinstance(pair[1], (np.ndarray, np.generic))]:
                model.graph.initializer.append(numpy_helper.from_array(np.asarray(pair[1]), name))
                kept.remove(pair)
    del model.graph.input[:]
    model.graph.input.extend(info for info, _ in kept)
    return [value for _, value in kept]


index = []
for case in collect_testcases(None):
    where = folder / case.name
    where.mkdir(parents=True, exist_ok=True)
    inputs, outputs = case.data_sets[0]
    inputs = with_constants(case.model, inputs)
    (where / "model.onnx").write_bytes(case.model.SerializeToString())
    tensors = [write(value, f"i{i}", where / f"input_{i}.pb") for i, value in enumerate(inputs)]
    tensors += [write(value, f"o{i}", where / f"output_{i}.pb") for i, value in enumerate(outputs)]
    index.append({
        "name": case.name,
        "operators": sorted({(f"{node.domain}." if node.domain else "") + node.op_type for node in case.model.graph.node}),
        "tensors": all(tensors),
        "inputs": [value.name for value in case.model.graph.input],
        "outputs": len(outputs),
        "tolerance": case.rtol,
    })
(folder / "index.json").write_text(json.dumps(index))
print(f"{len(index)} cases")
