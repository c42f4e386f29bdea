#include "runtime/onnx/tensor.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "runtime/onnx/data_type.h"

namespace ascribe::onnx {
namespace {

constexpr size_t kMaximumRank = 64;

/// A TensorProto as the first walk over its fields finds it; no element has been looked at.
struct TensorFields {
  uint64_t at = 0;
  std::vector<int64_t> dims;
  int32_t type = 0;
  std::string_view name;
  bool isExternal = false;
  std::string location;
  uint64_t externalOffset = 0;
  std::optional<uint64_t> externalLength;

  PayloadField field = PayloadField::None;
  uint64_t dataAt = 0;       // file offset of the first piece
  std::string_view piece;    // the elements, where they are in one packed piece
  uint64_t pieces = 0;       // packed pieces and single values
  uint64_t packedBytes = 0;  // of all pieces
};

uint32_t widthOf(PayloadField field) {
  if (field == PayloadField::FloatData) return 4;
  if (field == PayloadField::DoubleData) return 8;
  return 0;
}

std::optional<PayloadField> payloadField(uint32_t number) {
  switch (number) {
    case 4:
    case 5:
    case 7:
    case 9:
    case 10:
    case 11:
      return static_cast<PayloadField>(number);
    default:
      return std::nullopt;
  }
}

/// The bytes of one occurrence of a data field: a packed piece, or a single value as the packed form has it.
std::string_view readPiece(WireReader& reader, PayloadField field, Wire wire) {
  const uint64_t at = reader.position();
  if (wire == Wire::Bytes) return reader.block().rest();
  const Wire single = widthOf(field) == 4   ? Wire::Fixed32
                      : widthOf(field) == 8 ? Wire::Fixed64
                                            : Wire::Varint;
  if (field == PayloadField::RawData || wire != single)
    WireReader::fail(at, "a data field has the wrong wire type");
  reader.skipField(wire);
  return {reinterpret_cast<const char*>(reader.file() + at), static_cast<size_t>(reader.position() - at)};
}

void addPiece(TensorFields& tensor, PayloadField field, uint64_t at, std::string_view piece) {
  if (piece.empty()) return;
  if (tensor.field != PayloadField::None && tensor.field != field)
    WireReader::fail(at, "a tensor has elements in two data fields");
  if (field == PayloadField::RawData && tensor.pieces > 0)
    WireReader::fail(at, "a tensor has raw_data twice");
  if (tensor.pieces == 0) {
    tensor.field = field;
    tensor.dataAt = at;
    tensor.piece = piece;
  }
  tensor.pieces++;
  tensor.packedBytes += piece.size();
}

void readDims(WireReader& reader, Wire wire, TensorFields& tensor) {
  const uint64_t at = reader.position();
  if (wire == Wire::Bytes) {
    WireReader inside = reader.block();
    while (!inside.atEnd() && tensor.dims.size() <= kMaximumRank)
      tensor.dims.push_back(static_cast<int64_t>(inside.varint()));
  } else if (wire == Wire::Varint) {
    tensor.dims.push_back(static_cast<int64_t>(reader.varint()));
  } else {
    WireReader::fail(at, "the dimensions of a tensor have the wrong wire type");
  }
  if (tensor.dims.size() > kMaximumRank) WireReader::fail(at, "a tensor has more than 64 dimensions");
}

uint64_t readDecimal(std::string_view text, uint64_t at) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    WireReader::fail(at, "an offset or length of external data is not a decimal number");
  return value;
}

void readExternalEntry(WireReader reader, TensorFields& tensor) {
  const uint64_t at = reader.position();
  std::string_view key;
  std::string_view value;
  while (!reader.atEnd()) {
    const auto [number, wire] = reader.tag();
    if ((number != 1 && number != 2) || wire != Wire::Bytes) {
      reader.skipField(wire);
      continue;
    }
    (number == 1 ? key : value) = reader.block().rest();
  }
  if (key == "location") {
    if (!isUtf8(value)) WireReader::fail(at, "the location of external data is not UTF-8");
    tensor.location = value;
  } else if (key == "offset") {
    tensor.externalOffset = readDecimal(value, at);
  } else if (key == "length") {
    tensor.externalLength = readDecimal(value, at);
  }
}

TensorFields readFields(WireReader reader) {
  TensorFields tensor;
  tensor.at = reader.position();
  while (!reader.atEnd()) {
    const uint64_t at = reader.position();
    const auto [number, wire] = reader.tag();
    if (const auto field = payloadField(number)) {
      addPiece(tensor, *field, at, readPiece(reader, *field, wire));
    } else if (number == 1) {
      readDims(reader, wire, tensor);
    } else if (number == 2 && wire == Wire::Varint) {
      tensor.type = static_cast<int32_t>(reader.varint());
    } else if (number == 3) {
      WireReader::fail(at, "a tensor is stored in segments, which no known writer does");
    } else if (number == 8 && wire == Wire::Bytes) {
      tensor.name = reader.block().rest();
      if (!isUtf8(tensor.name)) WireReader::fail(at, "the name of a tensor is not UTF-8");
    } else if (number == 13 && wire == Wire::Bytes) {
      readExternalEntry(reader.block(), tensor);
    } else if (number == 14 && wire == Wire::Varint) {
      tensor.isExternal = reader.varint() == 1;
    } else {
      reader.skipField(wire);
    }
  }
  return tensor;
}

/// The second walk: all pieces of the data field behind each other.
std::string gather(WireReader reader, const TensorFields& tensor) {
  std::string packed;
  packed.reserve(tensor.packedBytes);
  while (!reader.atEnd()) {
    const auto [number, wire] = reader.tag();
    if (payloadField(number) == tensor.field)
      packed.append(readPiece(reader, tensor.field, wire));
    else
      reader.skipField(wire);
  }
  return packed;
}

uint64_t countVarints(std::string_view packed, uint64_t at) {
  WireReader reader(reinterpret_cast<const std::byte*>(packed.data()), 0, packed.size());
  uint64_t count = 0;
  try {
    for (; !reader.atEnd(); count++) reader.varint();
  } catch (const Error&) {
    WireReader::fail(at, "value " + std::to_string(count) + " of a tensor is not a whole number");
  }
  return count;
}

/// The elements in stored form: a range of the file, or bytes of their own (`owned`).
struct Stored {
  Payload payload;
  std::string_view bytes;
  std::vector<std::byte> owned;
};

std::string_view viewOf(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Stored readExternal(const TensorFields& tensor, uint64_t length, ScanState& state) {
  const std::string name(tensor.name);
  if (tensor.field != PayloadField::None)
    WireReader::fail(tensor.at, "tensor '" + name + "' has elements both here and in an external file");
  if (tensor.externalLength && *tensor.externalLength != length)
    WireReader::fail(tensor.at, "tensor '" + name + "' has " + std::to_string(*tensor.externalLength) +
                                    " bytes of external data; its dimensions and data type ask for " +
                                    std::to_string(length));
  Stored stored;
  stored.payload = {state.files.external(tensor.location, name), tensor.externalOffset, length,
                    PayloadField::External};
  stored.bytes = viewOf(state.files.files()[stored.payload.file]->range(tensor.externalOffset, length));
  return stored;
}

void checkLength(const TensorFields& tensor, uint64_t found, uint64_t expected) {
  if (found != expected)
    WireReader::fail(tensor.at, "tensor '" + std::string(tensor.name) + "' has " + std::to_string(found) +
                                    " bytes of elements; its dimensions and data type ask for " +
                                    std::to_string(expected));
}

void checkFloatField(const TensorFields& tensor) {
  const auto type = static_cast<DataType>(tensor.type);
  const bool fits = tensor.field == PayloadField::FloatData
                        ? type == DataType::Float || type == DataType::Complex64
                        : type == DataType::Double || type == DataType::Complex128;
  if (!fits)
    WireReader::fail(tensor.dataAt, "tensor '" + std::string(tensor.name) + "' has data type " +
                                        std::to_string(tensor.type) + ", which its data field cannot hold");
}

Stored readElements(WireReader reader, const TensorFields& tensor, uint64_t length, ScanState& state) {
  Stored stored;
  stored.payload.length = length;
  stored.payload.field = tensor.field;
  if (tensor.field == PayloadField::None) {
    checkLength(tensor, 0, length);
    return stored;
  }
  const bool isStored = isStoredForm(tensor.field);
  if (isStored) checkLength(tensor, tensor.packedBytes, length);
  if (isStored && tensor.field != PayloadField::RawData) checkFloatField(tensor);
  std::string gathered;
  if (tensor.pieces > 1) {
    state.countOwned(tensor.packedBytes);
    gathered = gather(reader, tensor);
  }
  const std::string_view packed = tensor.pieces > 1 ? std::string_view(gathered) : tensor.piece;
  if (isStored && tensor.pieces == 1) {
    stored.payload.offset =
        static_cast<uint64_t>(reinterpret_cast<const std::byte*>(packed.data()) - reader.file());
    stored.bytes = packed;
    return stored;
  }
  if (isStored) {
    stored.owned.resize(packed.size());
    std::memcpy(stored.owned.data(), packed.data(), packed.size());
  } else {
    const TypedElements elements{tensor.field, tensor.dataAt, countVarints(packed, tensor.dataAt), packed};
    // The length is the file's to choose until decodeElements has compared it with the number of values.
    state.countOwned(std::min(length, 8 * elements.count));
    stored.owned = decodeElements(elements, tensor.type, length, tensor.name);
  }
  stored.bytes = viewOf(stored.owned);
  return stored;
}

void writeHead(const TensorFields& tensor, ScanState& state, std::string& out) {
  state.count(4 + tensor.dims.size(), tensor.name.size() + 10 * tensor.dims.size() + 16);
  std::string dims;
  for (const int64_t size : tensor.dims) writeVarint(dims, static_cast<uint64_t>(size));
  if (!dims.empty()) writeBytes(out, 1, dims);
  writeTag(out, 2, Wire::Varint);
  writeVarint(out, static_cast<uint64_t>(static_cast<uint32_t>(tensor.type)));
  writeBytes(out, 8, tensor.name);
}

}  // namespace

void scanTensor(WireReader reader, ScanState& state, std::string& out) {
  const TensorFields tensor = readFields(reader);
  writeHead(tensor, state, out);
  const std::optional<uint32_t> bits = bitsOf(tensor.type);
  const uint64_t count = elementCount(tensor.dims, tensor.at, tensor.name);
  // Strings and types newer than this reader keep their name and shape; the importer refuses what uses them.
  if (!bits) return;
  const uint64_t length = byteCount(count, *bits, tensor.at, tensor.name);
  Stored stored =
      tensor.isExternal ? readExternal(tensor, length, state) : readElements(reader, tensor, length, state);
  if (length <= state.options.inlineBytes) {
    state.count(1, length + 8);
    writeBytes(out, 9, stored.bytes);
    return;
  }
  if (!stored.owned.empty()) stored.payload.file = state.files.add(std::move(stored.owned));
  state.payloads.push_back(stored.payload);
  state.count(1, 8);
  writeTag(out, kOrdinalField, Wire::Varint);
  writeVarint(out, state.payloads.size());
}

bool isUtf8(std::string_view text) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  const size_t size = text.size();
  for (size_t index = 0; index < size;) {
    const unsigned char lead = bytes[index++];
    if (lead < 0x80) continue;
    const int tail = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || size - index < static_cast<size_t>(tail)) return false;
    // Overlong forms, surrogates and code points past U+10FFFF are excluded by the first byte of the tail.
    const unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (bytes[index] < low || bytes[index] > high) return false;
    for (int step = 1; step < tail; step++)
      if ((bytes[index + step] & 0xc0) != 0x80) return false;
    index += tail;
  }
  return true;
}

}  // namespace ascribe::onnx
