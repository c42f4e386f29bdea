"""Records what the reference evaluator of the onnx package gives for operators that ONNX Runtime does not know yet.

    python test/oracles/onnx_reference.py        (onnx 1.23.1, numpy 2.4.6)
"""
import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

random = np.random.default_rng(7)


def real(*shape, low=-1.0, high=1.0):
    return random.uniform(low, high, shape).astype(np.float32)


names = {"float32": "f32", "float64": "f64", "int64": "i64", "int32": "i32", "uint8": "u8", "int8": "i8"}


def tensor(value):
    value = np.asarray(value)
    return {"dtype": names[value.dtype.name], "shape": list(value.shape), "values": [v.item() for v in value.reshape(-1)]}


def record(note, op, opset, inputs, attributes=None, outputs=("y",)):
    """`inputs` by name in the operator's order; None leaves one out."""
    node = helper.make_node(op, [name if value is not None else "" for name, value in inputs.items()], list(outputs), **(attributes or {}))
    given = {name: value for name, value in inputs.items() if value is not None}
    graph = helper.make_graph(
        [node], "g",
        [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape) for name, value in given.items()],
        [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    results = ReferenceEvaluator(model).run(None, given)
    return {"name": f"{op} {note}".strip(), "op": op, "opset": opset, "operands": list(node.input), "attributes": attributes or {},
            "inputs": {name: tensor(value) for name, value in given.items()}, "outputs": {name: tensor(value) for name, value in zip(outputs, results)}}


def linear_attention(note, rule, heads=(4, 2), past=False, decay=None, rate=None, scale=None):
    q, kv = heads
    steps, size, width = 3, 4, 2
    inputs = {"q": real(2, steps, q * size), "k": real(2, steps, kv * size), "v": real(2, steps, kv * width),
              "past": real(2, kv, size, width) if past else None,
              "decay": real(2, steps, kv * size if decay == "keys" else kv, low=-0.5, high=0) if decay else None,
              "beta": real(2, steps, kv if rate == "heads" else 1, low=0, high=1) if rate else None}
    while inputs and list(inputs.values())[-1] is None:
        inputs.pop(list(inputs)[-1])
    attributes = {"q_num_heads": q, "kv_num_heads": kv, "update_rule": rule}
    if scale:
        attributes["scale"] = scale
    return record(note, "LinearAttention", 27, inputs, attributes, ("y", "state"))


def convolution(note, inputs, activation="none"):
    return record(note, "CausalConvWithState", 27, inputs, {"activation": activation}, ("y", "state"))


axis = np.asarray(1, dtype=np.int64)
cases = [
    record("", "SwiGLU", 28, {"a": real(2, 5), "b": real(2, 5)}),
    record("alpha", "SwiGLU", 28, {"a": real(2, 5), "b": real(2, 5)}, {"alpha": 1.5}),
    record("to i32", "BitCast", 26, {"x": real(2, 3)}, {"to": TensorProto.INT32}),
    record("to f64", "BitCast", 26, {"x": np.asarray([4607182418800017408, 0], dtype=np.int64)}, {"to": TensorProto.DOUBLE}),
    *(record(f"{exclusive}{reverse}", "CumProd", 26, {"x": real(2, 4, 2), "axis": axis}, {"exclusive": exclusive, "reverse": reverse})
      for exclusive in (0, 1) for reverse in (0, 1)),
    record("", "TensorScatter", 24, {"cache": real(2, 2, 5, 3), "update": real(2, 2, 2, 3), "at": np.asarray([1, 3], dtype=np.int64)}),
    record("circular, axis 1", "TensorScatter", 24, {"cache": real(2, 4, 3), "update": real(2, 3, 3), "at": np.asarray([2, 3], dtype=np.int64)}, {"mode": "circular", "axis": 1}),
    linear_attention("linear", "linear"),
    linear_attention("gated", "gated", decay="keys", past=True),
    linear_attention("gated, one decay a head", "gated", decay="heads", heads=(2, 2)),
    linear_attention("delta", "delta", rate="heads", past=True, scale=0.7),
    linear_attention("gated delta", "gated_delta", decay="keys", rate="all", heads=(4, 1)),
    convolution("", {"x": real(2, 3, 6), "w": real(3, 1, 4)}),
    convolution("everything", {"x": real(2, 3, 4), "w": real(3, 1, 3), "b": real(3), "past": real(2, 3, 2)}, "silu"),
    convolution("one tap", {"x": real(1, 2, 4), "w": real(2, 1, 1)}),
]
path = Path(__file__).with_suffix(".json")
path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
print(f"{len(cases)} cases")
