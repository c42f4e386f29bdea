#include <bit>
#include <vector>

#include "cpu_support.h"
#include "graph/convert.h"
#include "graph/half.h"
#include "harness.h"
#include "isa_scope.h"
#include "kernels/cpu/gemm.h"
#include "runtime/team.h"

namespace ascribe::test {
namespace {

using namespace ascribe::cpu;

constexpr DType kStored[] = {DType::F16, DType::BF16, DType::Q8_0, DType::Q4_K, DType::Q6_K};

/// Random bytes of a storage type, with scales that are numbers.
HostTensor stored(DType type, const Shape& shape, uint64_t seed) {
  if (!isBlocked(type)) return convert(floats(shape, seed), type);
  HostTensor out(type, shape);
  auto* bytes = static_cast<uint8_t*>(out.mutableData());
  const HostTensor noise = floats({static_cast<int64_t>(out.bytes())}, seed, 0, 255.99);
  for (size_t i = 0; i < out.bytes(); ++i) bytes[i] = static_cast<uint8_t>(noise.as<float>()[i]);
  const StoredBlock block = blockOf(type);
  const HostTensor scales = floats({2 * shape.count() / block.elements}, seed + 1, -0.01, 0.01);
  for (int64_t i = 0; i < shape.count() / block.elements; ++i) {
    uint8_t* at = bytes + static_cast<size_t>(i) * block.bytes;
    const auto put = [&](size_t offset, int64_t which) {
      const uint16_t half = narrowF16(scales.as<float>()[2 * i + which]);
      at[offset] = static_cast<uint8_t>(half), at[offset + 1] = static_cast<uint8_t>(half >> 8);
    };
    put(type == DType::Q6_K ? 208 : 0, 0);
    if (type == DType::Q4_K) put(2, 1);
  }
  return out;
}

TEST(productsReadWeightsInTheirStorageType) {
  for (const DType type : kStored)
    for (const int64_t transposed : {0, 1})
      for (const int64_t rows : {1, 3, 37}) {
        const int64_t inner = transposed ? 768 : 70, outer = transposed ? 70 : 768;
        const Shape weights = transposed ? Shape{outer, inner} : Shape{inner, outer};
        EXPECT_LIKE_REFERENCE({"storedMatMul", {floats({rows, inner}, 1), stored(type, weights, 2)}, {{"transposeB", transposed}}, 1, 2e-6, {1}});
      }
}

TEST(rowsOfATableAreReadInTheirStorageType) {
  for (const DType type : kStored) {
    HostTensor ids(DType::I64, {2, 3});
    const int64_t places[] = {0, 6, -1, 3, 3, 1};
    std::copy_n(places, 6, static_cast<int64_t*>(ids.mutableData()));
    EXPECT_LIKE_REFERENCE({"storedGather", {stored(type, {7, 512}, 3), ids}, {}, 1, 0});
  }
}

TEST(storedWeightsGiveTheBitsOfWidenedOnes) {
  for (const Isa isa : {Isa::Baseline, Isa::Neon, Isa::Avx2, Isa::Avx512}) {
    if (!isaAvailable(isa)) continue;
    const IsaScope capped(isa);
    Team team(2);
    const TeamScope scope(team);
    for (const DType type : kStored)
      for (const bool transposed : {false, true})
        for (const int64_t m : {1, 4, 5, 150}) {
          // A few rows of blocks that lie across the depth are summed as many rows are.
          if (isBlocked(type) && !transposed && m <= 4) continue;
          const GemmShape s{m, transposed ? 1100 : 1280, transposed ? 512 : 300};
          const int64_t stride = transposed ? s.k : s.n;
          const HostTensor b = stored(type, transposed ? Shape{s.n, s.k} : Shape{s.k, s.n}, 5), wide = convert(b, DType::F32), a = floats({m, s.k}, 6);
          std::vector<float> results[2];
          for (const HostTensor* weights : {&b, &wide}) {
            std::vector<float>& c = results[weights == &wide];
            c.resize(static_cast<size_t>(m * s.n));
            const AlignedFloats scratch(gemmScratch(kernels(), s, 2) / 4 + 1);
            gemm(kernels(), s, {a.data(), s.k, false}, {weights->data(), stride, transposed, weights->dtype()}, c.data(), s.n, {}, 2,
                 reinterpret_cast<std::byte*>(scratch.data()));
          }
          for (size_t i = 0; i < results[0].size(); ++i) EXPECT_EQ(std::bit_cast<uint32_t>(results[0][i]), std::bit_cast<uint32_t>(results[1][i]));
        }
  }
}

TEST(packedWeightsAreShared) {
  const HostTensor weights = floats({300, 70}, 7);
  const MatrixSource source{weights.data(), 70, false};
  const auto first = packedOnce(*kernels().gemm, Side::B, source, 70, 300, weights.identity());
  EXPECT_EQ(first.get(), packedOnce(*kernels().gemm, Side::B, source, 70, 300, weights.identity()).get());
  // The same address with another owner holds something else.
  const auto other = packedOnce(*kernels().gemm, Side::B, source, 70, 300, HostTensor::Identity{weights.data(), std::make_shared<int>(0)});
  EXPECT_TRUE(first != other);
}

}  // namespace
}  // namespace ascribe::test
