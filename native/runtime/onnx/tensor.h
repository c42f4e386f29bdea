#pragma once
#include <string>
#include <vector>

#include "runtime/onnx/external.h"
#include "runtime/onnx/scan.h"
#include "runtime/onnx/wire.h"

namespace ascribe::onnx {

/// Where the scan of the whole model puts what it finds.
struct ScanState {
  const ScanOptions& options;
  ModelFiles files;
  std::vector<Payload> payloads;
  uint64_t items = 0;
  uint64_t skeletonBytes = 0;
  uint64_t ownedBytes = 0;

  /// Counts what JavaScript will hold; OUT_OF_MEMORY_BUDGET past the limits.
  void count(uint64_t items, uint64_t skeletonBytes);
  void countOwned(uint64_t bytes);
};

/// Appends a stripped TensorProto to `out` and its payload, where it is large, to `state.payloads`.
void scanTensor(WireReader reader, ScanState& state, std::string& out);

/// True where `text` is well-formed UTF-8.
bool isUtf8(std::string_view text);

}  // namespace ascribe::onnx
