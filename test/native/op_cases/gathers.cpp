#include "op_cases/families.h"

namespace ascribe::test {

std::vector<OpCase> gatherCases() {
  const Operand x = real({3, 4});
  const Operand ids = given(DType::I64, {2, 2}, {0, 2, -1, 0}), along = given(DType::I64, {3, 2}, {0, 3, 1, 1, -1, 0});
  const Operand tuples = given(DType::I64, {2, 1}, {2, 0}), pairs = given(DType::I64, {2, 2}, {2, 1, 0, 3});
  const Operand batched = given(DType::I64, {3, 2, 1}, {0, 1, 2, 3, 1, 1}), distinct = given(DType::I64, {3, 2}, {0, 3, 1, 2, 3, 0});
  const Attributes second{{"axis", int64_t{1}}}, batch{{"batchDims", int64_t{1}}};
  std::vector<OpCase> cases{
      {"gather", "", {x, ids}},
      {"gather", "axis 1", {x, ids}, second},
      {"gather", "last axis", {real({2, 3, 4}), ids}, {{"axis", int64_t{-1}}}},
      {"gather", "one element", {x, given(DType::I64, {}, {-1})}},
      {"gather", "i32 indices", {x, given(DType::I32, {3}, {2, 2, 1})}},
      {"gather", "nothing", {x, given(DType::I64, {0}, {})}},
      {"gatherElements", "", {x, along}, second},
      {"gatherElements", "axis 0", {x, given(DType::I32, {2, 4}, {0, 2, 1, -1, 2, 2, 0, 0})}},
      {"gatherNd", "rows", {x, tuples}},
      {"gatherNd", "elements", {x, pairs}},
      {"gatherNd", "batch", {x, batched}, batch},
      {"scatterElements", "", {x, distinct, real({3, 2})}, second},
      {"scatterElements", "add", {x, along, real({3, 2})}, {{"axis", int64_t{1}}, {"reduction", std::string("add")}}},
      {"scatterNd", "", {x, tuples, real({2, 4})}},
      {"scatterNd", "elements, add", {x, pairs, real({2})}, {{"reduction", std::string("add")}}},
      {"gatherGrad", "", {real({2, 2, 2, 4}), ids, real({3, 4})}, {{"axis", int64_t{0}}}},
      {"gatherGrad", "axis 1", {real({2, 3, 2, 2}), ids, real({3, 4})}, {{"axis", int64_t{1}}}},
      {"gatherElementsGrad", "", {real({2, 3, 2}), along, real({3, 4})}, {{"axis", int64_t{1}}}},
      {"gatherNdGrad", "rows", {real({2, 2, 4}), tuples, real({3, 4})}},
      {"gatherNdGrad", "batch", {real({2, 3, 2}), batched, real({3, 4})}, batch},
  };
  for (const char* reduction : {"mul", "min", "max"}) {
    const Attributes how{{"axis", int64_t{1}}, {"reduction", std::string(reduction)}};
    cases.push_back({"scatterElements", reduction, {x, along, real({3, 2})}, how, 1, Derivatives::Refused});
    cases.push_back({"scatterNd", reduction, {x, pairs, real({2})}, {{"reduction", std::string(reduction)}}, 1, Derivatives::Refused});
  }
  for (const DType dtype : {DType::I64, DType::I32, DType::U8, DType::Bool}) {
    const std::string note(nameOf(dtype));
    const Operand data = whole(dtype, {3, 4}, 0, 1);
    cases.push_back({"gather", note, {data, ids}, second});
    cases.push_back({"gatherElements", note, {data, along}, second});
    cases.push_back({"gatherNd", note, {data, pairs}});
    cases.push_back({"scatterElements", note, {data, distinct, whole(dtype, {3, 2}, 0, 1)}, second});
    cases.push_back({"scatterNd", note, {data, tuples, whole(dtype, {2, 4}, 0, 1)}});
  }
  // Windows that reach over the picture's edges, patches that reach over the window's, and no patch at all.
  const Operand places = given(DType::I64, {3, 5}, {1, 0, 0, 1, 1, 0, -1, 2, 0, 3, 1, 2, -2, 1, -3}), pictures = real({2, 4, 5, 3});
  const Attributes size{{"height", int64_t{4}}, {"width", int64_t{5}}};
  cases.push_back(valuesOnly({"window", "", {pictures, places, real({3, 3, 2, 3})}, size}));
  cases.push_back(valuesOnly({"window", "patch larger than the window", {pictures, places, real({3, 3, 7, 9})}, size}));
  cases.push_back(valuesOnly({"window", "no patch, filled", {pictures, places}, {{"height", int64_t{6}}, {"width", int64_t{7}}, {"fill", -2.5}}}));
  cases.push_back(valuesOnly({"window", "i32", {whole(DType::I32, {2, 4, 5, 1}, 0, 9), places}, size}));
  cases.push_back(valuesOnly({"gather", "odd", {real({37, 19}), whole(DType::I64, {5, 7}, -37, 36)}}));
  cases.push_back(valuesOnly({"gatherGrad", "odd", {real({3, 5, 7, 19}), whole(DType::I64, {5, 7}, -37, 36), real({37, 19})}, {{"axis", int64_t{0}}}}));
  cases.push_back(timed({"gather", "timed, embedding", {real({30522, 128}), whole(DType::I64, {8, 128}, 0, 30521)}}));
  cases.push_back(timed({"gatherGrad", "timed, embedding", {real({1, 8, 128, 128}), whole(DType::I64, {8, 128}, 0, 30521), real({30522, 128})}, {{"axis", int64_t{0}}}}));
  for (const int64_t axis : {0, 1, -1}) {
    const std::string note = "axis " + std::to_string(axis);
    cases.push_back({"topK", note, {spaced({3, 4, 5}), integerList({2})}, {{"axis", axis}}, 2});
    cases.push_back({"topK", note + ", smallest", {spaced({3, 4, 5}), integerList({3})}, {{"axis", axis}, {"largest", int64_t{0}}}, 2});
  }
  cases.push_back(valuesOnly({"topK", "ties", {given(DType::F32, {6}, {1, 3, 3, 0, 3, 1}), integerList({4})}, {}, 2}));
  cases.push_back(valuesOnly({"topK", "whole numbers", {whole(DType::I64, {2, 7}, -3, 3), integerList({7})}, {}, 2}));
  return cases;
}

}  // namespace ascribe::test
