#include "runtime/onednn_library.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <numeric>
#include <set>
#include <thread>
#include <vector>

#include "harness.h"
#include "runtime/random.h"

using namespace ascribe;

namespace {

using Dims = std::vector<int64_t>;
using Values = std::vector<float>;

const AscribeOnednnTable& table() {
  const AscribeOnednnTable* found = onednn();
  if (found == nullptr)
    SKIP("no oneDNN backend: " + (onednnReport().tried.empty() ? "" : onednnReport().tried[0]));
  return *found;
}

int64_t countOf(const Dims& d) {
  return std::accumulate(d.begin(), d.end(), int64_t{1}, std::multiplies<>());
}

AscribeTensor tensor(const Dims& dims, int format = ASCRIBE_FORMAT_STRIDED) {
  AscribeTensor t{};
  t.rank = static_cast<int32_t>(dims.size());
  t.format = format;
  int64_t stride = 1;
  for (int i = t.rank - 1; i >= 0; --i) {
    t.dims[i] = dims[i];
    t.strides[i] = stride;
    stride *= dims[i];
  }
  return t;
}

Values random(const Dims& dims, int stream) {
  Values v(countOf(dims));
  RandomStream(1, stream, 0).fillNormal(v.data(), 0, v.size(), 0, 1);
  return v;
}

struct ConvCase {
  int64_t n, c, h, w, m, kh, kw, stride, dilation, pad, groups;
};
const ConvCase convCases[] = {
    {2, 3, 15, 13, 8, 3, 3, 2, 1, 1, 1},  {1, 16, 9, 9, 24, 1, 1, 1, 1, 0, 1},
    {2, 8, 10, 11, 16, 3, 3, 1, 2, 2, 1}, {1, 16, 12, 12, 16, 3, 3, 1, 1, 1, 16},
    {2, 16, 7, 7, 32, 3, 3, 1, 1, 1, 2},  {1, 5, 8, 9, 7, 5, 3, 1, 1, 2, 1},
};
int64_t outSize(int64_t in, int64_t k, const ConvCase& q) {
  return (in + 2 * q.pad - (k - 1) * q.dilation - 1) / q.stride + 1;
}

/// Calls f(index of x, index of w, index of y) for every multiplication of the convolution.
template <class F>
void forEachProduct(const ConvCase& q, F f) {
  const int64_t oh = outSize(q.h, q.kh, q), ow = outSize(q.w, q.kw, q), cg = q.c / q.groups,
                mg = q.m / q.groups;
  for (int64_t n = 0; n < q.n; ++n)
    for (int64_t m = 0; m < q.m; ++m)
      for (int64_t y = 0; y < oh; ++y)
        for (int64_t x = 0; x < ow; ++x)
          for (int64_t c = 0; c < cg; ++c)
            for (int64_t i = 0; i < q.kh; ++i)
              for (int64_t j = 0; j < q.kw; ++j) {
                const int64_t sy = y * q.stride + i * q.dilation - q.pad,
                              sx = x * q.stride + j * q.dilation - q.pad;
                if (sy < 0 || sx < 0 || sy >= q.h || sx >= q.w) continue;
                f(((n * q.c + m / mg * cg + c) * q.h + sy) * q.w + sx, ((m * cg + c) * q.kh + i) * q.kw + j,
                  ((n * q.m + m) * oh + y) * ow + x);
              }
}

struct ConvProblem {
  explicit ConvProblem(const ConvCase& q) : q(q) {
    xDims = {q.n, q.c, q.h, q.w};
    wDims = {q.m, q.c / q.groups, q.kh, q.kw};
    yDims = {q.n, q.m, outSize(q.h, q.kh, q), outSize(q.w, q.kw, q)};
    operation.groups = static_cast<int32_t>(q.groups);
    for (int i = 0; i < 2; ++i) {
      operation.strides[i] = q.stride;
      operation.dilations[i] = q.dilation;
      operation.pad_begin[i] = operation.pad_end[i] = q.pad;
    }
  }
  ConvCase q;
  Dims xDims, wDims, yDims;
  AscribeOperation operation{};
};

struct Primitive {
  explicit Primitive(const AscribeOperation& operation) {
    char message[256] = "";
    status = table().create(&operation, nullptr, 2, &primitive, message, sizeof message);
    if (status == ASCRIBE_FAILED) throw std::runtime_error(message);
  }
  ~Primitive() {
    if (primitive != nullptr) table().destroy(primitive);
  }
  size_t floats(int operand) const { return table().bytes(primitive, operand) / sizeof(float); }

  /// Packs the given plain operands, executes, unpacks the result. `result` also gives the initial content.
  Values run(std::vector<std::pair<int, Values>> operands, Values result, Values* workspace = nullptr) const {
    void* buffers[ASCRIBE_OPERAND_COUNT] = {};
    std::vector<Values> keep;
    keep.reserve(operands.size());
    for (auto& [operand, plain] : operands) {
      if (operand == ASCRIBE_RESIDUAL || operand == ASCRIBE_BIAS) {
        buffers[operand] = plain.data();
        continue;
      }
      keep.emplace_back(floats(operand));
      REQUIRE(table().pack(primitive, operand, plain.data(), keep.back().data(), 2) == ASCRIBE_OK);
      buffers[operand] = keep.back().data();
    }
    Values packed(floats(ASCRIBE_RESULT));
    REQUIRE(table().pack(primitive, ASCRIBE_RESULT, result.data(), packed.data(), 2) == ASCRIBE_OK);
    buffers[ASCRIBE_RESULT] = packed.data();
    const size_t scratchBytes = table().bytes(primitive, ASCRIBE_SCRATCH);
    void* scratch = std::aligned_alloc(64, (scratchBytes / 64 + 1) * 64);
    buffers[ASCRIBE_SCRATCH] = scratch;
    if (workspace != nullptr) {
      workspace->resize(table().bytes(primitive, ASCRIBE_WORKSPACE) / 4 + 1);
      buffers[ASCRIBE_WORKSPACE] = workspace->data();
    }
    const int executed = table().execute(primitive, buffers, 2);
    std::free(scratch);
    REQUIRE(executed == ASCRIBE_OK);
    REQUIRE(table().unpack(primitive, ASCRIBE_RESULT, packed.data(), result.data(), 2) == ASCRIBE_OK);
    return result;
  }
  AscribePrimitive* primitive = nullptr;
  int status = 0;
};

double relativeError(const Values& a, const std::vector<double>& b) {
  double worst = 0, scale = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    worst = std::max(worst, std::fabs(a[i] - b[i]));
    scale = std::max(scale, std::fabs(b[i]));
  }
  return a.size() == b.size() ? worst / scale : 1e9;
}

const int channelFormats[] = {ASCRIBE_FORMAT_STRIDED, ASCRIBE_FORMAT_ANY, ASCRIBE_FORMAT_BLOCKED8,
                              ASCRIBE_FORMAT_CHANNELS_LAST};

}  // namespace

TEST(convolutions_in_every_layout_with_bias_and_relu) {
  table();
  int made = 0;
  for (const ConvCase& q : convCases) {
    for (const int format : channelFormats) {
      ConvProblem p(q);
      p.operation.kind = ASCRIBE_CONVOLUTION;
      p.operation.first = tensor(p.xDims, q.c == 3 ? ASCRIBE_FORMAT_STRIDED : format);
      p.operation.second = tensor(p.wDims, ASCRIBE_FORMAT_ANY);
      p.operation.bias = tensor({q.m});
      p.operation.result = tensor(p.yDims, format);
      p.operation.post_op_count = 1;
      p.operation.post_ops[0] = {ASCRIBE_POST_RELU, 0, 0};
      const Primitive primitive(p.operation);
      if (primitive.status == ASCRIBE_UNSUPPORTED) continue;
      ++made;
      const Values x = random(p.xDims, 1), w = random(p.wDims, 2), bias = random({q.m}, 3);
      std::vector<double> expected(countOf(p.yDims));
      const int64_t plane = p.yDims[2] * p.yDims[3];
      for (size_t i = 0; i < expected.size(); ++i) expected[i] = bias[i / plane % q.m];
      forEachProduct(q, [&](int64_t a, int64_t b, int64_t y) { expected[y] += double{x[a]} * w[b]; });
      for (double& v : expected) v = std::max(v, 0.0);
      const Values got = primitive.run({{ASCRIBE_FIRST, x}, {ASCRIBE_SECOND, w}, {ASCRIBE_BIAS, bias}},
                                       Values(expected.size()));
      EXPECT_NEAR(relativeError(got, expected), 0, 2e-6);
    }
  }
  EXPECT_TRUE(made >= 16);
}

TEST(post_operations_clip_sum_and_add) {
  table();
  const ConvCase q{1, 8, 9, 9, 16, 3, 3, 1, 1, 1, 1};
  for (const int kind : {ASCRIBE_POST_CLIP, ASCRIBE_POST_SUM, ASCRIBE_POST_ADD}) {
    ConvProblem p(q);
    p.operation.kind = ASCRIBE_CONVOLUTION;
    p.operation.first = tensor(p.xDims, ASCRIBE_FORMAT_BLOCKED8);
    p.operation.second = tensor(p.wDims, ASCRIBE_FORMAT_ANY);
    p.operation.result = tensor(p.yDims, ASCRIBE_FORMAT_BLOCKED8);
    if (kind == ASCRIBE_POST_ADD) p.operation.residual = p.operation.result;
    p.operation.post_op_count = 1;
    p.operation.post_ops[0] = {kind, -1.5f, 2.0f};
    const Primitive primitive(p.operation);
    if (primitive.status == ASCRIBE_UNSUPPORTED) continue;
    const Values x = random(p.xDims, 1), w = random(p.wDims, 2), other = random(p.yDims, 3);
    std::vector<double> expected(countOf(p.yDims));
    forEachProduct(q, [&](int64_t a, int64_t b, int64_t y) { expected[y] += double{x[a]} * w[b]; });
    for (size_t i = 0; i < expected.size(); ++i) {
      expected[i] = kind == ASCRIBE_POST_CLIP ? std::clamp(expected[i], -1.5, 2.0) : expected[i] + other[i];
    }
    // The residual in the result's layout: pack it as the result.
    Values packed(primitive.floats(ASCRIBE_RESULT));
    table().pack(primitive.primitive, ASCRIBE_RESULT, other.data(), packed.data(), 2);
    std::vector<std::pair<int, Values>> operands{{ASCRIBE_FIRST, x}, {ASCRIBE_SECOND, w}};
    if (kind == ASCRIBE_POST_ADD) operands.push_back({ASCRIBE_RESIDUAL, packed});
    EXPECT_NEAR(relativeError(primitive.run(operands, other), expected), 0, 2e-6);
  }
}

TEST(convolution_gradients) {
  table();
  int made = 0;
  for (const ConvCase& q : convCases) {
    for (const int format : channelFormats) {
      ConvProblem p(q);
      const Values x = random(p.xDims, 1), w = random(p.wDims, 2), dy = random(p.yDims, 3);
      const int narrow = q.c == 3 ? ASCRIBE_FORMAT_STRIDED : format;
      p.operation.kind = ASCRIBE_CONVOLUTION_DATA;
      p.operation.first = tensor(p.yDims, format);
      p.operation.second = tensor(p.wDims, ASCRIBE_FORMAT_ANY);
      p.operation.result = tensor(p.xDims, narrow);
      if (const Primitive data(p.operation); data.status == ASCRIBE_OK) {
        ++made;
        std::vector<double> expected(x.size());
        forEachProduct(q, [&](int64_t a, int64_t b, int64_t y) { expected[a] += double{dy[y]} * w[b]; });
        const Values got = data.run({{ASCRIBE_FIRST, dy}, {ASCRIBE_SECOND, w}}, Values(x.size()));
        EXPECT_NEAR(relativeError(got, expected), 0, 2e-6);
      }
      p.operation.kind = ASCRIBE_CONVOLUTION_WEIGHTS;
      p.operation.first = tensor(p.xDims, narrow);
      p.operation.second = tensor(p.yDims, format);
      p.operation.result = tensor(p.wDims, ASCRIBE_FORMAT_ANY);
      if (const Primitive weights(p.operation); weights.status == ASCRIBE_OK) {
        ++made;
        std::vector<double> expected(w.size());
        forEachProduct(q, [&](int64_t a, int64_t b, int64_t y) { expected[b] += double{dy[y]} * x[a]; });
        const Values got = weights.run({{ASCRIBE_FIRST, x}, {ASCRIBE_SECOND, dy}}, Values(w.size()));
        EXPECT_NEAR(relativeError(got, expected), 0, 2e-6);
      }
    }
  }
  EXPECT_TRUE(made >= 30);
}

TEST(matrix_products_by_strides_with_bias) {
  table();
  const int64_t batch = 3, m = 17, k = 33, n = 21;
  const Values a = random({batch, m, k}, 1), b = random({batch, k, n}, 2), bias = random({n}, 3);
  for (int transposed = 0; transposed < 4; ++transposed) {
    AscribeOperation operation{};
    operation.kind = ASCRIBE_MATMUL;
    operation.first = tensor({batch, m, k});
    operation.second = tensor({batch, k, n});
    operation.bias = tensor({1, 1, n});
    operation.result = tensor({batch, m, n});
    Values storedA = a, storedB = b;
    if (transposed & 1) {
      operation.first.strides[1] = 1;
      operation.first.strides[2] = m;
      for (int64_t s = 0; s < batch; ++s)
        for (int64_t i = 0; i < m; ++i)
          for (int64_t j = 0; j < k; ++j) storedA[(s * k + j) * m + i] = a[(s * m + i) * k + j];
    }
    if (transposed & 2) {
      operation.second.strides[1] = 1;
      operation.second.strides[2] = k;
      for (int64_t s = 0; s < batch; ++s)
        for (int64_t i = 0; i < k; ++i)
          for (int64_t j = 0; j < n; ++j) storedB[(s * n + j) * k + i] = b[(s * k + i) * n + j];
    }
    const Primitive primitive(operation);
    REQUIRE(primitive.status == ASCRIBE_OK);
    std::vector<double> expected(batch * m * n);
    for (int64_t s = 0; s < batch; ++s)
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
          double& e = expected[(s * m + i) * n + j];
          e = bias[j];
          for (int64_t l = 0; l < k; ++l) e += double{a[(s * m + i) * k + l]} * b[(s * k + l) * n + j];
        }
    Values got(expected.size());
    Values scratch(table().bytes(primitive.primitive, ASCRIBE_SCRATCH) / 4 + 32);
    void* buffers[ASCRIBE_OPERAND_COUNT] = {};
    buffers[ASCRIBE_FIRST] = storedA.data();
    buffers[ASCRIBE_SECOND] = storedB.data();
    buffers[ASCRIBE_BIAS] = const_cast<float*>(bias.data());
    buffers[ASCRIBE_RESULT] = got.data();
    buffers[ASCRIBE_SCRATCH] =
        reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(scratch.data()) + 63) / 64 * 64);
    EXPECT_EQ(table().execute(primitive.primitive, buffers, 2), static_cast<int>(ASCRIBE_OK));
    EXPECT_NEAR(relativeError(got, expected), 0, 2e-6);
  }
}

TEST(poolings_and_their_gradients) {
  table();
  const Dims xDims{2, 16, 11, 10}, yDims{2, 16, 6, 5};
  const Values x = random(xDims, 1), dy = random(yDims, 2);
  auto windowOf = [](int64_t o, int64_t size) {
    return std::pair{std::max<int64_t>(o * 2 - 1, 0), std::min<int64_t>(o * 2 + 2, size)};
  };
  for (const bool average : {false, true}) {
    for (const int format : {ASCRIBE_FORMAT_BLOCKED8, ASCRIBE_FORMAT_CHANNELS_LAST}) {
      AscribeOperation o{};
      o.kind = average ? ASCRIBE_AVERAGE_POOL : ASCRIBE_MAX_POOL;
      o.first = tensor(xDims, format);
      o.result = tensor(yDims, format);
      o.training = 1;
      for (int i = 0; i < 2; ++i) {
        o.kernel[i] = 3;
        o.strides[i] = 2;
        o.dilations[i] = 1;
        o.pad_begin[i] = o.pad_end[i] = 1;
      }
      std::vector<double> y(countOf(yDims)), dx(countOf(xDims));
      for (int64_t plane = 0; plane < 32; ++plane)
        for (int64_t i = 0; i < 6; ++i)
          for (int64_t j = 0; j < 5; ++j) {
            const auto [top, bottom] = windowOf(i, 11);
            const auto [left, right] = windowOf(j, 10);
            const int64_t out = plane * 30 + i * 5 + j;
            const double count = static_cast<double>((bottom - top) * (right - left));
            int64_t best = plane * 110 + top * 10 + left;
            for (int64_t r = top; r < bottom; ++r)
              for (int64_t c = left; c < right; ++c) {
                const int64_t at = plane * 110 + r * 10 + c;
                if (x[at] > x[best]) best = at;
                if (average) y[out] += x[at] / count, dx[at] += dy[out] / count;
              }
            if (!average) y[out] = x[best], dx[best] += dy[out];
          }
      Values workspace;
      const Primitive forward(o);
      REQUIRE(forward.status == ASCRIBE_OK);
      EXPECT_NEAR(relativeError(forward.run({{ASCRIBE_FIRST, x}}, Values(y.size()), &workspace), y), 0, 1e-6);
      o.kind = average ? ASCRIBE_AVERAGE_POOL_GRADIENT : ASCRIBE_MAX_POOL_GRADIENT;
      std::swap(o.first, o.result);
      const Primitive backward(o);
      REQUIRE(backward.status == ASCRIBE_OK);
      EXPECT_NEAR(relativeError(backward.run({{ASCRIBE_FIRST, dy}}, Values(dx.size()), &workspace), dx), 0,
                  1e-6);
    }
  }
}

TEST(reorders_between_layouts_and_back) {
  table();
  const Dims dims{2, 13, 5, 4};
  const Values x = random(dims, 1);
  for (const int format : {ASCRIBE_FORMAT_BLOCKED8, ASCRIBE_FORMAT_BLOCKED16, ASCRIBE_FORMAT_CHANNELS_LAST}) {
    AscribeOperation o{};
    o.kind = ASCRIBE_REORDER;
    o.first = tensor(dims);
    o.result = tensor(dims, format);
    const Primitive there(o);
    std::swap(o.first, o.result);
    const Primitive back(o);
    REQUIRE(there.status == ASCRIBE_OK && back.status == ASCRIBE_OK);
    EXPECT_EQ(table().format(there.primitive, ASCRIBE_RESULT), format);
    EXPECT_EQ(table().format(there.primitive, ASCRIBE_FIRST), static_cast<int>(ASCRIBE_FORMAT_STRIDED));
    Values middle(there.floats(ASCRIBE_RESULT), -1), end(x.size());
    void* buffers[ASCRIBE_OPERAND_COUNT] = {};
    buffers[ASCRIBE_FIRST] = const_cast<float*>(x.data());
    buffers[ASCRIBE_RESULT] = middle.data();
    EXPECT_EQ(table().execute(there.primitive, buffers, 2), static_cast<int>(ASCRIBE_OK));
    // Channels 8 to 12 of the second block, then three or more of zeros.
    if (format == ASCRIBE_FORMAT_BLOCKED8) EXPECT_EQ(middle[20 * 8 + 5], 0.0f);
    if (format == ASCRIBE_FORMAT_BLOCKED8) EXPECT_EQ(middle[20 * 8 + 4], x[12 * 20]);
    buffers[ASCRIBE_FIRST] = middle.data();
    buffers[ASCRIBE_RESULT] = end.data();
    EXPECT_EQ(table().execute(back.primitive, buffers, 2), static_cast<int>(ASCRIBE_OK));
    EXPECT_TRUE(end == x);
  }
}

TEST(one_primitive_runs_on_several_threads_at_once) {
  table();
  ConvProblem p(convCases[2]);
  p.operation.kind = ASCRIBE_CONVOLUTION;
  p.operation.first = tensor(p.xDims, ASCRIBE_FORMAT_ANY);
  p.operation.second = tensor(p.wDims, ASCRIBE_FORMAT_ANY);
  p.operation.result = tensor(p.yDims, ASCRIBE_FORMAT_ANY);
  const Primitive primitive(p.operation);
  REQUIRE(primitive.status == ASCRIBE_OK);
  const Values x = random(p.xDims, 1), w = random(p.wDims, 2);
  const Values expected = primitive.run({{ASCRIBE_FIRST, x}, {ASCRIBE_SECOND, w}}, Values(countOf(p.yDims)));
  std::atomic<int> different{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        different +=
            primitive.run({{ASCRIBE_FIRST, x}, {ASCRIBE_SECOND, w}}, Values(expected.size())) != expected;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(different.load(), 0);
}

TEST(nonsense_is_refused_with_a_message) {
  AscribeOperation o{};
  o.kind = 99;
  o.first = tensor({1, 2});
  AscribePrimitive* primitive = nullptr;
  char message[100] = "";
  EXPECT_EQ(table().create(&o, nullptr, 1, &primitive, message, sizeof message), static_cast<int>(ASCRIBE_FAILED));
  EXPECT_TRUE(primitive == nullptr && std::strlen(message) > 0);
}
