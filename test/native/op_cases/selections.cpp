#include "op_cases/families.h"

namespace ascribe::test {

/// Integers as bits, and ops that choose: none has a derivative.
std::vector<OpCase> selectionCases() {
  std::vector<OpCase> cases;
  for (const DType dtype : {DType::I64, DType::I32, DType::I8, DType::U8}) {
    const std::string note(nameOf(dtype));
    const Operand a = whole(dtype, {3, 4}, 0, 100), b = whole(dtype, {4}, 0, 100);
    for (const char* op : {"bitwiseAnd", "bitwiseOr", "bitwiseXor"}) cases.push_back(valuesOnly({op, note, {a, b}}));
    cases.push_back(valuesOnly({"bitwiseNot", note, {a}}));
    const Operand by = given(dtype, {5}, {0, 1, 3, 7, 70}), values = given(dtype, {2, 1}, {77, 3});
    for (const char* direction : {"left", "right"}) cases.push_back(valuesOnly({"bitShift", note + " " + direction, {values, by}, {{"direction", std::string(direction)}}}));
  }
  // Of single precision not: these cases are computed in double too, where its bits are others.
  cases.push_back(valuesOnly({"bitCast", "i8 to u8", {whole(DType::I8, {3, 4}, -9, 9)}, {{"to", std::string("u8")}}}));
  cases.push_back(valuesOnly({"bitCast", "i64 to f64", {whole(DType::I64, {3}, 0, 9)}, {{"to", std::string("f64")}}}));
  cases.push_back(valuesOnly({"bitCast", "nothing", {whole(DType::I32, {0, 4}, 0, 1)}, {{"to", std::string("i32")}}}));

  cases.push_back(valuesOnly({"nonZero", "", {given(DType::F32, {2, 3}, {0, 1, -2, 0, 0, 3})}, {}, 2}));
  cases.push_back(valuesOnly({"nonZero", "truths", {truth({3, 2, 2})}, {}, 2}));
  cases.push_back(valuesOnly({"nonZero", "one number", {given(DType::I64, {}, {4})}, {}, 2}));
  cases.push_back(valuesOnly({"nonZero", "nothing", {real({0, 4})}, {}, 2}));

  const Operand boxes = given(DType::F32, {1, 4, 4}, {0, 0, 1, 1, 0, .1, 1, 1.1, 0, 10, 1, 11, 1, 1, 0, 0}), scores = given(DType::F32, {1, 2, 4}, {.9, .75, .6, .95, .1, .2, .3, .4});
  const Operand most = given(DType::I64, {1}, {3}), overlap = given(DType::F32, {1}, {.5}), least = given(DType::F32, {1}, {.15});
  cases.push_back(valuesOnly({"nonMaxSuppression", "", {boxes, scores, most, overlap}, {}, 2}));
  cases.push_back(valuesOnly({"nonMaxSuppression", "least score", {boxes, scores, most, overlap, least}, {}, 2}));
  cases.push_back(valuesOnly({"nonMaxSuppression", "centred", {boxes, scores, most, overlap}, {{"centred", int64_t{1}}}, 2}));
  cases.push_back(valuesOnly({"nonMaxSuppression", "no number of boxes", {boxes, scores}, {}, 2}));
  cases.push_back(valuesOnly({"nonMaxSuppression", "no boxes", {real({1, 0, 4}), real({1, 2, 0}), most, overlap}, {}, 2}));

  for (const int64_t sorted : {0, 1}) {
    cases.push_back(valuesOnly({"unique", sorted ? "sorted" : "as they come", {given(DType::I64, {6, 1}, {2, 1, 1, 3, 4, 3})}, {{"sorted", sorted}}, 5}));
    cases.push_back(valuesOnly({"unique", sorted ? "rows, sorted" : "rows", {given(DType::F32, {4, 2}, {1, 0, 1, -1, 1, 0, 0, 3})}, {{"sorted", sorted}}, 5}));
  }
  cases.push_back(valuesOnly({"unique", "nothing", {real({0, 2})}, {}, 5}));

  const Operand picture = real({2, 3, 6, 5}), regions = given(DType::F32, {3, 4}, {0, 0, 4, 5, 1.5, 1, 3.5, 2.25, -3, -3, 9, 9}), in = given(DType::I64, {3}, {0, 1, 1});
  const Attributes grid{{"height", int64_t{2}}, {"width", int64_t{3}}};
  cases.push_back(valuesOnly({"roiAlign", "", {picture, regions, in}, grid}));
  for (const auto& [key, value] : std::vector<std::pair<std::string, int64_t>>{{"samples", 2}, {"halfPixel", 0}, {"maximum", 1}}) {
    Attributes how = grid;
    how.set(key, value);
    cases.push_back(valuesOnly({"roiAlign", key, {picture, regions, in}, how}));
  }
  cases.push_back(valuesOnly({"determinant", "", {real({2, 4, 4})}}));
  cases.push_back(valuesOnly({"determinant", "singular", {given(DType::F32, {2, 2}, {1, 2, 2, 4})}}));
  cases.push_back(valuesOnly({"determinant", "of nothing", {real({3, 0, 0})}}));
  return cases;
}

}  // namespace ascribe::test
