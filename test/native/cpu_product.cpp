#include <cmath>
#include <vector>

#include "cpu_support.h"
#include "graph/half.h"
#include "harness.h"
#include "isa_scope.h"
#include "kernels/cpu/gemm.h"
#include "runtime/team.h"

namespace ascribe::test {
namespace {

using namespace ascribe::cpu;

const std::vector<GemmShape> kShapes = {{1, 1, 1}, {1, 37, 19}, {3, 130, 70}, {4, 5, 300}, {5, 1, 33}, {70, 1, 40}, {7, 15, 17},
                                        {13, 33, 257}, {29, 31, 64}, {64, 64, 64}, {150, 1100, 30}, {61, 47, 600}, {6, 16, 0}};

std::vector<float> values(int64_t count, uint64_t seed) {
  const HostTensor t = floats({count}, seed);
  return {t.as<float>(), t.as<float>() + count};
}

template <class Body>
void onEveryIsa(Body&& body) {
  for (const Isa isa : {Isa::Baseline, Isa::Neon, Isa::Avx2, Isa::Avx512}) {
    if (!isaAvailable(isa)) continue;
    const IsaScope capped(isa);
    for (const int width : {1, 3}) {
      Team team(width);
      const TeamScope scope(team);
      body(kernels(), width);
    }
  }
}

struct Scratch {
  Scratch(const IsaKernels& isa, const GemmShape& s, int threads) : floats(gemmScratch(isa, s, threads) / 4 + 1) {}
  std::byte* data() { return reinterpret_cast<std::byte*>(floats.data()); }
  AlignedFloats floats;
};

TEST(transposesScalesAndEpilogues) {
  onEveryIsa([](const IsaKernels& isa, int threads) {
    for (const GemmShape& s : kShapes)
      for (int variant = 0; variant < 8; ++variant) {
        const bool ta = variant & 1, tb = variant & 2, rich = variant & 4;
        const int64_t lda = (ta ? s.m : s.k) + 3, ldb = (tb ? s.k : s.n) + 2, ldc = s.n + (rich ? 5 : 0);
        const auto a = values((ta ? s.k : s.m) * lda + 1, 1), b = values((tb ? s.n : s.k) * ldb + 1, 2);
        const auto rowBias = values(s.m, 3), columnBias = values(s.n, 4), before = values(s.m * ldc, 5);
        auto c = before;
        GemmOptions o;
        if (!rich) {
          for (float& x : c) x = std::nanf("");  // beta 0 must not read it
        } else {
          o = {.alpha = 0.75f, .beta = -0.5f, .epilogue = {rowBias.data(), columnBias.data(), true, -0.25f, 1.5f}};
        }
        Scratch scratch(isa, s, threads);
        gemm(isa, s, {a.data(), lda, ta}, {b.data(), ldb, tb}, c.data(), ldc, o, threads, scratch.data());
        for (int64_t i = 0; i < s.m; ++i)
          for (int64_t j = 0; j < ldc; ++j) {
            const size_t at = static_cast<size_t>(i * ldc + j);
            if (j >= s.n) {  // between the rows of C nothing is touched
              EXPECT_EQ(c[at], before[at]);
              continue;
            }
            double sum = 0;
            for (int64_t p = 0; p < s.k; ++p)
              sum += static_cast<double>(a[static_cast<size_t>(ta ? p * lda + i : i * lda + p)]) * static_cast<double>(b[static_cast<size_t>(tb ? j * ldb + p : p * ldb + j)]);
            if (rich) {
              sum = 0.75 * sum - 0.5 * static_cast<double>(before[at]) + static_cast<double>(rowBias[static_cast<size_t>(i)]) + static_cast<double>(columnBias[static_cast<size_t>(j)]);
              sum = std::min(1.5, std::max(-0.25, sum));
            }
            EXPECT_NEAR(c[at], sum, 2e-6 * std::sqrt(static_cast<double>(s.k) + 1));
          }
      }
  });
}

TEST(sameBitsOnAnyNumberOfThreads) {
  const GemmShape s{61, 147, 600};
  const auto a = values(s.m * s.k, 1), b = values(s.k * s.n, 2);
  std::vector<std::vector<float>> results;
  for (const int width : {1, 2, 3, 4}) {
    Team team(width);
    const TeamScope scope(team);
    std::vector<float> c(static_cast<size_t>(s.m * s.n));
    Scratch scratch(kernels(), s, width);
    gemm(kernels(), s, {a.data(), s.k}, {b.data(), s.n}, c.data(), s.n, {}, width, scratch.data());
    results.push_back(c);
  }
  for (const auto& other : results) EXPECT_TRUE(other == results[0]);
}

/// Few columns: rows of A are read where they lie, unless these are a multiple of 4 KB apart; adding to C; tiles that end
/// within a vector. In panels or in place, the bits are the same.
TEST(rowsInPlaceHaveTheBitsOfPanels) {
  onEveryIsa([](const IsaKernels& isa, int threads) {
    for (const auto& [s, lda] : {std::pair{GemmShape{45, 37, 500}, int64_t{503}}, {GemmShape{45, 37, 500}, 1024}, {GemmShape{8, 384, 385}, 385}, {GemmShape{29, 5, 64}, 70}})
      for (const float beta : {0.0f, 1.0f}) {
        const auto a = values(s.m * lda, 1), b = values(s.k * s.n, 2), before = values(s.m * s.n, 3);
        const MatrixSource left{a.data(), lda}, right{b.data(), s.n};
        const PackedMatrix panels(*isa.gemm, Side::A, left, s.m, s.k);
        Scratch scratch(isa, s, threads);
        auto inPlace = before, packed = before;
        GemmOptions o{.alpha = 0.5f, .beta = beta};
        gemm(isa, s, left, right, inPlace.data(), s.n, o, threads, scratch.data());
        o.packedA = &panels;
        gemm(isa, s, left, right, packed.data(), s.n, o, threads, scratch.data());
        EXPECT_TRUE(inPlace == packed);
        for (int64_t i = 0; i < s.m; ++i)
          for (int64_t j = 0; j < s.n; ++j) {
            double sum = 0;
            for (int64_t p = 0; p < s.k; ++p) sum += static_cast<double>(a[static_cast<size_t>(i * lda + p)]) * static_cast<double>(b[static_cast<size_t>(p * s.n + j)]);
            const size_t at = static_cast<size_t>(i * s.n + j);
            EXPECT_NEAR(inPlace[at], 0.5 * sum + static_cast<double>(beta * before[at]), 2e-6 * std::sqrt(static_cast<double>(s.k)));
          }
      }
  });
}

TEST(packedFactorsAndNarrowStorage) {
  onEveryIsa([](const IsaKernels& isa, int threads) {
    for (const GemmShape& s : {GemmShape{1, 37, 300}, GemmShape{29, 61, 300}, GemmShape{9, 8, 5}})
      for (const DType storage : {DType::F32, DType::F16, DType::BF16})
        for (const bool tb : {false, true}) {
          const auto a = values(s.m * s.k, 1);
          auto b = values(s.k * s.n, 2);
          std::vector<uint16_t> narrow(b.size());
          for (size_t i = 0; i < b.size(); ++i) {
            if (storage == DType::F16) b[i] = widenF16(narrow[i] = narrowF16(b[i]));
            if (storage == DType::BF16) b[i] = widenBf16(narrow[i] = narrowBf16(b[i]));
          }
          const MatrixSource left{a.data(), s.k}, right{storage == DType::F32 ? static_cast<const void*>(b.data()) : narrow.data(), tb ? s.k : s.n, tb, storage};
          const PackedMatrix packedA(*isa.gemm, Side::A, left, s.m, s.k), packedB(*isa.gemm, Side::B, right, s.n, s.k);
          std::vector<float> expected(static_cast<size_t>(s.m * s.n));
          for (int64_t i = 0; i < s.m; ++i)
            for (int64_t j = 0; j < s.n; ++j) {
              double sum = 0;
              for (int64_t p = 0; p < s.k; ++p) sum += static_cast<double>(a[static_cast<size_t>(i * s.k + p)]) * static_cast<double>(b[static_cast<size_t>(tb ? j * s.k + p : p * s.n + j)]);
              expected[static_cast<size_t>(i * s.n + j)] = static_cast<float>(sum);
            }
          for (int packed = 0; packed < 4; ++packed) {
            GemmOptions o;
            if (packed & 1) o.packedA = &packedA;
            if (packed & 2) o.packedB = &packedB;
            std::vector<float> c(expected.size(), std::nanf(""));
            Scratch scratch(isa, s, threads);
            gemm(isa, s, left, right, c.data(), s.n, o, threads, scratch.data());
            for (size_t i = 0; i < c.size(); ++i) EXPECT_NEAR(c[i], expected[i], 4e-5);
          }
        }
  });
}

TEST(matMul) {
  struct Case {
    Shape a, b;
    int64_t ta = 0, tb = 0;
  };
  for (const Case& c : {Case{{5, 7}, {7, 9}}, Case{{7, 5}, {7, 9}, 1}, Case{{5, 7}, {9, 7}, 0, 1}, Case{{2, 3, 5, 7}, {7, 9}},
                        Case{{2, 3, 5, 7}, {2, 3, 7, 9}}, Case{{2, 1, 5, 7}, {3, 9, 7}, 0, 1}, Case{{4, 7, 5}, {4, 7, 3}, 1}, Case{{7}, {7, 9}},
                        Case{{6, 5, 7}, {7}}, Case{{7}, {7}}, Case{{3, 1, 40}, {1, 40, 70}}, Case{{1, 5, 7}, {6, 7, 4}}, Case{{0, 4}, {4, 3}}, Case{{2, 0}, {0, 3}},
                        Case{{3, 7, 5}, {7, 9}, 1}})
    EXPECT_LIKE_REFERENCE({.op = "matMul", .inputs = {floats(c.a, 1), floats(c.b, 2)}, .attributes = {{"transposeA", c.ta}, {"transposeB", c.tb}}, .frozen = {1}});
}

}  // namespace
}  // namespace ascribe::test
