#pragma once
#include <cstring>
#include <initializer_list>
#include <string>
#include <vector>

#include "runtime/mapped_file.h"
#include "runtime/onnx/scan.h"
#include "runtime/onnx/wire.h"

/// Protobuf written by hand for the tests of the ONNX scan, so that a test can also write what no tool would.
namespace ascribe::test {

inline std::string number(uint32_t field, uint64_t value) {
  std::string out;
  onnx::writeTag(out, field, onnx::Wire::Varint);
  onnx::writeVarint(out, value);
  return out;
}

inline std::string bytes(uint32_t field, const std::string& value) {
  std::string out;
  onnx::writeBytes(out, field, value);
  return out;
}

inline std::string fixed32(uint32_t field, float value) {
  std::string out;
  onnx::writeTag(out, field, onnx::Wire::Fixed32);
  out.append(reinterpret_cast<const char*>(&value), 4);
  return out;
}

inline std::string varints(std::initializer_list<uint64_t> values) {
  std::string out;
  for (const uint64_t value : values) onnx::writeVarint(out, value);
  return out;
}

template <class T>
std::string rawOf(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// A TensorProto: packed dimensions, a data type, a name, and whatever fields `data` holds.
inline std::string tensor(const std::string& name, std::initializer_list<uint64_t> dims, uint64_t type,
                          const std::string& data) {
  return bytes(1, varints(dims)) + number(2, type) + bytes(8, name) + data;
}

inline std::string model(const std::string& graph) {
  return number(1, 8) + bytes(2, "test") + bytes(8, bytes(1, "") + number(2, 17)) + bytes(7, graph);
}

inline onnx::ModelScan scanBytes(const std::string& file, const onnx::ScanOptions& options = {}) {
  auto owner = std::make_shared<const std::string>(file);
  return onnx::scanModel(MappedFile::wrap(owner->data(), owner->size(), owner), options);
}

/// The bytes of the first occurrence of a length-delimited field, following a path of field numbers.
inline std::string at(const std::string& message, std::initializer_list<uint32_t> path) {
  std::string current = message;
  for (const uint32_t wanted : path) {
    onnx::WireReader reader(reinterpret_cast<const std::byte*>(current.data()), 0, current.size());
    std::string found;
    bool isFound = false;
    while (!reader.atEnd() && !isFound) {
      const auto [field, wire] = reader.tag();
      if (field == wanted && wire == onnx::Wire::Bytes) {
        found = reader.block().rest();
        isFound = true;
      } else {
        reader.skipField(wire);
      }
    }
    if (!isFound) return "<absent>";
    current = found;
  }
  return current;
}

/// The value of a varint field of a message; -1 where it is absent.
inline int64_t numberAt(const std::string& message, uint32_t wanted) {
  onnx::WireReader reader(reinterpret_cast<const std::byte*>(message.data()), 0, message.size());
  int64_t value = -1;
  while (!reader.atEnd()) {
    const auto [field, wire] = reader.tag();
    if (field == wanted && wire == onnx::Wire::Varint)
      value = static_cast<int64_t>(reader.varint());
    else
      reader.skipField(wire);
  }
  return value;
}

inline std::string payloadBytes(const onnx::ModelScan& scan, size_t index) {
  const auto& payload = scan.payloads.at(index);
  const auto range = scan.files.at(payload.file)->range(payload.offset, payload.length);
  return {reinterpret_cast<const char*>(range.data()), range.size()};
}

}  // namespace ascribe::test
