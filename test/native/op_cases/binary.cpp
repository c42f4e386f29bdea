#include "op_cases/families.h"

namespace ascribe::test {
namespace {

struct Pair {
  const char* note;
  Shape a, b;
};
/// Equal shapes, scalars on either side, rows, columns, planes, and both operands broadcast.
const Pair kPairs[] = {
    {"equal", {2, 3}, {2, 3}}, {"both ways", {2, 1, 3}, {4, 1}}, {"scalar right", {2, 3}, {}}, {"scalar left", {}, {2, 3}}, {"empty", {0, 3}, {3}},
};
const Pair kOddPairs[] = {
    {"odd", {5, 7, 11}, {5, 7, 11}}, {"odd row", {5, 7, 11}, {11}}, {"odd column", {5, 7, 11}, {7, 1}}, {"odd outer", {5, 7, 1}, {1, 11}},
    {"per channel", {3, 5, 7, 3}, {5, 1, 1}}, {"odd left", {11}, {5, 7, 11}}, {"across channels", {2, 1, 4, 5}, {1, 3, 1, 5}},
};

}  // namespace

std::vector<OpCase> binaryCases() {
  std::vector<OpCase> cases;
  for (const char* name : {"add", "sub", "mul", "div", "max", "min", "mod", "pow", "prelu"}) {
    const std::string op = name;
    const double lowA = op == "pow" ? .3 : -2, lowB = op == "mod" || op == "pow" || op == "div" || op == "prelu" ? .4 : -2;
    const bool ties = op == "max" || op == "min" || op == "prelu" || op == "mod";
    for (const Pair& p : kPairs) cases.push_back({op, p.note, {ties ? spaced(p.a) : real(p.a, lowA, 2), real(p.b, lowB, 2)}});
    for (const Pair& p : kOddPairs) cases.push_back(valuesOnly({op, p.note, {real(p.a, lowA, 2), real(p.b, lowB, 2)}}));
  }
  for (const char* op : {"add", "sub", "mul", "div", "max", "min", "mod", "pow"})
    for (const DType dtype : {DType::I64, DType::I32, DType::I8, DType::U8}) {
      const int64_t low = dtype == DType::U8 || op == std::string("pow") ? 1 : -9;
      cases.push_back({op, std::string(nameOf(dtype)), {whole(dtype, {2, 3, 4}, low, 5), given(dtype, {3, 1}, {1, 2, 4})}});
    }
  cases.push_back({"interpolate", "", {real({1, 2, 3}), real({1, 2, 3}), real({4}, 0, 1)}});
  cases.push_back({"interpolate", "of numbers", {real({1}), real({1}), real({3}, -1, 2)}});
  cases.push_back(valuesOnly({"interpolate", "odd", {real({1, 37, 61}), real({1, 37, 61}), given(DType::F32, {5}, {0, 1, .5, .25, -1})}}));
  cases.push_back(valuesOnly({"interpolate", "many rows, four elements at a time", {real({1, 3, 4}), real({1, 3, 4}), real({19}, -1, 2)}}));
  cases.push_back(valuesOnly({"interpolate", "many rows", {real({1, 7}), real({1, 7}), real({17}, -1, 2)}}));
  cases.push_back(valuesOnly({"interpolate", "no rows", {real({1, 3}), real({1, 3}), real({0})}}));
  cases.push_back({"mod", "truncated", {spaced({2, 1, 3}), real({4, 1}, .4, 2)}, {{"truncated", int64_t{1}}}});
  for (const int64_t truncated : {0, 1})
    cases.push_back({"mod", truncated ? "negative, truncated" : "negative", {whole(DType::I64, {2, 3, 4}, -9, 9), given(DType::I64, {3, 1}, {-4, 3, -7})}, {{"truncated", truncated}}});
  cases.push_back({"div", "of negative numbers, i64", {whole(DType::I64, {2, 3, 4}, -9, 9), given(DType::I64, {3, 1}, {-4, 3, -7})}});
  for (const double exponent : {0., 1., 2., 3., -1., .5, -1.5})
    cases.push_back({"pow", "to a fixed power", {real({2, 3}, .3, 2), constant(given(DType::F32, {}, {exponent}))}});
  cases.push_back({"pow", "of negative numbers", {spaced({5}), constant(given(DType::F32, {}, {3}))}});
  cases.push_back({"prelu", "one slope a channel", {spaced({2, 3, 2, 2}), real({3, 1, 1}, .1, .4)}});
  for (const char* op : {"add", "mul"}) {
    cases.push_back(timed({op, "timed", {real({8, 64, 56, 56}), real({8, 64, 56, 56})}}));
    cases.push_back(timed({op, "timed, per channel", {real({8, 64, 56, 56}), real({64, 1, 1})}}));
  }
  cases.push_back(timed({"add", "timed, row", {real({8, 197, 768}), real({768})}}));

  for (const char* op : {"equal", "less", "lessOrEqual", "greater", "greaterOrEqual"}) {
    for (const Pair& p : kOddPairs) cases.push_back(valuesOnly({op, p.note, {real(p.a), real(p.b)}}));
    for (const DType dtype : {DType::F32, DType::I64, DType::I32, DType::I8, DType::U8, DType::Bool}) {
      Operand a = whole(dtype, {4, 5}, 0, dtype == DType::Bool ? 1 : 3), b = whole(dtype, {5}, 0, dtype == DType::Bool ? 1 : 3);
      if (dtype == DType::F32) a = given(dtype, {2, 2}, {0, 1, 2, -1}), b = given(dtype, {2, 2}, {0, 2, 1, -1});
      cases.push_back(valuesOnly({op, std::string(nameOf(dtype)), {a, b}}));
    }
  }
  for (const char* op : {"and", "or", "xor"})
    for (const Pair& p : {Pair{"", {4, 5}, {4, 5}}, Pair{"broadcast", {2, 1, 7}, {3, 1}}, Pair{"empty", {0, 3}, {3}}}) cases.push_back({op, p.note, {truth(p.a), truth(p.b)}});

  cases.push_back({"where", "", {truth({2, 3}), real({2, 3}), real({2, 3})}});
  cases.push_back({"where", "broadcast", {truth({2, 1, 4}), real({3, 4}), real({2, 3, 1})}});
  cases.push_back({"where", "scalars", {truth({7}), real({}), real({})}});
  cases.push_back({"where", "empty", {truth({0, 3}), real({3}), real({})}});
  for (const DType dtype : {DType::I64, DType::I32, DType::U8})
    cases.push_back({"where", std::string(nameOf(dtype)), {truth({3, 5}), whole(dtype, {5}, 0, 9), whole(dtype, {3, 1}, 0, 9)}});
  cases.push_back({"where", "bool", {truth({3, 5}), truth({5}), truth({3, 1})}});
  cases.push_back(timed({"where", "timed", {truth({12, 197, 197}), real({12, 197, 197}), real({})}}));
  return cases;
}

}  // namespace ascribe::test
