#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "graph/graph.h"

/// One op on the portable kernels against the reference kernels, which add up in double precision.
namespace ascribe::test {

/// Repeatable f32 values in [low, high].
HostTensor floats(const Shape& shape, uint64_t seed, double low = -1, double high = 1);
HostTensor floatsOf(const Shape& shape, const std::vector<float>& values);

struct CpuCase {
  std::string_view op;
  std::vector<HostTensor> inputs;  // a default HostTensor is an absent operand
  Attributes attributes = {};
  int outputs = 1;
  /// max |a - b| <= tolerance * max(1, max |b|); 0 asks for equal bits.
  double tolerance = 2e-6;
  /// Also with these operands known when the kernel is made (frozen weights, packed).
  std::vector<size_t> frozen = {};
};

/// Runs the case at every instruction set that this machine has, on one and on three threads, twice each: the
/// results must agree with the reference, be bit-equal between the runs, and stay inside the scratch asked for.
void expectLikeReference(const CpuCase& test, const char* file, int line);

}  // namespace ascribe::test

#define EXPECT_LIKE_REFERENCE(...) ::ascribe::test::expectLikeReference(__VA_ARGS__, __FILE__, __LINE__)
