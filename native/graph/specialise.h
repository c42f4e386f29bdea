#pragma once
#include <map>
#include <string>

#include "graph/graph.h"

namespace ascribe {

struct SpecialiseOptions {
  /// Plan sizes: what each symbolic dimension stands for. A missing symbol is an error that lists all of them.
  std::map<std::string, int64_t> sizes;
  /// Symbols that vary from run to run, bounded by their entry in `sizes`. Values that depend on them are not folded.
  std::vector<std::string> runLengths;
  /// What floating-point values are computed in: F32, F64 (oracle) or Dual (forward mode).
  DType precision = DType::F32;
  /// What factors of matrix products and convolutions are rounded to: F32 (not at all), BF16, or I8 for rows that meet weights
  /// in blocks.
  DType products = DType::F32;
  bool train = false;
  /// Largest folded result; larger ones stay nodes.
  size_t foldLimitBytes = size_t{64} << 20;
};

/// A verified graph with every dimension fixed: shapes inferred, shape arithmetic folded with the reference
/// kernels, dropout and batch normalisation put into their train or eval form, customDerivative bodies typed.
Graph specialise(const Graph& source, const SpecialiseOptions& options);

/// Infers types again from the first node on and folds what has become constant (after a pass changed the graph).
void inferAndFold(Graph& graph, const SpecialiseOptions& options);

/// Types again after inputs and states took other run lengths; nothing is folded, shape arithmetic is noted anew.
void inferRunLengths(Graph& graph, const SpecialiseOptions& options);

}  // namespace ascribe
