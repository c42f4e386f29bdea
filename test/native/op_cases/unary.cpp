#include <limits>

#include "op_cases/families.h"

namespace ascribe::test {
namespace {

const Shape kSmall{2, 3}, kOdd{5, 7, 11};

/// Small (differentiated), odd (past every vector width, with a rest), a scalar and nothing at all.
void everySize(std::vector<OpCase>& cases, const std::string& op, const Operand& small, double low, double high, const Attributes& attributes = {},
               const std::string& note = "") {
  const std::string prefix = note.empty() ? "" : note + ", ";
  cases.push_back({op, note, {small}, attributes});
  cases.push_back({op, prefix + "scalar", {real({}, low, high)}, attributes});
  cases.push_back(valuesOnly({op, prefix + "odd", {real(kOdd, low, high)}, attributes}));
  cases.push_back(valuesOnly({op, prefix + "empty", {real({0, 3}, low, high)}, attributes}));
}
void everySize(std::vector<OpCase>& cases, const std::string& op, const Attributes& attributes = {}, const std::string& note = "") {
  everySize(cases, op, spaced(kSmall), -3, 3, attributes, note);
}

void activations(std::vector<OpCase>& cases) {
  for (const char* op : {"relu", "sigmoid", "softplus", "softsign", "silu", "hardSwish", "mish", "leakyRelu", "elu", "celu", "selu", "thresholdedRelu",
                         "hardSigmoid", "gelu", "clip"}) {
    everySize(cases, op);
    cases.push_back(valuesOnly({op, "far from zero", {real(kOdd, -60, 60)}}));
  }
  everySize(cases, "gelu", {{"approximate", std::string("tanh")}}, "tanh");
  everySize(cases, "clip", {{"min", -.2}, {"max", .1}}, "both sides");
  everySize(cases, "clip", {{"min", 0.}}, "below");
  everySize(cases, "clip", {{"min", 1.}, {"max", -1.}}, "crossing");
  everySize(cases, "leakyRelu", {{"alpha", .3}}, "alpha");
  everySize(cases, "leakyRelu", {{"alpha", -.5}}, "rising to the left");
  for (const char* op : {"elu", "celu"}) everySize(cases, op, {{"alpha", 2.}}, "alpha");
  everySize(cases, "selu", {{"alpha", 2.}, {"gamma", .5}}, "alpha and gamma");
  everySize(cases, "thresholdedRelu", {{"alpha", .1}}, "alpha");
  everySize(cases, "hardSigmoid", {{"alpha", .9}, {"beta", .3}}, "alpha and beta");
  for (const char* op : {"relu", "sigmoid", "gelu", "silu", "hardSwish", "clip"}) cases.push_back(timed({op, "timed", {real({8, 64, 56, 56}, -6, 6)}}));
}

}  // namespace

std::vector<OpCase> unaryCases() {
  std::vector<OpCase> cases;
  for (const char* op : {"neg", "abs", "sign", "floor", "ceil", "round", "exp", "sin", "cos", "atan", "sinh", "cosh", "tanh", "asinh", "erf"}) everySize(cases, op);
  for (const char* op : {"log", "sqrt", "reciprocal"}) everySize(cases, op, real(kSmall, .3, 2), .1, 30);
  for (const char* op : {"tan", "asin", "acos", "atanh"}) everySize(cases, op, real(kSmall, -.8, .8), -.95, .95);
  everySize(cases, "acosh", real(kSmall, 1.2, 3), 1.1, 9);
  cases.push_back({"round", "halves to even", {given(DType::F32, {6}, {.5, 1.5, 2.5, -.5, -1.5, .49})}, {}, 1, Derivatives::Unchecked, 0});
  for (const char* op : {"exp", "tanh", "erf", "sqrt"}) cases.push_back(timed({op, "timed", {real({8, 64, 56, 56}, .1, 3)}}));
  activations(cases);

  for (const DType dtype : {DType::I64, DType::I32, DType::I8, DType::U8}) {
    const int64_t low = dtype == DType::U8 ? 0 : -100;
    for (const char* op : {"neg", "abs", "sign", "relu"}) cases.push_back({op, std::string(nameOf(dtype)), {whole(dtype, {3, 7}, low, 100)}});
    cases.push_back({"clip", std::string(nameOf(dtype)), {whole(dtype, {3, 7}, low, 100)}, {{"min", -7.}, {"max", 50.}}});
  }
  cases.push_back({"not", "", {truth({3, 7})}});
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  const Operand special = given(DType::F32, {5}, {nan, infinity, -infinity, 0, 3.4e38});
  cases.push_back(valuesOnly({"isNan", "", {special}}));
  cases.push_back(valuesOnly({"isInf", "", {special}}));
  cases.push_back(valuesOnly({"isInf", "positive", {special}, {{"detectNegative", int64_t{0}}}}));
  cases.push_back(valuesOnly({"isInf", "negative", {special}, {{"detectPositive", int64_t{0}}}}));
  for (const char* op : {"relu", "clip", "sigmoid", "tanh", "abs", "exp"})
    cases.push_back(valuesOnly({op, "NaN and infinities", {special}, op == std::string("clip") ? Attributes{{"min", -1.}, {"max", 1.}} : Attributes{}}));

  for (const char* to : {"f32", "i64", "i32", "i8", "u8", "bool"}) {
    const Attributes how{{"to", std::string(to)}};
    cases.push_back({"cast", std::string("f32 to ") + to, {real({3, 7}, 0, 9)}, how});
    for (const DType from : {DType::I64, DType::I32, DType::I8, DType::U8, DType::Bool})
      cases.push_back({"cast", std::string(nameOf(from)) + " to " + to, {from == DType::Bool ? truth({3, 7}) : whole(from, {3, 7}, 0, 100)}, how});
  }
  cases.push_back({"cast", "negative f32 to i64", {real({3, 7}, -9, 0)}, {{"to", std::string("i64")}}});
  cases.push_back(timed({"cast", "timed", {whole(DType::I64, {1 << 20}, -9, 9)}, {{"to", std::string("f32")}}}));
  return cases;
}

}  // namespace ascribe::test
