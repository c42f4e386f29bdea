#include "op_cases/families.h"

namespace ascribe::test {
namespace {

/// Types of every element size.
constexpr DType kMoved[] = {DType::I64, DType::I32, DType::U8, DType::Bool};
Operand moved(DType dtype, Shape shape) { return dtype == DType::Bool ? truth(shape) : whole(dtype, shape, 0, 100); }

void transposesAndExpansions(std::vector<OpCase>& cases) {
  const Operand x = real({2, 3, 4});
  for (const Integers& permutation : {Integers{}, {1, 2, 0}, {0, 2, 1}, {1, 0, 2}, {0, 1, 2}}) cases.push_back({"transpose", "", {x}, {{"permutation", permutation}}});
  cases.push_back(valuesOnly({"transpose", "odd", {real({7, 5, 19, 11})}, {{"permutation", Integers{0, 2, 1, 3}}}}));
  cases.push_back(valuesOnly({"transpose", "odd, last", {real({3, 37, 41})}, {{"permutation", Integers{0, 2, 1}}}}));
  cases.push_back(valuesOnly({"transpose", "six axes", {real({2, 3, 2, 3, 2, 3})}, {{"permutation", Integers{0, 3, 5, 1, 4, 2}}}}));
  cases.push_back(valuesOnly({"transpose", "empty", {real({0, 3})}}));
  cases.push_back({"transpose", "scalar", {real({})}});
  for (const DType dtype : kMoved) cases.push_back({"transpose", std::string(nameOf(dtype)), {moved(dtype, {3, 5, 2})}, {{"permutation", Integers{2, 0, 1}}}});
  cases.push_back(timed({"transpose", "timed, heads", {real({4, 197, 12, 64})}, {{"permutation", Integers{0, 2, 1, 3}}}}));
  cases.push_back(timed({"transpose", "timed, matrix", {real({2048, 1024})}}));

  cases.push_back({"expand", "", {real({3, 1}), integerList({2, 3, 4})}});
  cases.push_back({"expand", "scalar", {real({}), integerList({2, 3})}});
  cases.push_back({"expand", "shorter shape", {x, integerList({1, 4})}});
  cases.push_back(valuesOnly({"expand", "to nothing", {real({1, 3}), integerList({0, 3})}}));
  for (const DType dtype : kMoved) cases.push_back({"expand", std::string(nameOf(dtype)), {moved(dtype, {3, 1}), integerList({2, 3, 5})}});
  cases.push_back({"expandLike", "", {real({3, 1}), real({2, 3, 4})}});
  cases.push_back({"expandLike", "kept leading", {real({5, 1, 4}), real({3, 4})}, {{"leading", int64_t{1}}}});
  cases.push_back(valuesOnly({"expandLike", "odd", {real({2, 7, 1}), real({5, 7, 19})}, {{"leading", int64_t{1}}}}));
  cases.push_back(timed({"expandLike", "timed", {real({1, 8, 512, 1, 1}), real({8, 512, 28, 28})}, {{"leading", int64_t{1}}}}));
}

void concatenationsAndSlices(std::vector<OpCase>& cases) {
  const Operand x = real({2, 3, 4});
  cases.push_back({"concat", "", {x, real({2, 1, 4})}, {{"axis", int64_t{-2}}}});
  cases.push_back({"concat", "first axis", {x, real({1, 3, 4}), real({0, 3, 4})}, {{"axis", int64_t{0}}}});
  cases.push_back({"concat", "last axis", {x, real({2, 3, 1}), real({2, 3, 2})}, {{"axis", int64_t{2}}}});
  cases.push_back({"concat", "one operand", {x}, {{"axis", int64_t{0}}}});
  for (const DType dtype : kMoved) cases.push_back({"concat", std::string(nameOf(dtype)), {moved(dtype, {2, 3}), moved(dtype, {2, 5})}, {{"axis", int64_t{1}}}});
  cases.push_back(timed({"concat", "timed, channels", {real({4, 128, 28, 28}), real({4, 256, 28, 28})}, {{"axis", int64_t{1}}}}));

  struct Cut {
    const char* note;
    Integers starts, ends, axes, steps;
  };
  const Cut cuts[] = {
      {"steps back", {1, -1}, {3, -5}, {1, 2}, {1, -2}}, {"clamped", {0, -99}, {99, 3}, {0, 2}, {1, 1}}, {"empty", {2}, {1}, {1}, {1}},
      {"every other", {0}, {4}, {-1}, {2}},              {"reversed", {-1}, {INT64_MIN}, {1}, {-1}},      {"huge end", {1}, {INT64_MAX}, {1}, {1}},
  };
  for (const Cut& c : cuts) cases.push_back({"slice", c.note, {x, integerList(c.starts), integerList(c.ends), integerList(c.axes), integerList(c.steps)}});
  cases.push_back({"slice", "starts and ends alone", {x, integerList({0, 1, 1}), integerList({1, 3, 3})}});
  for (const DType dtype : kMoved) cases.push_back({"slice", std::string(nameOf(dtype)), {moved(dtype, {5, 7}), integerList({1, 5}), integerList({4, 0}), integerList({0, 1}), integerList({1, -2})}});
  cases.push_back(timed({"slice", "timed, half the channels", {real({4, 256, 28, 28}), integerList({0}), integerList({128}), integerList({1})}}));
  cases.push_back({"sliceGrad", "", {real({2, 2, 2, 2}), real({2, 3, 4})}, {{"begin", Integers{0, 1, 3}}, {"step", Integers{1, 1, -2}}}});
  cases.push_back(valuesOnly({"sliceGrad", "odd", {real({3, 2, 7, 5}), real({5, 7, 11})}, {{"begin", Integers{1, 0, 2}}, {"step", Integers{2, 1, 2}}}}));
  cases.push_back(valuesOnly({"sliceGrad", "of nothing", {real({2, 0, 3}), real({2, 3})}, {{"begin", Integers{0, 0}}, {"step", Integers{1, 1}}}}));
}

void paddingsAndTiles(std::vector<OpCase>& cases) {
  const Operand x = real({2, 3, 4});
  for (const char* mode : {"constant", "reflect", "edge", "wrap"}) {
    const Attributes how{{"mode", std::string(mode)}};
    cases.push_back({"pad", mode, {x, integerList({0, 2, 1, 1, 1, 3})}, how});
    cases.push_back({"pad", std::string(mode) + ", nothing", {x, integerList({0, 0, 0, 0, 0, 0})}, how});
    cases.push_back({"padGrad", mode, {real({2, 3, 6, 8}), real({2, 3, 4})}, {{"mode", std::string(mode)}, {"before", Integers{0, 2, 1}}, {"after", Integers{1, 1, 3}}}});
    cases.push_back(valuesOnly({"pad", std::string(mode) + ", odd", {real({2, 5, 9, 11}), integerList({0, 0, 3, 2, 0, 0, 1, 5})}, how}));
  }
  cases.push_back({"pad", "negative", {x, integerList({0, -1, 1, 1, 1, -2})}});
  cases.push_back({"padGrad", "negative", {real({2, 3, 3, 3}), real({2, 3, 4})}, {{"before", Integers{0, -1, 1}}, {"after", Integers{1, 1, -2}}}});
  cases.push_back({"pad", "axes", {x, integerList({1, 2}), none(), integerList({-1})}});
  cases.push_back({"pad", "value", {x, integerList({0, 1, 0, 0, 0, 1}), constant(given(DType::F32, {}, {.7}))}});
  cases.push_back({"pad", "value that varies", {x, integerList({0, 1, 0, 0, 0, 1}), real({})}});
  for (const DType dtype : kMoved) cases.push_back({"pad", std::string(nameOf(dtype)), {moved(dtype, {2, 3}), integerList({1, 0, 0, 2})}});
  cases.push_back(timed({"pad", "timed", {real({8, 64, 56, 56}), integerList({0, 0, 1, 1, 0, 0, 1, 1})}}));
  cases.push_back({"tile", "", {x, integerList({2, 1, 3})}});
  cases.push_back(valuesOnly({"tile", "to nothing", {x, integerList({2, 0, 3})}}));
  for (const DType dtype : kMoved) cases.push_back({"tile", std::string(nameOf(dtype)), {moved(dtype, {2, 3}), integerList({1, 2})}});
  cases.push_back({"tileGrad", "", {real({2, 4, 3, 12}), real({2, 3, 4})}});
  cases.push_back(valuesOnly({"tileGrad", "odd", {real({3, 10, 7, 22}), real({5, 7, 11})}}));
}

}  // namespace

std::vector<OpCase> movementCases() {
  std::vector<OpCase> cases;
  transposesAndExpansions(cases);
  concatenationsAndSlices(cases);
  paddingsAndTiles(cases);
  for (const int64_t upper : {0, 1})
    for (const int64_t diagonal : {-1, 0, 1, 9}) cases.push_back({"trilu", upper ? "upper" : "lower", {real({2, 3, 4})}, {{"upper", upper}, {"diagonal", diagonal}}});
  cases.push_back({"trilu", "i64", {whole(DType::I64, {3, 3}, 1, 9)}});
  for (const char* mode : {"DCR", "CRD"}) {
    const Attributes how{{"blockSize", int64_t{2}}, {"mode", std::string(mode)}};
    cases.push_back({"depthToSpace", mode, {real({1, 8, 2, 3})}, how});
    cases.push_back({"spaceToDepth", mode, {real({1, 2, 4, 6})}, how});
  }
  cases.push_back(valuesOnly({"depthToSpace", "odd", {real({3, 18, 5, 7})}, {{"blockSize", int64_t{3}}}}));

  cases.push_back({"shape", "", {real({2, 3, 4})}});
  cases.push_back({"shape", "part", {real({2, 3, 4})}, {{"start", int64_t{-2}}, {"end", int64_t{-1}}}});
  cases.push_back({"shape", "of a scalar", {real({})}});
  cases.push_back({"size", "", {real({2, 3, 4})}});
  cases.push_back({"range", "i64", {given(DType::I64, {}, {2}), given(DType::I64, {}, {9}), given(DType::I64, {}, {3})}});
  cases.push_back({"range", "i64 down", {given(DType::I64, {}, {9}), given(DType::I64, {}, {2}), given(DType::I64, {}, {-3})}});
  cases.push_back({"range", "f32", {given(DType::F32, {}, {.5}), given(DType::F32, {}, {3}), given(DType::F32, {}, {.75})}, {}, 1, Derivatives::Unchecked});
  cases.push_back({"range", "empty", {given(DType::I32, {}, {2}), given(DType::I32, {}, {2}), given(DType::I32, {}, {1})}});
  for (const char* dtype : {"f32", "i64", "i32", "u8", "bool"})
    cases.push_back({"constantOfShape", dtype, {integerList({2, 3})}, {{"value", 1.}, {"dtype", std::string(dtype)}}});
  for (const int64_t axis : {-1, 0, 1}) {
    cases.push_back({"oneHot", "", {given(DType::I64, {3}, {0, 2, -1}), given(DType::I64, {}, {4}), real({2})}, {{"axis", axis == 1 ? -1 : axis}}});
    cases.push_back({"oneHot", "i64, outside", {given(DType::I64, {2, 2}, {0, 5, -5, 1}), given(DType::I64, {}, {4}), given(DType::I64, {2}, {7, 9})}, {{"axis", axis}}});
  }
  return cases;
}

}  // namespace ascribe::test
