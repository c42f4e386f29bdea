#include "op_cases/families.h"

namespace ascribe::test {

std::vector<OpCase> productCases() {
  std::vector<OpCase> cases;
  const auto add = [&](const Shape& a, const Shape& b, int64_t ta, int64_t tb, bool small) {
    OpCase test{"matMul", a.text() + " x " + b.text(), {real(a), real(b)}, {{"transposeA", ta}, {"transposeB", tb}}};
    cases.push_back(small ? test : valuesOnly(test));
  };
  const std::pair<Shape, Shape> plain[] = {
      {{3}, {3}},          {{3}, {3, 2}},       {{2, 3}, {3}},             {{2, 3}, {3, 4}},       {{5, 2, 3}, {3, 4}}, {{2, 3}, {5, 3, 4}},    {{2, 5, 2, 3}, {3, 4}},
      {{5, 2, 3}, {5, 3, 4}}, {{5, 1, 2, 3}, {4, 3, 2}}, {{5, 2, 3}, {3}}, {{3}, {5, 3, 2}},       {{1, 2, 3}, {5, 3, 2}}, {{1, 1}, {1, 1}},
  };
  for (const auto& [a, b] : plain) add(a, b, 0, 0, true);
  const std::pair<Shape, Shape> odd[] = {
      {{13, 17}, {17, 19}}, {{1, 300}, {300, 37}}, {{70, 1}, {1, 40}}, {{61, 257}, {257, 47}}, {{4, 5, 300}, {300, 9}}, {{2, 3, 17, 33}, {2, 3, 33, 5}}, {{0, 4}, {4, 3}},
      {{2, 0}, {0, 3}},     {{2, 4}, {4, 0}},
  };
  for (const auto& [a, b] : odd) add(a, b, 0, 0, false);
  for (const int64_t ta : {0, 1})
    for (const int64_t tb : {0, 1}) {
      const Shape a = ta ? Shape{3, 2} : Shape{2, 3}, b = tb ? Shape{4, 3} : Shape{3, 4};
      const Shape oddA = ta ? Shape{37, 29} : Shape{29, 37}, oddB = tb ? Shape{41, 37} : Shape{37, 41};
      add(a, b, ta, tb, true);
      add(prepend(2, a), b, ta, tb, true);
      add(a, prepend(2, b), ta, tb, true);
      add(prepend(2, a), prepend(2, b), ta, tb, true);
      add(oddA, oddB, ta, tb, false);
      // Whole fours, beyond one tile, and with a depth that ends inside a stage: rows of four elements can be read at once.
      add(ta ? Shape{52, 136} : Shape{136, 52}, tb ? Shape{72, 52} : Shape{52, 72}, ta, tb, false);
      add(ta ? Shape{2, 300, 140} : Shape{2, 140, 300}, tb ? Shape{8, 300} : Shape{300, 8}, ta, tb, false);
      add(ta ? Shape{3, 44, 24} : Shape{3, 24, 44}, tb ? Shape{3, 260, 44} : Shape{3, 44, 260}, ta, tb, false);
      add(prepend(3, oddA), oddB, ta, tb, false);
    }
  // Few rows, by fours along the depth and across it, in many columns and in few, and what lies unevenly.
  for (const int64_t rows : {1, 2, 3, 5, 8})
    for (const int64_t tb : {0, 1})
      for (const std::pair<int64_t, int64_t>& size : {std::pair<int64_t, int64_t>{388, 260}, {1100, 132}, {70, 1028}, {131, 515}}) {
        const auto [columns, depth] = size;
        add({rows, depth}, tb ? Shape{columns, depth} : Shape{depth, columns}, 0, tb, false);
        if (rows == 3) add({2, depth, rows}, tb ? Shape{2, columns, depth} : Shape{2, depth, columns}, 1, tb, false);
      }
  for (const char* activation : {"none", "relu", "gelu", "geluTanh", "silu"})
    for (const int64_t tb : {0, 1})
      for (const Shape& a : {Shape{3, 17, 52}, Shape{1, 260}, Shape{70, 31}}) {
        const int64_t depth = a.at(-1), columns = depth == 31 ? 37 : 136;
        Shape out = a;
        out[out.rank() - 1] = columns;
        const Operand weights = constant(real(tb ? Shape{columns, depth} : Shape{depth, columns}, -.3, .3));
        for (const int which : {1, 2, 3}) {
          OpCase test{"fusedMatMul", a.text() + " x " + weights.shape.text() + (which & 1 ? ", bias" : "") + (which & 2 ? ", residual, " : ", ") + activation,
                      {real(a), weights, which & 1 ? constant(real({columns})) : none(), which & 2 ? real(out) : none()}, {{"transposeB", tb}, {"activation", std::string(activation)}}, 1, Derivatives::Unchecked};
          test.tolerance = 4e-6;  // of sums whose larger half a gate cuts off
          cases.push_back(test);
        }
      }
  for (const DType dtype : {DType::I64, DType::I32, DType::I8, DType::U8})
    cases.push_back({"matMul", std::string(nameOf(dtype)), {whole(dtype, {2, 3}, 0, 5), whole(dtype, {3, 4}, 0, 5)}});
  const auto timing = [&](const char* note, const Shape& a, Operand b, int64_t tb = 0) {
    b.constant = b.shape.rank() == 2;
    cases.push_back(timed({"matMul", std::string("timed, ") + note, {real(a), b}, {{"transposeB", tb}}}));
  };
  timing("square", {512, 512}, real({512, 512}));
  timing("dense layer", {197, 384}, real({384, 1536}));
  timing("one row", {1, 1280}, real({1000, 1280}), 1);
  timing("attention scores", {12, 197, 64}, real({12, 197, 64}), 1);
  return cases;
}

}  // namespace ascribe::test
