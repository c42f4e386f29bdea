#include "graph/convert.h"

#include <cstring>

#include "graph/blocks.h"
#include "graph/half.h"
#include "runtime/error.h"

namespace ascribe {

namespace {

template <class T>
T load(const void* base, int64_t i) {
  T value;
  std::memcpy(&value, static_cast<const char*>(base) + static_cast<size_t>(i) * sizeof(T), sizeof(T));
  return value;
}

double widen(const void* base, DType from, int64_t i) {
  switch (from) {
    case DType::F64: return load<double>(base, i);
    case DType::Dual: return load<double>(base, 2 * i);
    case DType::F32: return load<float>(base, i);
    case DType::F16: return widenF16(load<uint16_t>(base, i));
    case DType::BF16: return widenBf16(load<uint16_t>(base, i));
    case DType::I64: return static_cast<double>(load<int64_t>(base, i));
    case DType::I32: return load<int32_t>(base, i);
    case DType::I8: return load<int8_t>(base, i);
    case DType::U8:
    case DType::Bool: return load<uint8_t>(base, i);
    default: throw Error("INTERNAL", "elements of blocks are not read one by one");
  }
}

}  // namespace

void convertElements(const void* source, DType from, void* destination, DType to, int64_t count) {
  if (from == to) {
    if (count) std::memcpy(destination, source, bytesOf(from, count));
    return;
  }
  if (isBlocked(from)) {
    float wide[256];
    const StoredBlock block = blockOf(from);
    const auto* bytes = static_cast<const std::byte*>(source);
    for (int64_t i = 0; i < count; i += block.elements, bytes += block.bytes) {
      widenBlocks(from, bytes, wide, block.elements);
      convertElements(wide, DType::F32, static_cast<std::byte*>(destination) + bytesOf(to, i), to, block.elements);
    }
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    const double value = widen(source, from, i);
    switch (to) {
      case DType::F64: static_cast<double*>(destination)[i] = value; break;
      case DType::F32: static_cast<float*>(destination)[i] = static_cast<float>(value); break;
      case DType::F16: static_cast<uint16_t*>(destination)[i] = narrowF16(static_cast<float>(value)); break;
      case DType::BF16: static_cast<uint16_t*>(destination)[i] = narrowBf16(static_cast<float>(value)); break;
      case DType::Dual:
        static_cast<double*>(destination)[2 * i] = value;
        static_cast<double*>(destination)[2 * i + 1] = 0;
        break;
      default: throw Error("INTERNAL", "converts to floating types only");
    }
  }
}

HostTensor convert(const HostTensor& tensor, DType to) {
  HostTensor out(to, tensor.shape());
  convertElements(tensor.data(), tensor.dtype(), out.mutableData(), to, tensor.shape().count());
  return out;
}

}  // namespace ascribe
