#include "op_cases/families.h"

namespace ascribe::test {

/// Operands seen with another shape. They have no kernel in a plan; their derivatives are views too.
std::vector<OpCase> viewCases() {
  const Operand x = real({2, 3, 4});
  std::vector<OpCase> cases{
      {"identity", "", {x}},
      {"stopGradient", "", {x}},
      {"dropout", "evaluating", {x}},
      {"reshape", "", {x, integerList({4, 6})}},
      {"reshape", "copied and unknown", {x, integerList({0, -1})}},
      {"reshape", "scalar", {real({1, 1}), integerList({})}},
      {"reshape", "empty", {real({0, 3}), integerList({3, 0})}, {{"allowZero", int64_t{1}}}},
      {"reshapeLike", "", {x, real({6, 4})}},
      {"reshapeLike", "kept leading", {x, real({12})}, {{"leading", int64_t{1}}}},
      {"flatten", "", {x}},
      {"flatten", "axis 0", {x}, {{"axis", int64_t{0}}}},
      {"flatten", "axis -1", {x}, {{"axis", int64_t{-1}}}},
      {"flatten", "axis 3", {x}, {{"axis", int64_t{3}}}},
      {"squeeze", "", {real({2, 1, 3, 1})}},
      {"squeeze", "axis", {real({2, 1, 3, 1})}, {{"axes", Integers{-1}}}},
      {"unsqueeze", "", {x}, {{"axes", Integers{0, -1}}}},
      {"unsqueeze", "of a scalar", {real({})}, {{"axes", Integers{0}}}},
  };
  for (const DType dtype : {DType::I64, DType::Bool}) cases.push_back({"reshape", std::string(nameOf(dtype)), {whole(dtype, {2, 3}, 0, 1), integerList({3, 2})}});
  return cases;
}

}  // namespace ascribe::test
