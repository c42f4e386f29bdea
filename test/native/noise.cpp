#include "kernels/cpu/noise.h"

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "harness.h"
#include "isa_scope.h"

using namespace ascribe;

namespace {

std::vector<float> someInputs(int64_t count, double size) {
  const RandomStream stream(5, 1, 0);
  std::vector<float> x(static_cast<size_t>(count));
  stream.fillNormal(x.data(), 0, static_cast<uint64_t>(count), 0, size);
  return x;
}

int64_t different(const RandomStream& stream, uint64_t first, double deviation, const std::vector<float>& x, const std::vector<float>& y) {
  int64_t found = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const auto expected = static_cast<float>(static_cast<double>(x[i]) + deviation * stream.normal(first + i));
    found += std::bit_cast<uint32_t>(expected) != std::bit_cast<uint32_t>(y[i]);
  }
  return found;
}

}  // namespace

// The stream's definition is its normals in double; what kernels make of it must not differ in any bit.
TEST(noise_of_kernels_has_the_bits_of_the_stream) {
  struct Case {
    uint64_t seed, item, first;
    uint32_t sample;
    int64_t count;
    double size, deviation;
  };
  for (const cpu::Isa isa : {cpu::Isa::Baseline, cpu::Isa::Avx2, cpu::Isa::Avx512}) {
    const ascribe::test::IsaScope capped(isa);
    for (const Case& c : {Case{0, 0, 0, 0, 1 << 20, 1, 0.3}, Case{~0ull, ~0ull, (1ull << 33) - 40, 7, 100003, 1e-3, 2.5}, Case{3, 2, 1, 1, 4097, 0, 1},
                          Case{9, 1, 6, 2, 15, 1, 1e-30}, Case{9, 1, 6, 2, 3000, 1e30, 1e-5}, Case{4, 4, 4, 4, 5000, 1e-42, 1e-41}}) {
      const RandomStream stream(c.seed, c.item, c.sample);
      const std::vector<float> x = someInputs(c.count, c.size);
      std::vector<float> y(x.size());
      cpu::addNormalNoise(stream, c.first, c.deviation, x.data(), y.data(), c.count);
      EXPECT_EQ(different(stream, c.first, c.deviation, x, y), 0);
      std::vector<float> inPlace = x;
      cpu::addNormalNoise(stream, c.first, c.deviation, inPlace.data(), inPlace.data(), c.count);
      EXPECT_TRUE(inPlace == y);
    }
  }
}

// Found among 1e9 elements: the vector kernel's own rounding of each differs from that of the stream.
TEST(noise_of_elements_in_doubt_is_computed_as_the_stream_does) {
  struct Case {
    uint64_t element;
    double deviation;
    float start;
  };
  for (const Case& c : {Case{63706616, 1, 0}, Case{76715841, 1, 0}, Case{114202293, 1, 0}, Case{122661298, 1, 0}, Case{187304187, 1, 0}, Case{37988556, 1, 1}, Case{91747105, 1, 1},
                        Case{1100976, 0.3, 0}, Case{82603780, 0.3, 0}, Case{167520230, 0.3, 0}}) {
    const RandomStream stream(1, 0, 0);
    const uint64_t first = c.element / cpu::kNoiseElements * cpu::kNoiseElements;
    const std::vector<float> x(static_cast<size_t>(cpu::kNoiseElements), c.start);
    std::vector<float> y(x.size());
    cpu::addNormalNoise(stream, first, c.deviation, x.data(), y.data(), cpu::kNoiseElements);
    EXPECT_EQ(different(stream, first, c.deviation, x, y), 0);
  }
}

TEST(noise_leaves_what_is_no_number) {
  std::vector<float> x(64, std::numeric_limits<float>::infinity());
  x[5] = -x[5], x[6] = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> y(x.size());
  cpu::addNormalNoise(RandomStream(1, 2, 3), 0, 1, x.data(), y.data(), 64);
  for (size_t i = 0; i < x.size(); ++i) EXPECT_TRUE(std::isnan(x[i]) ? std::isnan(y[i]) : x[i] == y[i]);
}
