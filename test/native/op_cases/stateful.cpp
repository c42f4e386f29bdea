#include "op_cases/families.h"

namespace ascribe::test {

/// Random streams and states.
std::vector<OpCase> statefulCases() {
  std::vector<OpCase> cases;
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
