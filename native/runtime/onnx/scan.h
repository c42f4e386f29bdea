#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/mapped_file.h"
#include "runtime/onnx/payload.h"

namespace ascribe::onnx {

struct ScanOptions {
  /// Tensors of at most this many bytes stay in the skeleton: shapes, axes and the like, which the importer
  /// reads.
  uint64_t inlineBytes = 1024;
  /// A hostile file must not make JavaScript hold more than this.
  uint64_t maximumSkeletonBytes = uint64_t{64} << 20;
  /// Fields and list elements in the skeleton; each is a JavaScript object or array slot.
  uint64_t maximumItems = 4'000'000;
  /// Bytes that may be allocated: copies of files, and elements that the file does not hold in stored form.
  uint64_t maximumBytes = uint64_t{64} << 30;
};

/// What TypeScript needs of a ModelProto, without the weights.
///
/// `skeleton` is a ModelProto again, of the fields in schema.cpp. A TensorProto in it has dims, data_type,
/// name, and either its elements as raw_data (whatever field they were in) or, in field kOrdinalField, one
/// more than the index of its entry in `payloads`. Fields that schema.cpp does not list are never copied, so
/// a file cannot forge that one.
struct ModelScan {
  std::string skeleton;
  std::vector<Payload> payloads;
  /// 0 is the model; then external files, and decoded elements.
  std::vector<std::shared_ptr<MappedFile>> files;
};

inline constexpr uint32_t kOrdinalField = 1000;

/// Scans a ModelProto without reading its payloads; external files are mapped where it is, else copied.
/// Throws FILE_CORRUPT with the offset where the bytes are not one, FILE_NOT_FOUND for missing external data
/// and OUT_OF_MEMORY_BUDGET where a limit is passed.
ModelScan scanModel(std::shared_ptr<MappedFile> file, const ScanOptions& options = {});

/// Opens and scans a model file.
ModelScan scanModelFile(const std::string& path, MappedFile::Mode weights = MappedFile::Mode::Map,
                        const ScanOptions& options = {});

}  // namespace ascribe::onnx
