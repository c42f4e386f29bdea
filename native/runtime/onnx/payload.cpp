#include "runtime/onnx/payload.h"

#include <bit>
#include <cstring>
#include <limits>

#include "runtime/onnx/data_type.h"

namespace ascribe::onnx {
namespace {

static_assert(std::endian::native == std::endian::little,
              "ONNX payloads are little-endian and read in place");

std::string quoted(std::string_view name) {
  return "tensor '" + std::string(name) + "'";
}

struct Range {
  int64_t low;
  int64_t high;
};

/// What one value of int32_data may hold for a type; the narrow floats are written as their bits.
Range rangeOf(int32_t type) {
  switch (static_cast<DataType>(type)) {
    case DataType::Int32:
      return {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
    case DataType::Int16:
      return {-32768, 32767};
    case DataType::Int8:
      return {-128, 127};
    case DataType::Bool:
      return {0, 1};
    default:
      return bitsOf(type).value_or(0) == 16 ? Range{0, 65535} : Range{0, 255};
  }
}

int64_t asInt32(uint64_t wire, uint64_t at) {
  // Negative numbers are sign-extended to ten bytes; some writers cut them to five.
  if (wire <= std::numeric_limits<uint32_t>::max()) return static_cast<int32_t>(static_cast<uint32_t>(wire));
  const auto value = static_cast<int64_t>(wire);
  if (value < std::numeric_limits<int32_t>::min() || value >= 0)
    WireReader::fail(at, "a value of int32_data does not fit 32 bits");
  return value;
}

bool holds(PayloadField field, int32_t type) {
  const auto data = static_cast<DataType>(type);
  switch (field) {
    case PayloadField::Int64Data:
      return data == DataType::Int64;
    case PayloadField::Uint64Data:
      return data == DataType::Uint32 || data == DataType::Uint64;
    case PayloadField::Int32Data:
      return data == DataType::Int32 || bitsOf(type).value_or(64) <= 16;
    default:
      return false;
  }
}

}  // namespace

uint64_t elementCount(const std::vector<int64_t>& dims, uint64_t at, std::string_view name) {
  uint64_t count = 1;
  for (const int64_t size : dims) {
    if (size < 0) WireReader::fail(at, quoted(name) + " has the negative dimension " + std::to_string(size));
    if (__builtin_mul_overflow(count, static_cast<uint64_t>(size), &count))
      WireReader::fail(at, quoted(name) + " has more elements than 64 bits can count");
  }
  return count;
}

uint64_t byteCount(uint64_t count, uint32_t bits, uint64_t at, std::string_view name) {
  if (bits < 8) return count / (8 / bits) + (count % (8 / bits) != 0 ? 1 : 0);
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(count, static_cast<uint64_t>(bits / 8), &bytes))
    WireReader::fail(at, quoted(name) + " has more bytes than 64 bits can count");
  return bytes;
}

bool isStoredForm(PayloadField field) {
  return field == PayloadField::FloatData || field == PayloadField::DoubleData ||
         field == PayloadField::RawData;
}

std::vector<std::byte> decodeElements(const TypedElements& elements, int32_t type, uint64_t length,
                                      std::string_view name) {
  if (!holds(elements.field, type))
    WireReader::fail(elements.at, quoted(name) + " has data type " + std::to_string(type) +
                                      ", which its data field cannot hold");
  // Types narrower than a byte travel several to a value, so the unit is a byte for them too.
  const uint64_t width = std::max<uint64_t>(1, *bitsOf(type) / 8);
  if (length / width != elements.count)
    WireReader::fail(elements.at, quoted(name) + " has " + std::to_string(elements.count) +
                                      " values; its dimensions ask for " + std::to_string(length / width));
  std::vector<std::byte> stored(length);
  const Range range = rangeOf(type);
  WireReader reader(reinterpret_cast<const std::byte*>(elements.packed.data()), 0, elements.packed.size());
  for (uint64_t index = 0; index < elements.count; index++) {
    uint64_t value = reader.varint();
    if (elements.field == PayloadField::Int32Data) {
      const int64_t number = asInt32(value, elements.at);
      if (number < range.low || number > range.high)
        WireReader::fail(elements.at,
                         quoted(name) + " holds " + std::to_string(number) + ", which its data type cannot");
      value = static_cast<uint64_t>(number);
    } else if (width == 4 && value > std::numeric_limits<uint32_t>::max()) {
      WireReader::fail(elements.at,
                       quoted(name) + " holds " + std::to_string(value) + ", which its data type cannot");
    }
    std::memcpy(stored.data() + index * width, &value, width);
  }
  return stored;
}

}  // namespace ascribe::onnx
