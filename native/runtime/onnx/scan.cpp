#include "runtime/onnx/scan.h"

#include <algorithm>

#include "runtime/onnx/schema.h"
#include "runtime/onnx/tensor.h"

namespace ascribe::onnx {
namespace {

/// Messages inside messages. A graph in a graph costs three, so some twenty nested control-flow bodies.
constexpr int kMaximumDepth = 64;

class Scanner {
 public:
  explicit Scanner(ScanState& state) : state_(state) {}

  void scan(WireReader reader, Message message, int depth, std::string& out) {
    if (depth > kMaximumDepth) WireReader::fail(reader.position(), "messages are nested more than 64 deep");
    if (message == Message::Tensor) {
      scanTensor(reader, state_, out);
      return;
    }
    const auto fields = fieldsOf(message);
    uint64_t seen = 0;
    while (!reader.atEnd()) {
      const uint64_t at = reader.position();
      const auto [number, wire] = reader.tag();
      const auto field = std::ranges::find(fields, number, &Field::number);
      if (field == fields.end()) {
        reader.skipField(wire);
        continue;
      }
      const uint64_t bit = uint64_t{1} << (field - fields.begin());
      if (field->kind == Kind::Child && (seen & bit) != 0)
        WireReader::fail(at, "field " + std::to_string(number) + " may occur once and occurs twice");
      seen |= bit;
      copy(reader, *field, wire, at, depth, out);
    }
  }

 private:
  void copy(WireReader& reader, const Field& field, Wire wire, uint64_t at, int depth, std::string& out) {
    switch (field.kind) {
      case Kind::Number:
        expect(wire == Wire::Varint, field, at);
        copyNumber(reader, field, out);
        break;
      case Kind::Numbers:
        expect(wire == Wire::Varint || wire == Wire::Bytes, field, at);
        if (wire == Wire::Bytes)
          copyPacked(reader, field, out);
        else
          copyNumber(reader, field, out);
        break;
      case Kind::Float:
      case Kind::Floats:
        expect(wire == Wire::Fixed32 || (field.kind == Kind::Floats && wire == Wire::Bytes), field, at);
        copyFloats(reader, field, wire, out);
        break;
      case Kind::Text:
      case Kind::Bytes:
        expect(wire == Wire::Bytes, field, at);
        copyBytes(reader, field, at, out);
        break;
      case Kind::Child:
      case Kind::Children: {
        expect(wire == Wire::Bytes, field, at);
        std::string child;
        scan(reader.block(), field.child, depth + 1, child);
        state_.count(1, 8);
        writeBytes(out, field.number, child);
        break;
      }
    }
  }

  void copyNumber(WireReader& reader, const Field& field, std::string& out) {
    state_.count(1, 12);
    writeTag(out, field.number, Wire::Varint);
    writeVarint(out, reader.varint());
  }

  void copyPacked(WireReader& reader, const Field& field, std::string& out) {
    WireReader inside = reader.block();
    const std::string_view bytes = inside.rest();
    state_.count(1, bytes.size() + 12);
    // Read once so that a number cut off inside is found here, with its offset.
    while (!inside.atEnd()) {
      inside.varint();
      state_.count(1, 0);
    }
    writeBytes(out, field.number, bytes);
  }

  void copyFloats(WireReader& reader, const Field& field, Wire wire, std::string& out) {
    const uint64_t at = reader.position();
    if (wire == Wire::Bytes) {
      const std::string_view bytes = reader.block().rest();
      if (bytes.size() % 4 != 0) WireReader::fail(at, "a list of floats is cut off");
      state_.count(1 + bytes.size() / 4, bytes.size() + 12);
      writeBytes(out, field.number, bytes);
      return;
    }
    reader.skip(4);
    state_.count(1, 8);
    writeTag(out, field.number, Wire::Fixed32);
    out.append(reinterpret_cast<const char*>(reader.file() + at), 4);
  }

  void copyBytes(WireReader& reader, const Field& field, uint64_t at, std::string& out) {
    const std::string_view bytes = reader.block().rest();
    state_.count(1, bytes.size() + 12);
    if (field.kind == Kind::Text && !isUtf8(bytes))
      WireReader::fail(at, "field " + std::to_string(field.number) + " is not UTF-8 text");
    writeBytes(out, field.number, bytes);
  }

  static void expect(bool fits, const Field& field, uint64_t at) {
    if (!fits) WireReader::fail(at, "field " + std::to_string(field.number) + " has the wrong wire type");
  }

  ScanState& state_;
};

}  // namespace

void ScanState::count(uint64_t more, uint64_t skeletonBytes) {
  items += more;
  this->skeletonBytes += skeletonBytes;
  if (items <= options.maximumItems && this->skeletonBytes <= options.maximumSkeletonBytes) return;
  throw Error(
      "OUT_OF_MEMORY_BUDGET",
      "The model's description, without its weights, has more than " +
          std::to_string(items > options.maximumItems ? options.maximumItems : options.maximumSkeletonBytes) +
          (items > options.maximumItems ? " fields" : " bytes"));
}

void ScanState::countOwned(uint64_t bytes) {
  if (bytes > options.maximumBytes - std::min(options.maximumBytes, ownedBytes))
    throw Error("OUT_OF_MEMORY_BUDGET", "The model's decoded tensors take more than " +
                                            std::to_string(options.maximumBytes) + " bytes");
  ownedBytes += bytes;
}

ModelScan scanModel(std::shared_ptr<MappedFile> file, const ScanOptions& options) {
  const auto mode = file->isMapped() ? MappedFile::Mode::Map : MappedFile::Mode::Copy;
  ScanState state{options, ModelFiles(file, mode, options.maximumBytes), {}};
  ModelScan result;
  file->expectScatteredReads(true);
  // An empty range has no first byte to complain about, and a ModelProto without a graph is no model either.
  if (file->size() == 0) WireReader::fail(0, "it is empty");
  Scanner(state).scan(WireReader(file->data(), 0, file->size()), Message::Model, 0, result.skeleton);
  file->expectScatteredReads(false);
  result.payloads = std::move(state.payloads);
  result.files = state.files.files();
  return result;
}

ModelScan scanModelFile(const std::string& path, MappedFile::Mode weights, const ScanOptions& options) {
  return scanModel(MappedFile::open(path, weights, options.maximumBytes), options);
}

}  // namespace ascribe::onnx
