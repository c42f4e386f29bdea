#pragma once
#include <cstdint>
#include <span>

namespace ascribe::onnx {

/// The messages of the public ONNX format that we read.
enum class Message : uint8_t {
  Model,
  Graph,
  Node,
  Attribute,
  Tensor,
  SparseTensor,
  ValueInfo,
  Type,
  TensorType,
  Shape,
  Dimension,
  Function,
  OperatorSet,
  Entry,
};

enum class Kind : uint8_t {
  Number,   // one varint
  Numbers,  // repeated varints, packed or not
  Float,    // one fixed32
  Floats,   // repeated fixed32, packed or not
  Text,     // UTF-8
  Bytes,
  Child,     // a message that may occur once: protobuf would merge a second, which no writer means
  Children,  // a repeated message
};

struct Field {
  uint32_t number;
  Kind kind;
  Message child = Message::Model;
};

/// What the skeleton keeps of a message; every other field is dropped. TensorProto is not in it: tensor.cpp
/// reads it.
std::span<const Field> fieldsOf(Message message);

}  // namespace ascribe::onnx
