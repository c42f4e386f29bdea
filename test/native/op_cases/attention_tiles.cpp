#include <cmath>
#include <functional>
#include <limits>

#include "op_cases/families.h"

namespace ascribe::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

OpCase of(const char* note, int64_t heads, int64_t queries, int64_t keys, int64_t depth, int64_t width, bool causal = false, Operand mask = none()) {
  const Attributes attributes{{"scale", 1.5 / std::sqrt(static_cast<double>(depth))}, {"causal", int64_t{causal}}};
  return valuesOnly({"attention", note, {real({1, heads, queries, depth}, -2, 2), real({1, heads, keys, depth}, -2, 2), real({1, heads, keys, width}), std::move(mask)}, attributes});
}

OpCase gradientOf(const char* note, int64_t cotangents, int64_t heads, int64_t queries, int64_t keys, int64_t depth, int64_t width, bool causal = false, Operand mask = none()) {
  OpCase out = of(note, heads, queries, keys, depth, width, causal, constant(std::move(mask)));
  out.op = "attentionGrad";
  out.outputs = 3;
  out.operands.insert(out.operands.begin(), real({cotangents, 1, heads, queries, width}));
  return out;
}

}  // namespace

/// Attention by tiles of queries and pieces of keys: lengths around theirs, every size of head that has a tile of its own,
/// and what hides keys.
std::vector<OpCase> attentionTileCases() {
  std::vector<OpCase> cases;
  cases.push_back(of("tiles, whole", 2, 64, 128, 64, 64));
  cases.push_back(of("tiles, one query too many", 2, 65, 64, 32, 32));
  cases.push_back(of("tiles, one key too many", 1, 64, 65, 32, 32));
  cases.push_back(of("tiles, fewest queries", 3, 9, 31, 16, 16));
  cases.push_back(of("tiles, one key", 1, 17, 1, 16, 16));
  cases.push_back(of("tiles, long", 2, 70, 400, 40, 40));
  cases.push_back(of("tiles, odd sizes", 2, 67, 45, 7, 9));
  cases.push_back(of("tiles, odd values", 1, 20, 70, 36, 33));
  for (const auto& [note, depth, width] : {std::tuple{"tiles, heads of 40", 40, 40}, {"tiles, heads of 80", 80, 80}, {"tiles, heads of 96", 96, 96}, {"tiles, heads of 128", 128, 128},
                                          {"tiles, heads of 160", 160, 160}, {"tiles, heads of 256", 256, 256}, {"tiles, deep keys", 192, 128}, {"tiles, wide values", 24, 200}, {"tiles, odd and large", 131, 66}})
    cases.push_back(of(note, 1, 21, 75, depth, width));
  cases.push_back(of("heads too large for tiles", 1, 12, 20, 260, 8));

  cases.push_back(of("tiles, causal", 3, 150, 150, 32, 16, true));
  cases.push_back(of("tiles, causal, heads of 128", 1, 70, 70, 128, 128, true));
  cases.push_back(of("tiles, causal, keys before", 2, 66, 201, 16, 64, true));
  // The last row of a tile sees the first key of a piece.
  cases.push_back(of("tiles, causal, one key before", 1, 66, 67, 16, 16, true));

  cases.push_back(of("tiles, mask of keys", 2, 70, 90, 16, 16, false, real({1, 1, 1, 90}, -3, 0)));
  cases.push_back(of("tiles, mask of queries", 2, 70, 90, 16, 16, false, constant(real({70, 1}, -3, 0))));
  cases.push_back(of("tiles, mask of heads", 3, 70, 90, 16, 16, true, real({3, 70, 90}, -3, 3)));
  const auto shown = [](int64_t keys, double hidden, const std::function<bool(int64_t, int64_t)>& isRead) {
    std::vector<double> values;
    for (int64_t i = 0; i < 70 * keys; ++i) values.push_back(isRead(i / keys, i % keys) ? 0 : hidden);
    return given(DType::F32, {70, keys}, std::move(values));
  };
  cases.push_back(of("tiles, window", 1, 70, 200, 16, 16, false, shown(200, -kInfinity, [](auto i, auto j) { return j <= i + 130 && j > i + 120; })));
  cases.push_back(of("tiles, window, causal", 1, 70, 200, 16, 16, true, shown(200, -1e30, [](auto i, auto j) { return j > i + 120; })));
  cases.push_back(of("tiles, a query that all is hidden from", 1, 70, 100, 16, 16, false, shown(100, -1e30, [](auto i, auto) { return i != 66; })));
  cases.push_back(of("tiles, the last key alone", 1, 70, 130, 16, 16, false, shown(130, -kInfinity, [](auto, auto j) { return j == 129; })));

  cases.push_back(valuesOnly({"attention", "tiles, one matrix", {real({20, 8}), real({30, 8}), real({30, 8})}}));
  cases.push_back(valuesOnly({"attention", "tiles, two axes of heads and a mask of one", {real({2, 3, 2, 11, 8}), real({2, 3, 2, 11, 8}), real({2, 3, 2, 11, 8}), real({3, 1, 1, 11})}}));
  cases.push_back(timed(of("tiles, timed, causal", 4, 700, 700, 64, 64, true)));

  cases.push_back(gradientOf("tiles, whole", 1, 2, 64, 128, 64, 64));
  cases.push_back(gradientOf("tiles, one query and one key too many", 2, 2, 65, 65, 32, 16));
  cases.push_back(gradientOf("tiles, fewest queries", 1, 3, 9, 31, 16, 16));
  cases.push_back(gradientOf("tiles, few keys", 3, 1, 70, 5, 16, 24));
  cases.push_back(gradientOf("tiles, long", 1, 2, 70, 400, 40, 36));
  cases.push_back(gradientOf("tiles, odd sizes", 2, 2, 67, 45, 7, 9));
  cases.push_back(gradientOf("tiles, heads of 80", 1, 1, 21, 75, 80, 80));
  cases.push_back(gradientOf("tiles, heads of 128", 1, 1, 37, 66, 128, 128));
  cases.push_back(gradientOf("tiles, wide values", 1, 1, 21, 35, 24, 100));
  cases.push_back(gradientOf("heads too large for tiles", 1, 1, 21, 35, 144, 16));
  cases.push_back(gradientOf("tiles, causal", 2, 3, 150, 150, 32, 16, true));
  cases.push_back(gradientOf("tiles, causal, keys before", 1, 2, 66, 201, 16, 64, true));
  cases.push_back(gradientOf("tiles, causal, one key before", 1, 1, 66, 67, 16, 16, true));
  cases.push_back(gradientOf("tiles, causal, heads of 128", 1, 1, 70, 75, 128, 128, true));
  cases.push_back(gradientOf("tiles, mask of keys", 1, 2, 70, 90, 16, 16, false, real({1, 1, 1, 90}, -3, 0)));
  cases.push_back(gradientOf("tiles, mask of heads, causal", 2, 3, 70, 90, 16, 16, true, real({3, 70, 90}, -3, 3)));
  cases.push_back(gradientOf("tiles, window", 1, 1, 70, 200, 16, 16, false, shown(200, -kInfinity, [](auto i, auto j) { return j <= i + 130 && j > i + 120; })));
  cases.push_back(gradientOf("tiles, a query that all is hidden from", 1, 1, 70, 100, 16, 16, false, shown(100, -1e30, [](auto i, auto) { return i != 66; })));
  cases.push_back(timed(gradientOf("tiles, timed, causal", 1, 4, 500, 500, 64, 64, true)));
  return cases;
}

}  // namespace ascribe::test
