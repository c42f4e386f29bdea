#include <functional>
#include <limits>

#include "op_cases/families.h"

namespace ascribe::test {
namespace {

/// A mask of 0 where a query reads a key, and elsewhere what hides it.
Operand shownWhere(int64_t queries, int64_t keys, double hidden,
                   const std::function<bool(int64_t, int64_t)>& isRead) {
  std::vector<double> values;
  for (int64_t i = 0; i < queries; ++i)
    for (int64_t j = 0; j < keys; ++j) values.push_back(isRead(i, j) ? 0 : hidden);
  return given(DType::F32, {queries, keys}, std::move(values));
}

}  // namespace

std::vector<OpCase> softmaxCases() {
  std::vector<OpCase> cases;
  for (const char* op : {"softmax", "logSoftmax"}) {
    for (const int64_t axis : {-1, 0, 1}) {
      const std::string note = "axis " + std::to_string(axis);
      cases.push_back({op, note, {real({2, 3, 4})}, {{"axis", axis}}});
      const Operand result =
          op == std::string("softmax") ? real({2, 3, 4}, .05, .6) : real({2, 3, 4}, -3, -.2);
      cases.push_back({std::string(op) + "Grad",
                       note,
                       {real({2, 2, 3, 4}), result},
                       {{"axis", axis < 0 ? axis : axis - 3}}});
      cases.push_back(valuesOnly({op, note + ", odd", {real({5, 7, 19}, -20, 20)}, {{"axis", axis}}}));
      cases.push_back(valuesOnly({std::string(op) + "Grad",
                                  note + ", odd",
                                  {real({3, 5, 7, 19}), real({5, 7, 19}, .01, .2)},
                                  {{"axis", axis < 0 ? axis : axis - 3}}}));
    }
    cases.push_back({op, "one class", {real({3, 1})}});
    cases.push_back({op, "scalar", {real({})}, {}, 1, Derivatives::Unchecked});
    cases.push_back(valuesOnly({op, "empty", {real({0, 3})}}));
    cases.push_back(valuesOnly({op, "large scores", {real({3, 37}, 500, 900)}}));
    const double infinity = std::numeric_limits<double>::infinity();
    cases.push_back(valuesOnly(
        {op, "masked scores", {given(DType::F32, {2, 3}, {0, -infinity, 1, -infinity, 2, -infinity})}}));
    cases.push_back(timed({op, "timed", {real({12, 197, 197}, -5, 5)}}));
  }
  cases.push_back(timed({"softmaxGrad", "timed", {real({1, 12, 197, 197}), real({12, 197, 197}, 0, .01)}}));

  const Operand q = real({2, 2, 3, 4}), k = real({2, 2, 5, 4}), v = real({2, 2, 5, 3}), mask = real({3, 5}),
                square = real({2, 2, 3, 4}), values = real({2, 2, 3, 3});
  const Attributes scaled{{"scale", .5}}, causal{{"scale", .5}, {"causal", int64_t{1}}};
  cases.push_back({"attention", "", {q, k, v}, scaled});
  cases.push_back({"attention", "mask", {q, k, v, mask}, scaled});
  cases.push_back({"attention", "fixed mask", {q, k, v, constant(mask)}, scaled});
  cases.push_back({"attention", "causal", {q, square, values}, causal});
  cases.push_back({"attention", "one head", {real({3, 4}), real({5, 4}), real({5, 2})}, scaled});
  const Operand g = real({2, 2, 2, 3, 3});
  cases.push_back({"attentionGrad", "", {g, q, k, v}, scaled, 3});
  cases.push_back({"attentionGrad", "mask", {g, q, k, v, constant(mask)}, scaled, 3});
  cases.push_back({"attentionGrad", "causal", {g, q, square, values}, causal, 3});
  cases.push_back(valuesOnly(
      {"attention", "odd", {real({2, 3, 17, 20}), real({2, 3, 33, 20}), real({2, 3, 33, 11})}, scaled}));
  cases.push_back(
      valuesOnly({"attentionGrad",
                  "odd",
                  {real({2, 2, 3, 17, 11}), real({2, 3, 17, 20}), real({2, 3, 33, 20}), real({2, 3, 33, 11})},
                  scaled,
                  3}));
  // Long enough for the large blocks; the sequences end together, or the first queries see nothing but what
  // was before.
  cases.push_back(valuesOnly(
      {"attention", "long, causal", {real({2, 530, 4}), real({2, 530, 4}), real({2, 530, 3})}, causal}));
  cases.push_back(valuesOnly({"attention",
                              "long, causal, keys before",
                              {real({1, 520, 4}), real({1, 561, 4}), real({1, 561, 3}), real({520, 561})},
                              causal}));
  // Pieces of keys: the greatest score grows from one to the next, or a row sees nothing of the first.
  cases.push_back(valuesOnly({"attention", "long, large scores", {real({1, 20, 4}, -6, 6), real({1, 1300, 4}, -6, 6), real({1, 1300, 35})}, scaled}));
  cases.push_back(valuesOnly({"attention",
                              "mask, nothing of the first pieces",
                              {real({1, 20, 4}), real({1, 1300, 4}), real({1, 1300, 3}),
                               shownWhere(20, 1300, -std::numeric_limits<double>::infinity(), [](auto i, auto j) { return i != 7 || j > 1200; })},
                              scaled}));
  // Whole tiles of keys that no query of a block reads are left out.
  const Operand fewQueries = real({1, 40, 4}), manyKeys = real({1, 300, 4}), manyValues = real({1, 300, 3});
  const auto hiding = [&](const char* note, const Operand& shown, const Attributes& attributes) {
    cases.push_back(valuesOnly({"attention", note, {fewQueries, manyKeys, manyValues, shown}, attributes}));
  };
  hiding("mask, two texts packed behind one beginning",
         shownWhere(
             40, 300, -1e30,
             [](auto i, auto j) { return j < 9 || (j >= (i < 20 ? 130 : 200) && j < (i < 20 ? 150 : 220)); }),
         scaled);
  hiding("mask, window",
         shownWhere(40, 300, -1e30, [](auto i, auto j) { return j <= 2 * i && j > 2 * i - 10; }), scaled);
  hiding("mask, behind the end",
         shownWhere(1, 300, -std::numeric_limits<double>::infinity(), [](auto, auto j) { return j < 100; }),
         scaled);
  hiding("mask, a query that reads nothing",
         shownWhere(40, 300, -1e30, [](auto i, auto j) { return i != 7 && j == 250; }), scaled);
  hiding("mask, causal", shownWhere(40, 300, -1e30, [](auto, auto j) { return j > 250; }), causal);
  cases.push_back(valuesOnly({"attentionGrad",
                              "long, causal",
                              {real({1, 1, 520, 3}), real({1, 520, 4}), real({1, 540, 4}), real({1, 540, 3})},
                              causal,
                              3}));
  cases.push_back(valuesOnly({"attentionGrad", "keys of no elements", {real({2, 3, 5, 2}), real({3, 5, 0}), real({3, 4, 0}), real({3, 4, 2})}, {{"scale", 1.0}}, 3}));
  cases.push_back(timed({"attention",
                         "timed",
                         {real({1, 6, 197, 64}), real({1, 6, 197, 64}), real({1, 6, 197, 64})},
                         {{"scale", .125}}}));
  cases.push_back(
      timed({"attentionGrad",
             "timed",
             {real({1, 1, 6, 197, 64}), real({1, 6, 197, 64}), real({1, 6, 197, 64}), real({1, 6, 197, 64})},
             {{"scale", .125}},
             3}));

  // Attention whose probabilities are also summed up over heads and queries.
  const Operand onlyRow = real({2, 3, 1, 4}), someRows = real({2, 3, 5, 4}), seenKeys = real({2, 3, 9, 4}), seenValues = real({2, 3, 9, 2});
  cases.push_back({"observedAttention", "one query", {onlyRow, seenKeys, seenValues, none(), real({3})}, scaled, 2});
  cases.push_back({"observedAttention", "mask, causal", {someRows, seenKeys, seenValues, real({1, 1, 5, 9}), real({15})}, causal, 2});
  cases.push_back(valuesOnly({"observedAttention", "hidden keys", {real({1, 2, 40, 4}), real({1, 2, 300, 4}), real({1, 2, 300, 3}), shownWhere(40, 300, -1e30, [](auto i, auto j) { return j <= 2 * i && j > 2 * i - 10; }), real({80})}, scaled, 2}));
  cases.push_back(valuesOnly({"observedAttention", "no keys", {real({1, 2, 0, 4}), real({1, 2, 3, 4}), real({1, 2, 3, 3}), none(), real({0})}, scaled, 2}));

  // Rows of attention, reduced over heads: three rows at places among seven keys, four heads of which two
  // share their keys.
  const Operand rowQueries = real({2, 4, 3, 5}), rowKeys = real({2, 4, 7, 5}),
                sharedKeys = real({2, 2, 7, 5});
  const Operand places = given(DType::I64, {3}, {1, 4, 6}), weights = real({4}), rowMask = real({1, 4, 1, 7});
  const Attributes kept{{"scale", .5}, {"keepRows", int64_t{1}}}, summed{{"scale", .5}};
  cases.push_back({"attentionRows", "kept", {rowQueries, rowKeys, places}, kept});
  cases.push_back({"attentionRows", "summed", {rowQueries, rowKeys, places}, summed});
  cases.push_back(
      {"attentionRows", "shared keys, weighted heads", {rowQueries, sharedKeys, places, weights}, kept});
  cases.push_back({"attentionRows", "weighted, summed", {rowQueries, sharedKeys, places, weights}, summed});
  cases.push_back({"attentionRows",
                   "window",
                   {rowQueries, sharedKeys, places},
                   {{"scale", .5}, {"keepRows", int64_t{1}}, {"window", int64_t{2}}}});
  cases.push_back({"attentionRows",
                   "all keys, masked",
                   {rowQueries, rowKeys, places, weights, rowMask},
                   {{"scale", .5}, {"causal", int64_t{0}}, {"keepRows", int64_t{1}}}});
  cases.push_back({"attentionRows",
                   "mask and window, narrow positions",
                   {rowQueries, rowKeys, given(DType::I32, {3}, {1, 4, 6}), none(), rowMask},
                   {{"scale", .5}, {"window", int64_t{3}}}});
  cases.push_back({"attentionRows",
                   "rows before and behind all keys",
                   {rowQueries, rowKeys, given(DType::I64, {3}, {-1, 3, 1000})},
                   kept});
  cases.push_back(valuesOnly({"attentionRows",
                              "rows far away, window",
                              {rowQueries, rowKeys, given(DType::I64, {3}, {-9e18, 8, 9e18})},
                              {{"keepRows", int64_t{1}}, {"window", int64_t{3}}}}));
  cases.push_back(valuesOnly(
      {"attentionRows", "no rows", {real({2, 4, 0, 5}), rowKeys, given(DType::I64, {0}, {})}, summed}));
  std::vector<double> every(75);
  for (size_t i = 0; i < every.size(); ++i) every[i] = static_cast<double>(i) + 30;
  for (const int64_t rows : {0, 1})
    for (const int64_t window : {0, 40})
      cases.push_back(valuesOnly({"attentionRows",
                                  "odd, window " + std::to_string(window) + (rows ? ", kept" : ""),
                                  {real({2, 6, 75, 20}, -2, 2), real({2, 3, 105, 20}, -2, 2),
                                   given(DType::I64, {75}, every), real({6})},
                                  {{"keepRows", rows}, {"window", window}}}));
  std::vector<double> answer(33);
  for (size_t i = 0; i < answer.size(); ++i) answer[i] = static_cast<double>(i) + 2015;
  cases.push_back(valuesOnly(
      {"attentionRows",
       "one row, eight heads share two keys, kept",
       {real({1, 16, 1, 20}, -2, 2), real({1, 2, 300, 20}, -2, 2), given(DType::I64, {1}, {290}), real({16})},
       {{"keepRows", int64_t{1}}}}));
  cases.push_back(timed({"attentionRows",
                         "timed",
                         {real({1, 32, 33, 64}), real({1, 8, 2048, 64}), given(DType::I64, {33}, answer)},
                         {{"scale", .125}}}));
  return cases;
}

}  // namespace ascribe::test
