#include "graph/host_tensor.h"

#include <cstring>
#include <limits>
#include <string>

#include "graph/half.h"
#include "runtime/error.h"
#include "runtime/memory.h"

namespace ascribe {

HostTensor::HostTensor(DType dtype, Shape shape, std::shared_ptr<MemoryBudget> budget) : dtype_(dtype), shape_(shape) {
  auto block = std::make_shared<Block>(std::move(budget), bytes(), "a tensor");
  block->clear();
  data_ = block->data();
  owner_ = std::move(block);
}

HostTensor::HostTensor(DType dtype, Shape shape, const void* data, std::shared_ptr<const void> owner)
    : dtype_(dtype), shape_(shape), owner_(std::move(owner)), data_(data) {}

HostTensor HostTensor::ofIntegers(const std::vector<int64_t>& values) {
  HostTensor out(DType::I64, Shape{static_cast<int64_t>(values.size())});
  if (!values.empty()) std::memcpy(out.mutableData(), values.data(), out.bytes());
  return out;
}

HostTensor HostTensor::scalar(DType dtype, double value) {
  HostTensor out(dtype, Shape{});
  void* data = out.mutableData();
  switch (dtype) {
    case DType::F64: *static_cast<double*>(data) = value; break;
    case DType::F32: *static_cast<float*>(data) = static_cast<float>(value); break;
    case DType::F16: *static_cast<uint16_t*>(data) = narrowF16(static_cast<float>(value)); break;
    case DType::BF16: *static_cast<uint16_t*>(data) = narrowBf16(static_cast<float>(value)); break;
    case DType::I64: *static_cast<int64_t*>(data) = static_cast<int64_t>(value); break;
    case DType::I32: *static_cast<int32_t*>(data) = static_cast<int32_t>(value); break;
    case DType::I8: *static_cast<int8_t*>(data) = static_cast<int8_t>(value); break;
    case DType::U8: *static_cast<uint8_t*>(data) = static_cast<uint8_t>(value); break;
    case DType::Bool: *static_cast<uint8_t*>(data) = value != 0; break;
    case DType::Dual: static_cast<double*>(data)[0] = value; break;
    default: throw Error("INTERNAL", "a block is no scalar");
  }
  return out;
}

namespace {
template <class T>
T readUnaligned(const void* base, int64_t index) {
  T value;
  std::memcpy(&value, static_cast<const char*>(base) + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}
}  // namespace

/// Shape rules read numbers that a file wrote; a missing one is the file's fault and must not be read.
void HostTensor::requireElement(int64_t index) const {
  if (!data_ || index < 0 || index >= shape_.count())
    throw Error("MODEL_INVALID", "a constant of shape " + shape_.text() + " has no element " + std::to_string(index) + ", which the model needs");
}

double HostTensor::real(int64_t index) const {
  requireElement(index);
  switch (dtype_) {
    case DType::F64: return readUnaligned<double>(data_, index);
    case DType::F32: return readUnaligned<float>(data_, index);
    case DType::F16: return widenF16(readUnaligned<uint16_t>(data_, index));
    case DType::BF16: return widenBf16(readUnaligned<uint16_t>(data_, index));
    case DType::Dual: return readUnaligned<double>(data_, 2 * index);
    default: return static_cast<double>(integer(index));
  }
}

int64_t HostTensor::integer(int64_t index) const {
  requireElement(index);
  switch (dtype_) {
    case DType::I64: return readUnaligned<int64_t>(data_, index);
    case DType::I32: return readUnaligned<int32_t>(data_, index);
    case DType::I8: return readUnaligned<int8_t>(data_, index);
    case DType::U8:
    case DType::Bool: return readUnaligned<uint8_t>(data_, index);
    default: {
      // A conversion out of range is undefined; what lies beyond is as large as it gets.
      const double value = real(index);
      if (!(value > -9.2e18)) return value < 0 ? std::numeric_limits<int64_t>::min() : 0;
      return value < 9.2e18 ? static_cast<int64_t>(value) : std::numeric_limits<int64_t>::max();
    }
  }
}

std::vector<int64_t> HostTensor::integers() const {
  std::vector<int64_t> out(static_cast<size_t>(shape_.count()));
  for (size_t i = 0; i < out.size(); ++i) out[i] = integer(static_cast<int64_t>(i));
  return out;
}

}  // namespace ascribe
