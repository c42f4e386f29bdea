#include <limits>

#include "op_cases/families.h"

namespace ascribe::test {
namespace {

struct Window {
  std::string note;
  Shape x;
  Attributes how;
};

Attributes window(Integers kernel, Integers strides = {}, Integers pads = {}, Integers dilations = {}) {
  return {{"kernel", kernel}, {"strides", strides}, {"pads", pads}, {"dilations", dilations}};
}
Attributes with(Attributes how, std::string_view name, Attribute value) {
  how.set(name, std::move(value));
  return how;
}

/// Every way to pad, rounding up and down, windows that overlap, leave gaps, or hang over the edge.
std::vector<Window> windows() {
  const Shape image{1, 2, 5, 4};
  std::vector<Window> all{
      {"3x2", image, window({3, 2}, {2, 1}, {1, 0, 1, 1})},
      {"2x2 halving", {1, 1, 4, 6}, window({2, 2}, {2, 2})},
      {"gaps", {1, 1, 5, 7}, window({2, 2}, {3, 3})},
      {"one axis", {2, 1, 6}, window({3}, {1}, {1, 1})},
      {"three axes", {1, 1, 3, 4, 3}, window({2, 2, 2}, {1, 2, 1})},
      {"dilated", {2, 1, 7}, window({2}, {}, {}, {2})},
      {"dilated, padded", {1, 1, 5, 6}, window({2, 2}, {1, 2}, {1, 1, 1, 1}, {2, 3})},
  };
  const std::vector<Window> plain = all;
  for (const Window& w : plain) all.push_back({w.note + ", ceil", w.x, with(w.how, "ceilMode", int64_t{1})});
  all.push_back({"ceil past the end", {1, 1, 6, 6}, with(window({3, 3}, {2, 2}), "ceilMode", int64_t{1})});
  all.push_back({"ceil in the padding", {1, 1, 5, 5}, with(window({2, 2}, {3, 3}, {1, 1, 1, 1}), "ceilMode", int64_t{1})});
  for (const char* mode : {"sameUpper", "sameLower", "valid"})
    for (const int64_t ceiling : {0, 1})
      all.push_back({std::string(mode) + (ceiling ? ", ceil" : ""), image, with(with(window({2, 3}, {2, 2}), "autoPad", std::string(mode)), "ceilMode", ceiling)});
  return all;
}

}  // namespace

std::vector<OpCase> poolingCases() {
  std::vector<OpCase> cases;
  for (const Window& w : windows()) {
    cases.push_back({"maxPool", w.note, {spaced(w.x)}, w.how});
    cases.push_back({"maxPool", w.note + ", indices", {spaced(w.x)}, w.how, 2});
    for (const int64_t counted : {0, 1}) {
      const Attributes how = with(w.how, "countIncludePad", counted);
      cases.push_back({"averagePool", w.note + (counted ? ", padding counted" : ""), {real(w.x)}, how});
    }
  }
  const Shape image{1, 2, 5, 4};
  const Attributes plain = window({3, 2}, {2, 1}, {1, 0, 1, 1}, {1, 1});
  cases.push_back({"maxPoolGrad", "", {real({2, 1, 2, 3, 4}), whole(DType::I32, {1, 2, 3, 4}, 0, 19), real(image)}});
  cases.push_back({"maxPoolGrad", "one axis", {real({1, 2, 1, 4}), whole(DType::I32, {2, 1, 4}, 0, 6), real({2, 1, 7})}});
  for (const int64_t counted : {0, 1}) {
    const std::string note = counted ? "padding counted" : "";
    cases.push_back({"averagePoolGrad", note, {real({2, 1, 2, 3, 4}), real(image)}, with(plain, "countIncludePad", counted)});
    cases.push_back({"averagePoolGrad", note + " ceil", {real({2, 1, 2, 3, 4}), real(image)}, with(with(plain, "countIncludePad", counted), "ceilMode", int64_t{1})});
  }
  const Attributes stem = window({3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1});
  cases.push_back(valuesOnly({"maxPool", "odd", {real({3, 19, 13, 23})}, stem}));
  cases.push_back(valuesOnly({"maxPool", "odd, indices", {spaced({3, 19, 13, 23})}, stem, 2}));
  cases.push_back(valuesOnly({"averagePool", "odd", {real({3, 19, 13, 23})}, stem}));
  cases.push_back(valuesOnly({"maxPoolGrad", "odd", {real({3, 2, 19, 7, 12}), whole(DType::I32, {2, 19, 7, 12}, 0, 13 * 23 - 1), real({2, 19, 13, 23})}}));
  cases.push_back(valuesOnly({"averagePoolGrad", "odd", {real({3, 2, 19, 7, 12}), real({2, 19, 13, 23})}, stem}));
  cases.push_back(valuesOnly({"maxPool", "all negative", {real({1, 2, 5, 5}, -9, -1)}, stem}));
  for (const char* op : {"maxPool", "averagePool"}) cases.push_back(valuesOnly({op, "no examples", {real({0, 2, 5, 5})}, stem}));
  // The first of equals; NaN counts as the largest, and the first of several; nothing but -infinity has a place too.
  const double nan = std::numeric_limits<double>::quiet_NaN(), least = -std::numeric_limits<double>::infinity();
  cases.push_back(valuesOnly({"maxPool", "ties, indices", {whole(DType::F32, {1, 3, 9, 21}, 0, 2)}, stem, 2}));
  std::vector<double> strange(5 * 7, 1);
  strange[0] = strange[9] = strange[25] = strange[26] = nan;
  for (const size_t i : {4, 5, 6, 11, 12, 13}) strange[i] = least;
  for (const int64_t stride : {1, 2, 3})
    cases.push_back(valuesOnly({"maxPool", "NaN, stride " + std::to_string(stride) + ", indices", {given(DType::F32, {1, 1, 5, 7}, strange)}, window({3, 3}, {stride, stride}, {1, 1, 1, 1}), 2}));
  for (const DType dtype : {DType::I8, DType::U8}) cases.push_back({"maxPool", std::string(nameOf(dtype)), {whole(dtype, {1, 2, 5, 5}, 0, 100)}, stem});

  for (const char* op : {"globalAveragePool", "globalMaxPool"}) {
    for (const Shape& x : {Shape{2, 1, 6}, Shape{1, 2, 5, 4}, Shape{1, 2, 2, 3, 2}}) cases.push_back({op, x.text(), {spaced(x)}});
    cases.push_back(valuesOnly({op, "odd", {real({3, 19, 13, 23})}}));
    cases.push_back(timed({op, "timed", {real({8, 1280, 7, 7})}}));
  }
  cases.push_back(timed({"maxPool", "timed", {real({4, 64, 112, 112})}, stem}));
  cases.push_back(timed({"averagePool", "timed", {real({4, 128, 56, 56})}, window({2, 2}, {2, 2})}));
  cases.push_back(timed({"maxPoolGrad", "timed", {real({1, 4, 64, 56, 56}), whole(DType::I32, {4, 64, 56, 56}, 0, 112 * 112 - 1), real({4, 64, 112, 112})}}));
  return cases;
}

}  // namespace ascribe::test
