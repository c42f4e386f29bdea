#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/onnx/wire.h"

namespace ascribe::onnx {

/// The TensorProto field that a tensor's elements came from, by its field number.
enum class PayloadField : uint8_t {
  None = 0,
  FloatData = 4,
  Int32Data = 5,
  Int64Data = 7,
  RawData = 9,
  DoubleData = 10,
  Uint64Data = 11,
  External = 13,
};

/// Where a tensor's elements lie: little-endian, packed, as wide as its data type says, whatever field they
/// came from. The range is not aligned.
struct Payload {
  uint32_t file = 0;  // index into ModelFile::files
  uint64_t offset = 0;
  uint64_t length = 0;
  PayloadField field = PayloadField::None;
};

/// Elements as the wire has them in one of the typed fields, gathered from however many pieces it was written
/// in.
struct TypedElements {
  PayloadField field = PayloadField::None;
  uint64_t at = 0;     // file offset, for messages
  uint64_t count = 0;  // values, each already known to be a whole varint
  std::string_view packed;
};

/// Number of elements that `dims` hold; FILE_CORRUPT where one is negative or the product overflows.
uint64_t elementCount(const std::vector<int64_t>& dims, uint64_t at, std::string_view name);

/// Bytes that `count` elements of `type` take packed; FILE_CORRUPT on overflow. `bits` is from bitsOf.
uint64_t byteCount(uint64_t count, uint32_t bits, uint64_t at, std::string_view name);

/// True where the packed wire form is already the stored form (float_data and double_data).
bool isStoredForm(PayloadField field);

/// Varints of int32_data, int64_data or uint64_data as stored elements of `type`. `length` is what the
/// tensor's dimensions ask for; any other number of elements, or one that does not fit, is FILE_CORRUPT.
std::vector<std::byte> decodeElements(const TypedElements& elements, int32_t type, uint64_t length,
                                      std::string_view name);

}  // namespace ascribe::onnx
