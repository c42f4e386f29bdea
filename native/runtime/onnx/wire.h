#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "runtime/error.h"

namespace ascribe::onnx {

enum class Wire : uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

/// A cursor over protobuf bytes in which no read leaves the range it was made for. Every complaint is
/// FILE_CORRUPT with the offset in the whole file.
class WireReader {
 public:
  WireReader(const std::byte* file, uint64_t begin, uint64_t end)
      : file_(file), position_(begin), end_(end) {}

  bool atEnd() const { return position_ == end_; }
  uint64_t position() const { return position_; }
  uint64_t end() const { return end_; }
  const std::byte* file() const { return file_; }

  struct Tag {
    uint32_t number;
    Wire wire;
  };

  Tag tag() {
    const uint64_t at = position_;
    const uint64_t key = varint();
    const uint64_t number = key >> 3;
    if (number == 0 || number > 0x1fffffff)
      fail(at, "field number " + std::to_string(number) + " is not valid");
    const auto wire = static_cast<uint8_t>(key & 7);
    // Groups (3 and 4) are dead in protobuf and no ONNX message has ever had one.
    if (wire == 3 || wire == 4 || wire > 5) fail(at, "wire type " + std::to_string(wire) + " is not valid");
    return {static_cast<uint32_t>(number), static_cast<Wire>(wire)};
  }

  uint64_t varint() {
    const uint64_t at = position_;
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (position_ == end_) fail(at, "a number is cut off");
      const auto byte = static_cast<uint8_t>(file_[position_++]);
      // The tenth byte holds the 64th bit alone.
      if (shift == 63 && byte > 1) fail(at, "a number has more than 64 bits");
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    fail(at, "a number has more than 10 bytes");
  }

  /// A length-delimited field's range; the cursor goes behind it without touching it.
  WireReader block() {
    const uint64_t at = position_;
    const uint64_t length = varint();
    if (length > end_ - position_)
      fail(at, "a field of " + std::to_string(length) + " bytes leaves its message, which has " +
                   std::to_string(end_ - position_) + " bytes left");
    WireReader inside(file_, position_, position_ + length);
    position_ += length;
    return inside;
  }

  void skip(uint64_t count) {
    if (count > end_ - position_) fail(position_, "a fixed-width value is cut off");
    position_ += count;
  }

  void skipField(Wire wire) {
    switch (wire) {
      case Wire::Varint:
        varint();
        break;
      case Wire::Fixed64:
        skip(8);
        break;
      case Wire::Fixed32:
        skip(4);
        break;
      case Wire::Bytes:
        block();
        break;
    }
  }

  std::string_view rest() const {
    return {reinterpret_cast<const char*>(file_ + position_), static_cast<size_t>(end_ - position_)};
  }

  [[noreturn]] static void fail(uint64_t offset, const std::string& what) {
    throw Error("FILE_CORRUPT", "The ONNX file is damaged at byte " + std::to_string(offset) + ": " + what,
                "Download or export the model again.");
  }

 private:
  const std::byte* file_;
  uint64_t position_;
  uint64_t end_;
};

inline void writeVarint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

inline void writeTag(std::string& out, uint32_t number, Wire wire) {
  writeVarint(out, static_cast<uint64_t>(number) << 3 | static_cast<uint64_t>(wire));
}

inline void writeBytes(std::string& out, uint32_t number, std::string_view bytes) {
  writeTag(out, number, Wire::Bytes);
  writeVarint(out, bytes.size());
  out.append(bytes);
}

}  // namespace ascribe::onnx
