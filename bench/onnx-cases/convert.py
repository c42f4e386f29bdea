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


index = []
for case in collect_testcases(None):
    where = folder / case.name
    where.mkdir(parents=True, exist_ok=True)
    inputs, outputs = case.data_sets[0]
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
