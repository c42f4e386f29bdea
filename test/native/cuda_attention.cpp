#include <cmath>
#include <functional>
#include <limits>

#include "harness.h"
#include "op_cases/cuda.h"
#include "op_cases/op_case.h"

/// Attention by tiles where a score is no number, or a query reads nothing: NaN in the rows that the reference gives it to, and
/// in no other.
namespace ascribe::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity(), kNaN = std::numeric_limits<double>::quiet_NaN();

/// Numbers that look drawn, with another at one place.
Operand numbers(const Shape& shape, int64_t place = -1, double other = 0) {
  std::vector<double> values;
  for (int64_t i = 0; i < shape.count(); ++i) values.push_back(i == place ? other : std::sin(static_cast<double>(i) * 12.9898 + static_cast<double>(shape.count())));
  return given(DType::F32, shape, std::move(values));
}

TEST(rows_that_are_no_numbers_are_those_of_the_reference) {
  if (!hasCuda()) throw Skipped("there is no CUDA device, nor the emulation of one");
  const Attributes causal{{"causal", int64_t{1}}};
  const Shape queries{1, 80, 8}, keys{1, 140, 8}, mask{80, 140};
  std::vector<double> hidden(static_cast<size_t>(mask.count()), 0), late(hidden);
  for (int64_t j = 0; j < 140; ++j) hidden[static_cast<size_t>(66 * 140 + j)] = -kInfinity;
  for (int64_t i = 0; i < 80; ++i)
    for (int64_t j = 0; j < 128; ++j) late[static_cast<size_t>(i * 140 + j)] = -kInfinity;
  late[128] = late[129] = -kInfinity;
  const OpCase all[] = {{"attention", "NaN in a query", {numbers(queries, 8 * 17 + 3, kNaN), numbers(keys), numbers(keys)}},
                        {"attention", "NaN in a key that late queries see", {numbers(queries), numbers(keys, 8 * 132 + 1, kNaN), numbers(keys)}, causal},
                        {"attention", "NaN in a mask", {numbers(queries), numbers(keys), numbers(keys), numbers(mask, 140 * 12 + 66, kNaN)}},
                        {"attention", "an infinite score", {numbers(queries), numbers(keys), numbers(keys), numbers(mask, 140 * 12 + 66, kInfinity)}},
                        {"attention", "an infinite score behind a first piece", {numbers(queries), numbers(keys), numbers(keys), numbers(mask, 140 * 70 + 135, kInfinity)}, causal},
                        {"attention", "a query that reads nothing", {numbers(queries), numbers(keys), numbers(keys), given(DType::F32, mask, hidden)}},
                        {"attention", "nothing of the first pieces", {numbers(queries), numbers(keys), numbers(keys), given(DType::F32, mask, late)}, causal},
                        {"attention", "more queries than keys", {numbers({2, 150, 8}), numbers({2, 70, 8}), numbers({2, 70, 8})}, causal}};
  for (const OpCase& test : all) {
    checkCuda(test);
    // The reference multiplies what nobody sees by zero; kernels leave it out.
    if (test.attributes.has("causal")) continue;
    OpCase gradient = test;
    gradient.op = "attentionGrad";
    gradient.outputs = 3;
    gradient.operands.insert(gradient.operands.begin(), numbers(prepend(2, test.operands[0].shape)));
    checkCuda(gradient);
  }
}

}  // namespace
}  // namespace ascribe::test
