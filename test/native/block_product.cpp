#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "cpu_support.h"
#include "graph/builder.h"
#include "graph/convert.h"
#include "graph/half.h"
#include "guarded_run.h"
#include "harness.h"
#include "isa_scope.h"
#include "kernels/cpu/block_kernels.h"
#include "runtime/team.h"

// Products of rows rounded to 8 bits with weights in blocks, against plain loops that take the stored blocks apart element by
// element: the same bits, on every instruction set and number of threads.
namespace ascribe::test {
namespace {

using namespace ascribe::cpu;

constexpr DType kBlocked[] = {DType::Q8_0, DType::Q4_K, DType::Q6_K};

/// Random bytes with scales that are numbers.
HostTensor blocks(DType type, int64_t columns, int64_t depth, uint64_t seed) {
  HostTensor out(type, {columns, depth});
  auto* bytes = static_cast<uint8_t*>(out.mutableData());
  const HostTensor noise = floats({static_cast<int64_t>(out.bytes())}, seed, 0, 255.99);
  for (size_t i = 0; i < out.bytes(); ++i) bytes[i] = static_cast<uint8_t>(noise.as<float>()[i]);
  const StoredBlock block = blockOf(type);
  const int64_t count = columns * depth / block.elements;
  const HostTensor scales = floats({2 * count}, seed + 1, -0.01, 0.01);
  for (int64_t i = 0; i < count; ++i)
    for (int which = 0; which < (type == DType::Q4_K ? 2 : 1); ++which) {
      const uint16_t half = narrowF16(scales.as<float>()[2 * i + which]);
      std::memcpy(bytes + static_cast<size_t>(i) * block.bytes + (type == DType::Q6_K ? 208 : 2 * static_cast<size_t>(which)), &half, 2);
    }
  return out;
}

float halfAt(const uint8_t* at) {
  uint16_t half;
  std::memcpy(&half, at, 2);
  return widenF16(half);
}

/// Element i of a stored block of Q4_K or Q6_K, and the scale and offset of its part.
struct Element {
  int integer, own, less;
};
Element ofQ4_K(const uint8_t* block, int64_t i) {
  const int64_t part = i / 32;
  const uint8_t *packed = block + 4, nibbles = block[16 + part / 2 * 32 + i % 32];
  Element e{part % 2 ? nibbles >> 4 : nibbles & 15, 0, 0};
  if (part < 4) e.own = packed[part] & 63, e.less = packed[part + 4] & 63;
  else e.own = (packed[part + 4] & 15) | (packed[part - 4] >> 6 << 4), e.less = (packed[part + 4] >> 4) | (packed[part] >> 6 << 4);
  return e;
}
Element ofQ6_K(const uint8_t* block, int64_t i) {
  const int64_t half = i / 128, inside = i % 128, quarter = inside / 32, place = inside % 32;
  const int low = block[half * 64 + quarter % 2 * 32 + place] >> (quarter / 2 * 4) & 15, high = block[128 + half * 32 + place] >> (2 * quarter) & 3;
  return {(low | high << 4) - 32, static_cast<int8_t>(block[192 + i / 16]), 0};
}

/// What the docs of BlockKernels say, one element of the product.
float product(DType type, const uint8_t* weights, const float* x, int64_t depth) {
  float c = 0;
  for (int64_t b = 0; b < depth / 32; ++b, x += 32) {
    float most = 0;
    bool isFinite = true;
    for (int i = 0; i < 32; ++i) most = std::max(most, std::fabs(x[i])), isFinite = isFinite && std::isfinite(x[i]);
    const bool isZero = most < 0x1p-118f;
    const float inverse = 127 / most;
    const float scale = !isFinite ? std::nanf("") : isZero ? 0 : most / 127;
    int rounded[32], sum = 0, dot = 0;
    for (int i = 0; i < 32; ++i) rounded[i] = !isFinite || isZero ? 0 : static_cast<int>(std::nearbyint(x[i] * inverse)), sum += rounded[i];
    float value;
    if (type == DType::Q8_0) {
      const uint8_t* block = weights + 34 * b;
      for (int i = 0; i < 32; ++i) dot += static_cast<int8_t>(block[2 + i]) * rounded[i];
      value = static_cast<float>(dot) * halfAt(block);
    } else if (type == DType::Q4_K) {
      const uint8_t* block = weights + 144 * (b / 8);
      Element e{};
      for (int i = 0; i < 32; ++i) e = ofQ4_K(block, b % 8 * 32 + i), dot += e.integer * rounded[i];
      value = static_cast<float>(dot) * (halfAt(block) * static_cast<float>(e.own)) - halfAt(block + 2) * static_cast<float>(e.less) * static_cast<float>(sum);
    } else {
      const uint8_t* block = weights + 210 * (b / 8);
      for (int i = 0; i < 32; ++i) {
        const Element e = ofQ6_K(block, b % 8 * 32 + i);
        dot += e.own * e.integer * rounded[i];
      }
      value = static_cast<float>(dot) * halfAt(block + 208);
    }
    c += value * scale;
  }
  return c;
}

std::vector<float> products(const HostTensor& x, const HostTensor& weights) {
  const int64_t columns = weights.shape()[0], depth = weights.shape()[1], rows = x.shape().count() / depth;
  std::vector<float> out;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      out.push_back(product(weights.dtype(), weights.as<uint8_t>() + static_cast<size_t>(j) * bytesOf(weights.dtype(), depth), x.as<float>() + i * depth, depth));
  return out;
}

/// The kernel's own numbers on each instruction set, on one and on three threads.
template <class Body>
void onEach(const HostTensor& x, const HostTensor& weights, Body&& body) {
  constexpr std::string_view backends[] = {"cpu"};
  for (const Isa isa : {Isa::Baseline, Isa::Neon, Isa::Avx2, Isa::Avx512, Isa::Avx512Bf16}) {
    if (isa != Isa::Avx512Bf16 && !isaAvailable(isa)) continue;
    const IsaScope capped(isa);
    Graph graph;
    const std::vector<ValueId> ids = {graph.addInput("x", DType::F32, x.shape()), graph.addInput("w", weights.dtype(), weights.shape())};
    Builder(graph).nodes("storedMatMul", ids, 1, {{"transposeB", int64_t{1}}});
    Node& node = graph.nodes.back();
    node.attributes.set("activations", std::string("int8"));
    const std::vector<ValueType> inputs{graph.type(ids[0]), graph.type(ids[1])}, outputs{graph.type(node.outputs[0])};
    const std::vector<const HostTensor*> constants{nullptr, &weights};
    const std::unique_ptr<Kernel> kernel = makeKernel({node, inputs, outputs, constants}, backends);
    EXPECT_EQ(std::string(kernel->name()), std::string("cpu-matmul-int8"));
    for (const int width : {1, 3}) {
      Team team(width);
      const TeamScope scope(team);
      const GuardedRun run = guardedRun(*kernel, graph, node, {x, weights}, {false, true});
      EXPECT_TRUE(run.intact);
      body(run.outputs[0].as<float>());
    }
  }
}

void expectBits(const HostTensor& x, const HostTensor& weights) {
  const std::vector<float> expected = products(x, weights);
  onEach(x, weights, [&](const float* actual) {
    for (size_t i = 0; i < expected.size(); ++i)
      if (std::isnan(expected[i])) EXPECT_TRUE(std::isnan(actual[i]));
      else EXPECT_EQ(std::bit_cast<uint32_t>(actual[i]), std::bit_cast<uint32_t>(expected[i]));
  });
}

TEST(blockProductsAreThoseOfPlainLoops) {
  for (const DType type : kBlocked)
    for (const int64_t rows : {1, 2, 3, 5, 8, 12, 13, 31})
      for (const int64_t columns : {1, 16, 37}) {
        const int64_t depth = type == DType::Q8_0 ? 96 : 512;
        expectBits(floats({rows, depth}, 3, -2, 3), blocks(type, columns, depth, 5));
      }
}

TEST(blockProductsOfManyRowsPassTheCacheInPieces) {
  for (const DType type : kBlocked) expectBits(floats({2, 301, 1024}, 7), blocks(type, 19, 1024, 9));
}

/// Where bytes are multiplied in pairs, the largest sums are those of equal signs.
TEST(blockProductsHoldTheLargestIntegers) {
  for (const DType type : kBlocked)
    for (const float sign : {-1.0f, 1.0f}) {
      HostTensor weights = blocks(type, 3, 256, 11);
      const StoredBlock block = blockOf(type);
      for (size_t i = 0; i < weights.bytes(); ++i) {
        const size_t inside = i % block.bytes;
        const bool isScale = type == DType::Q8_0 ? inside < 2 : type == DType::Q4_K ? inside < 4 : inside >= 208;
        if (!isScale) static_cast<uint8_t*>(weights.mutableData())[i] = type == DType::Q8_0 ? 0x80 : type == DType::Q6_K && inside >= 192 ? 0x80 : 0xff;
      }
      expectBits(floatsOf({1, 256}, std::vector<float>(256, sign)), weights);
    }
}

TEST(blockProductsRoundTiesToEvenAndTinyNumbersToZero) {
  std::vector<float> x(8 * 256, 0);
  for (int i = 0; i < 256; ++i) {
    x[static_cast<size_t>(i)] = i % 32 == 0 ? 127 : static_cast<float>(i % 32) - 15.5f;  // ties
    x[static_cast<size_t>(256 + i)] = static_cast<float>(i % 7) * 0x1p-140f;             // below the normal range
    x[static_cast<size_t>(512 + i)] = (i % 2 ? -1 : 1) * 3.4e38f;                        // the largest
    x[static_cast<size_t>(768 + i)] = i % 32 == 5 ? 0x1p-118f : 0x1p-119f;
    x[static_cast<size_t>(1024 + i)] = -0.0f;
    x[static_cast<size_t>(1536 + i)] = i % 32 == 9 ? 0x1.8p-119f : 0;  // just too small
    x[static_cast<size_t>(1280 + i)] = static_cast<float>(i) * 1e-30f;
  }
  for (const DType type : kBlocked) expectBits(floatsOf({8, 256}, x), blocks(type, 17, 256, 13));
}

/// A row with a number that is none gives none, and its neighbours theirs.
TEST(blockProductsLetNaNThrough) {
  for (const DType type : kBlocked)
    for (const float bad : {std::nanf(""), -INFINITY})
      for (const int64_t rows : {1, 14}) {
        HostTensor x = floats({rows, 256}, 15);
        static_cast<float*>(x.mutableData())[(rows - 1) * 256 + 77] = bad;
        const HostTensor weights = blocks(type, 5, 256, 17);
        expectBits(x, weights);
        onEach(x, weights, [&](const float* actual) {
          for (int64_t i = 0; i < rows * 5; ++i) EXPECT_EQ(std::isnan(actual[i]), i / 5 == rows - 1);
        });
      }
}

/// What rounding a row costs is half a step of each element at most.
TEST(blockProductsAreNearThoseOfF32) {
  for (const DType type : kBlocked) {
    const HostTensor x = floats({7, 512}, 19), weights = blocks(type, 33, 512, 21), wide = convert(weights, DType::F32);
    onEach(x, weights, [&](const float* actual) {
      for (int64_t i = 0; i < 7; ++i)
        for (int64_t j = 0; j < 33; ++j) {
          double exact = 0, bound = 1e-6;
          for (int64_t p = 0; p < 512; ++p) {
            const double w = static_cast<double>(wide.as<float>()[j * 512 + p]);
            exact += w * static_cast<double>(x.as<float>()[i * 512 + p]);
            bound += std::fabs(w) * 0.5001 / 127;  // no element is above 1
          }
          EXPECT_NEAR(actual[i * 33 + j], exact, bound);
        }
    });
  }
}

}  // namespace
}  // namespace ascribe::test
