#include <cmath>
#include <cstring>
#include <vector>

#include "cpu_support.h"
#include "graph/half.h"
#include "harness.h"
#include "isa_scope.h"
#include "kernels/cpu/gemm.h"
#include "runtime/team.h"

// Products of factors rounded to bf16, against products in double of the factors so rounded: what is left is the rounding
// of sums in f32, bounded by the number of terms and the sum of their magnitudes.
namespace ascribe::test {
namespace {

using namespace ascribe::cpu;

const std::vector<GemmShape> kShapes = {{1, 1, 1}, {1, 37, 19}, {3, 130, 70}, {4, 5, 300}, {5, 1, 33}, {70, 1, 40}, {7, 15, 17}, {1, 96, 1100},
                                        {13, 33, 257}, {29, 31, 64}, {64, 64, 64}, {150, 1100, 31}, {61, 47, 1201}, {6, 16, 0}};

std::vector<float> values(int64_t count, uint64_t seed) {
  const HostTensor t = floats({count}, seed);
  return {t.as<float>(), t.as<float>() + count};
}
double rounded(float x) { return static_cast<double>(widenBf16(narrowBf16(x))); }

struct Scratch {
  Scratch(const IsaKernels& isa, const GemmShape& s, int threads) : floats(gemmScratch(isa, s, threads) / 4 + 1) {}
  std::byte* data() { return reinterpret_cast<std::byte*>(floats.data()); }
  AlignedFloats floats;
};

template <class Body>
void whereThereIsBf16(Body&& body) {
  const IsaScope capped(Isa::Avx512Bf16);
  if (bf16Kernels() == nullptr) return;
  for (const int width : {1, 3}) {
    Team team(width);
    const TeamScope scope(team);
    body(*bf16Kernels(), width);
  }
}

/// Sum and sum of magnitudes of row i of A times column j of B.
struct Exact {
  double sum = 0, magnitude = 0;
  void add(double a, double b) { sum += a * b, magnitude += std::abs(a * b); }
  double bound(int64_t k) const { return (static_cast<double>(k) + 2) * 0x1p-24 * magnitude + 1e-30; }
};

TEST(bf16ProductsAreThoseOfRoundedFactors) {
  whereThereIsBf16([](const IsaKernels& isa, int threads) {
    for (const GemmShape& s : kShapes)
      for (int variant = 0; variant < 16; ++variant) {
        const bool ta = variant & 1, tb = variant & 2;
        const int64_t lda = (ta ? s.m : s.k) + 3, ldb = (tb ? s.k : s.n) + 2;
        const auto a = values((ta ? s.k : s.m) * lda + 1, 1), b = values((tb ? s.n : s.k) * ldb + 1, 2);
        const MatrixSource left{a.data(), lda, ta}, right{b.data(), ldb, tb};
        std::vector<float> c(static_cast<size_t>(s.m * s.n), std::nanf(""));
        GemmOptions o;
        PackedMatrix packedA, packedB;
        if (variant & 4) packedA = PackedMatrix(*isa.gemm, Side::A, left, s.m, s.k), o.packedA = &packedA;
        if (variant & 8) packedB = PackedMatrix(*isa.gemm, Side::B, right, s.n, s.k), o.packedB = &packedB;
        Scratch scratch(isa, s, threads);
        gemm(isa, s, left, right, c.data(), s.n, o, threads, scratch.data());
        for (int64_t i = 0; i < s.m; ++i)
          for (int64_t j = 0; j < s.n; ++j) {
            Exact e;
            for (int64_t p = 0; p < s.k; ++p)
              e.add(rounded(a[static_cast<size_t>(ta ? p * lda + i : i * lda + p)]), rounded(b[static_cast<size_t>(tb ? j * ldb + p : p * ldb + j)]));
            EXPECT_NEAR(c[static_cast<size_t>(i * s.n + j)], e.sum, e.bound(s.k));
          }
      }
  });
}

TEST(bf16ProductsReadF16AndBf16) {
  whereThereIsBf16([](const IsaKernels& isa, int threads) {
    for (const GemmShape& s : {GemmShape{1, 37, 301}, GemmShape{3, 61, 70}, GemmShape{29, 61, 1100}, GemmShape{9, 8, 5}})
      for (const DType storage : {DType::F16, DType::BF16})
        for (const bool tb : {false, true})
          for (const bool packs : {false, true}) {
            const auto a = values(s.m * s.k, 1);
            auto b = values(s.k * s.n, 2);
            std::vector<uint16_t> narrow(b.size());
            for (size_t i = 0; i < b.size(); ++i) {
              narrow[i] = storage == DType::F16 ? narrowF16(b[i]) : narrowBf16(b[i]);
              b[i] = storage == DType::F16 ? widenF16(narrow[i]) : widenBf16(narrow[i]);
            }
            const MatrixSource right{narrow.data(), tb ? s.k : s.n, tb, storage};
            const PackedMatrix packed(*isa.gemm, Side::B, right, s.n, s.k);
            GemmOptions o;
            if (packs) o.packedB = &packed;
            std::vector<float> c(static_cast<size_t>(s.m * s.n), std::nanf(""));
            Scratch scratch(isa, s, threads);
            gemm(isa, s, {a.data(), s.k}, right, c.data(), s.n, o, threads, scratch.data());
            for (int64_t i = 0; i < s.m; ++i)
              for (int64_t j = 0; j < s.n; ++j) {
                Exact e;
                for (int64_t p = 0; p < s.k; ++p) e.add(rounded(a[static_cast<size_t>(i * s.k + p)]), rounded(b[static_cast<size_t>(tb ? j * s.k + p : p * s.n + j)]));
                EXPECT_NEAR(c[static_cast<size_t>(i * s.n + j)], e.sum, e.bound(s.k));
              }
          }
  });
}

/// Of packed weights a row's numbers are the same bits whatever rows stand beside it, on any number of threads.
TEST(bf16ProductsOfARowDoNotDependOnOthers) {
  const IsaScope capped(Isa::Avx512Bf16);
  if (bf16Kernels() == nullptr) return;
  const IsaKernels& isa = *bf16Kernels();
  const GemmShape whole{61, 147, 1203};
  const auto a = values(whole.m * whole.k, 1), b = values(whole.k * whole.n, 2);
  const PackedMatrix packed(*isa.gemm, Side::B, {b.data(), whole.n}, whole.n, whole.k);
  GemmOptions o;
  o.packedB = &packed;
  std::vector<float> first;
  for (const int width : {1, 2, 4}) {
    Team team(width);
    const TeamScope scope(team);
    for (const int64_t rows : {whole.m, int64_t{1}, int64_t{3}, int64_t{20}}) {
      const GemmShape s{rows, whole.n, whole.k};
      std::vector<float> c(static_cast<size_t>(s.m * s.n));
      Scratch scratch(isa, s, width);
      gemm(isa, s, {a.data(), s.k}, {b.data(), s.n}, c.data(), s.n, o, width, scratch.data());
      if (first.empty()) first = c;
      EXPECT_TRUE(std::memcmp(c.data(), first.data(), c.size() * sizeof(float)) == 0);
    }
  }
}

TEST(bf16ProductsLetNaNThrough) {
  whereThereIsBf16([](const IsaKernels& isa, int threads) {
    for (const int64_t m : {1, 20}) {
      const GemmShape s{m, 40, 33};
      auto a = values(s.m * s.k, 1);
      const auto b = values(s.k * s.n, 2);
      a[static_cast<size_t>((m - 1) * s.k + 32)] = std::nanf("");
      std::vector<float> c(static_cast<size_t>(s.m * s.n));
      Scratch scratch(isa, s, threads);
      gemm(isa, s, {a.data(), s.k}, {b.data(), s.n}, c.data(), s.n, {}, threads, scratch.data());
      for (int64_t i = 0; i < s.m; ++i)
        for (int64_t j = 0; j < s.n; ++j) EXPECT_EQ(std::isnan(c[static_cast<size_t>(i * s.n + j)]), i == m - 1);
    }
  });
}

}  // namespace
}  // namespace ascribe::test
