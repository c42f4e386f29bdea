#include <limits>

#include "op_cases/families.h"

namespace ascribe::test {

/// Random streams and states.
std::vector<OpCase> statefulCases() {
  std::vector<OpCase> cases;
  // Rows of keys, of samples below items, and of deviations as bits: 0.5, -2, 0 and 2^-20.
  const double half = 0x3FEp52, minusTwo = -0x1p62, small = 0x3EBp52;
  cases.push_back({"addNoise", "", {real({1, 2, 3}), given(DType::I64, {3, 3}, {5, 0, half, 5, 1, minusTwo, 0x1p40 + 7, 0x1p32 + 3, small})}});
  cases.push_back(valuesOnly({"addNoise", "odd places, of the second deviation", {real({1, 7}), given(DType::I64, {2, 4}, {1, 2, 0, half, 3, 0x5p32, half, 0})}, {{"column", int64_t{3}}, {"first", int64_t{5}}}}));
  cases.push_back(valuesOnly({"addNoise", "beyond words", {real({1, 4}), given(DType::I64, {1, 3}, {9, 8, half})}, {{"first", (int64_t{1} << 34) - 2}}}));
  cases.push_back(valuesOnly({"addNoise", "at the end of integers", {real({1, 4}), given(DType::I64, {2, 3}, {9, 8, half, 9, 9, half})}, {{"first", std::numeric_limits<int64_t>::max()}}}));
  cases.push_back(valuesOnly({"addNoise", "many", {real({1, 1001}), given(DType::I64, {3, 3}, {1, 0, half, 2, 0, half, 1, 1, half})}}));
  cases.push_back(valuesOnly({"addNoise", "no rows", {real({1, 3}), given(DType::I64, {0, 3}, {})}}));
  for (const char* op : {"randomUniform", "randomNormal"})
    for (const int64_t stream : {0, 3}) {
      // Bit-equal on every backend: streams are part of a result's identity. Uniform draws are floats by nature.
      cases.push_back({op, "stream " + std::to_string(stream), {real({3, 7, 5})}, {{"seed", int64_t{42}}, {"stream", stream}}});
      cases.push_back({op, "scalar, stream " + std::to_string(stream), {real({})}, {{"seed", int64_t{7}}, {"stream", stream}}});
    }
  cases.push_back({"assignState", "", {constant(real({2, 3})), real({2, 3})}});
  cases.push_back({"assignState", "i64", {whole(DType::I64, {2, 3}, 0, 9), whole(DType::I64, {2, 3}, 0, 9)}});
  for (const int64_t axis : {0, 1})
    cases.push_back({"appendState", "axis " + std::to_string(axis), {real({3, 4, 2}), real(axis ? Shape{3, 2, 2} : Shape{1, 4, 2}), given(DType::I64, {}, {1})}, {{"axis", axis}},
                     1, Derivatives::Unchecked});
  return cases;
}

}  // namespace ascribe::test
