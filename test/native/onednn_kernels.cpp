#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "cpu_support.h"
#include "graph/builder.h"
#include "graph/half.h"
#include "graph/layout.h"
#include "graph/op.h"
#include "harness.h"
#include "isa_scope.h"
#include "kernels/kernel.h"
#include "kernels/onednn_bridge/primitive.h"
#include "runtime/onednn_library.h"
#include "runtime/team.h"

/// The kernels that go through the oneDNN library against the reference kernels: operands packed into blocks by the
/// reference reorder, results unpacked by it.
namespace ascribe::test {
namespace {

using Ints = std::vector<int64_t>;
using onednn_bridge::AlignedBytes;
using onednn_bridge::AlignedBytes;

struct BlockedCase {
  std::string_view op;
  std::vector<HostTensor> inputs;
  Attributes attributes = {};
  std::vector<int> inputAxes;  // the channel axis of blocked operands; 0: plain
  int outputAxis = 1;          // 0: plain
  double tolerance = 4e-6;
  bool frozen = true;
  bool bf16 = false;  // operands must be numbers that bf16 has
  bool similarRows = false;
  std::string_view kernel = {};  // the name of what is made of known weights
};

void requireLibrary() {
  if (onednn() == nullptr) SKIP("no oneDNN backend");
}
Layout widest() { return std::string_view(onednn()->isa()).starts_with("avx512") ? Layout::Blocked16 : Layout::Blocked8; }

/// Kernels that AVX2 and AVX-512 must give; older machines have fewer.
int atLeast(int made) { return std::string_view(onednn()->isa()).starts_with("avx") ? made : 1; }

ValueType typed(const HostTensor& tensor, int axis, Layout layout) {
  return {tensor.dtype(), tensor.shape(), axis > 0 ? layout : Layout::Plain, std::max(axis, 1)};
}
size_t storedBytes(const ValueType& type) { return static_cast<size_t>(storedShape(type).count()) * sizeOf(type.dtype); }

/// The same numbers lying otherwise, by the kernel of this backend.
AlignedBytes reordered(const void* data, const ValueType& from, const ValueType& to, std::string_view backend = "reference") {
  if (sameLayout(from, to)) {
    AlignedBytes copy = AlignedBytes(storedBytes(to));
    std::memcpy(copy.get(), data, storedBytes(to));
    return copy;
  }
  const int axis = from.layout == Layout::Plain ? to.channelAxis : from.channelAxis;
  Node node{&op("reorder"), {0}, {1}, {{"layout", std::string(nameOf(to.layout))}, {"channelAxis", int64_t{axis}}}, {}};
  const HostTensor* none = nullptr;
  const std::unique_ptr<Kernel> kernel = makeKernel({node, {&from, 1}, {&to, 1}, {&none, 1}}, std::array{backend});
  REQUIRE(kernel != nullptr);
  AlignedBytes out = AlignedBytes(storedBytes(to)), scratch = AlignedBytes(kernel->scratchBytes());
  std::fill_n(out.get(), storedBytes(to), std::byte{0xff});
  const TensorRef input{const_cast<void*>(data), from.dtype, from.shape, from.layout, from.channelAxis};
  const TensorRef output{out.get(), to.dtype, to.shape, to.layout, to.channelAxis};
  kernel->run({{&input, 1}, {&output, 1}, scratch.get()});
  return out;
}

double largest(const HostTensor& t) {
  double out = 0;
  for (int64_t i = 0; i < t.shape().count(); ++i) out = std::max(out, std::fabs(t.real(i)));
  return out;
}

/// What rounding errors are relative to: the sums, not what a clip leaves of them.
double scaleOf(const BlockedCase& test, const Graph& graph, const HostTensor& expected) {
  Node node = graph.nodes.back();
  if (test.op != "fusedConv" || node.attributes.text("activation") != "clip") return std::max(1.0, largest(expected));
  node.attributes.set("activation", std::string("none"));
  return std::max(1.0, largest(evaluateReference(graph, node, test.inputs)[0]));
}

/// Counts the kernels made, since the library may decline some shapes: 1, or 0.
int check(const BlockedCase& test, Layout layout) {
  Graph graph;
  std::vector<ValueId> ids;
  for (size_t i = 0; i < test.inputs.size(); ++i)
    ids.push_back(test.inputs[i].data() ? graph.addInput("x" + std::to_string(i), test.inputs[i].dtype(), test.inputs[i].shape()) : kNone);
  Builder(graph).nodes(test.op, ids, 1, test.attributes);
  const Node& node = graph.nodes.back();
  const HostTensor expected = evaluateReference(graph, node, test.inputs)[0];
  const double scale = scaleOf(test, graph, expected);
  if (test.similarRows) graph.nodes.back().attributes.set("similarRows", int64_t{1});
  if (test.bf16) graph.nodes.back().attributes.set("products", std::string("bf16"));

  std::vector<ValueType> inputs;
  for (size_t i = 0; i < ids.size(); ++i) inputs.push_back(typed(test.inputs[i], test.inputAxes[i], layout));
  const ValueType output = typed(expected, test.outputAxis, layout), plain = typed(expected, 0, layout);
  int made = 0;
  for (const bool frozen : {true, false}) {
    if (frozen && !test.frozen) continue;
    std::vector<const HostTensor*> constants(ids.size(), nullptr);
    if (frozen) constants[1] = &test.inputs[1];
    const std::unique_ptr<Kernel> kernel = makeKernel({node, inputs, {&output, 1}, constants}, std::array<std::string_view, 1>{"onednn"});
    if (!kernel) return made;
    ++made;
    if (frozen && !test.kernel.empty()) EXPECT_TRUE(kernel->name() == test.kernel);
    AlignedBytes onOneThread;
    for (const int width : {1, 3}) {
      Team team(width);
      const TeamScope scope(team);
      std::vector<AlignedBytes> keep;
      std::vector<TensorRef> operands;
      for (size_t i = 0; i < ids.size(); ++i) {
        const bool unread = ids[i] == kNone || (node.op->shapeOnly >> i & 1) || (frozen && kernel->ownsOperand(i));
        void* data = nullptr;
        if (!unread) {
          keep.push_back(reordered(test.inputs[i].data(), typed(test.inputs[i], 0, layout), inputs[i]));
          data = keep.back().get();
        }
        operands.push_back({data, test.inputs[i].dtype(), test.inputs[i].shape(), inputs[i].layout, inputs[i].channelAxis});
      }
      const AlignedBytes scratch = AlignedBytes(kernel->scratchBytes());
      std::array<AlignedBytes, 2> results;
      for (AlignedBytes& result : results) {
        result = AlignedBytes(storedBytes(output));
        std::fill_n(result.get(), storedBytes(output), std::byte{0xff});
        const TensorRef ref{result.get(), output.dtype, output.shape, output.layout, output.channelAxis};
        kernel->run({operands, {&ref, 1}, scratch.get()});
      }
      const std::string what = std::string(test.op) + " " + std::string(kernel->name()) + " " + expected.shape().text() + " width " + std::to_string(width);
      if (std::memcmp(results[0].get(), results[1].get(), storedBytes(output)) != 0) fail(__FILE__, __LINE__, what + ": two runs differ");
      if (width == 1) onOneThread = std::move(results[1]);
      else if (kernel->name().starts_with("cpu-") && std::memcmp(results[0].get(), onOneThread.get(), storedBytes(output)) != 0)
        fail(__FILE__, __LINE__, what + ": other numbers than on one thread");
      const AlignedBytes got = reordered(results[0].get(), output, plain);
      double worst = 0;
      for (int64_t i = 0; i < expected.shape().count(); ++i)
        worst = std::max(worst, std::fabs(reinterpret_cast<const float*>(got.get())[i] - expected.real(i)) / scale);
      if (!(worst <= test.tolerance)) fail(__FILE__, __LINE__, what + ": off by " + show(worst));
      // Back into blocks: what lies behind the last channel is zero there, and must have been before.
      const AlignedBytes again = reordered(got.get(), plain, output);
      if (std::memcmp(again.get(), results[0].get(), storedBytes(output)) != 0) fail(__FILE__, __LINE__, what + ": padded channels are not zero");
    }
  }
  return made;
}

struct Geometry {
  Shape x, w;
  Ints strides, dilations, pads;
  int64_t group = 1;
};
/// Whole and partly filled blocks; groups, depthwise, dilation, uneven paddings, strides; one to three axes.
const std::vector<Geometry>& geometries() {
  static const std::vector<Geometry> all = {
      {{2, 16, 9, 7}, {32, 16, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
      {{1, 32, 8, 8}, {16, 32, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {{3, 32, 8, 9}, {48, 32, 1, 1}, {2, 2}, {1, 1}, {0, 0, 0, 0}},
      {{2, 24, 11, 10}, {40, 24, 3, 3}, {2, 1}, {1, 1}, {0, 1, 1, 2}},
      {{1, 16, 14, 12}, {16, 16, 3, 3}, {1, 1}, {2, 3}, {2, 3, 2, 3}},
      {{2, 32, 9, 8}, {32, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 32},
      {{1, 48, 12, 13}, {48, 1, 3, 3}, {2, 2}, {1, 1}, {0, 0, 1, 1}, 48},
      {{1, 8, 10, 10}, {8, 1, 5, 5}, {1, 1}, {1, 1}, {2, 2, 2, 2}, 8},
      {{1, 64, 7, 7}, {64, 16, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 4},
      {{2, 24, 9, 7}, {72, 24, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {{3, 20, 5, 6}, {7, 20, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {{1, 16, 1, 1}, {112, 16, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {{1, 96, 7, 7}, {160, 96, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {{3, 40, 5, 7}, {325, 40, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {{2, 24, 16, 15}, {24, 1, 3, 3}, {1, 1}, {1, 1}, {1, 0, 0, 1}, 24},
      {{2, 16, 15, 17}, {16, 1, 3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, 16},
      {{2, 24, 11, 30}, {24, 1, 3, 3}, {2, 2}, {1, 1}, {0, 0, 1, 1}, 24},
      {{1, 16, 8, 41}, {16, 1, 5, 5}, {2, 2}, {1, 1}, {2, 2, 1, 0}, 16},
      {{1, 32, 7, 7}, {32, 1, 5, 5}, {1, 1}, {1, 1}, {2, 2, 2, 2}, 32},
      {{1, 40, 18, 16}, {40, 1, 5, 5}, {2, 2}, {1, 1}, {2, 1, 2, 2}, 40},
      {{2, 16, 30}, {32, 16, 5}, {2}, {1}, {2, 1}},
      {{1, 16, 5, 6, 7}, {16, 16, 3, 3, 3}, {1, 2, 1}, {1, 1, 1}, {1, 0, 1, 1, 1, 1}},
  };
  return all;
}
Attributes attributesOf(const Geometry& g) {
  return {{"strides", g.strides}, {"dilations", g.dilations}, {"pads", g.pads}, {"group", g.group}};
}
Shape resultOf(const Geometry& g) {
  Shape y{g.x[0], g.w[0]};
  const size_t n = g.strides.size();
  for (size_t i = 0; i < n; ++i) {
    const int a = static_cast<int>(i) + 2;
    y.push((g.x[a] + g.pads[i] + g.pads[n + i] - ((g.w[a] - 1) * g.dilations[i] + 1)) / g.strides[i] + 1);
  }
  return y;
}

TEST(reorders_agree_with_the_reference_and_undo_themselves) {
  requireLibrary();
  for (const Shape& shape : {Shape{2, 16, 5, 4}, Shape{1, 24, 7}, Shape{3, 5, 2, 3, 4}, Shape{2, 3, 40, 3, 3}})
    for (const Layout layout : {Layout::Blocked8, Layout::Blocked16, Layout::ChannelsLast})
      for (const int axis : {1, 2}) {
        if (axis + 1 >= shape.rank() || (layout == Layout::ChannelsLast && axis == 2)) continue;
        const HostTensor x = floats(shape, 5);
        const ValueType plain = typed(x, 0, layout), blocked = typed(x, axis, layout);
        const AlignedBytes expected = reordered(x.data(), plain, blocked), got = reordered(x.data(), plain, blocked, "onednn");
        EXPECT_EQ(std::memcmp(got.get(), expected.get(), storedBytes(blocked)), 0);
        const AlignedBytes back = reordered(got.get(), blocked, plain, "onednn");
        EXPECT_EQ(std::memcmp(back.get(), x.data(), x.bytes()), 0);
      }
}

TEST(blocks_lie_as_written_down) {
  // [1, 9, 1, 2] in blocks of 8: channels 0-7 of both positions, then channel 8 and seven zeros, twice.
  std::vector<float> values(18);
  for (size_t i = 0; i < 18; ++i) values[i] = static_cast<float>(i + 1);
  const HostTensor x = floatsOf({1, 9, 1, 2}, values);
  const AlignedBytes got = reordered(x.data(), typed(x, 0, Layout::Blocked8), typed(x, 1, Layout::Blocked8));
  const auto* out = reinterpret_cast<const float*>(got.get());
  for (int i = 0; i < 2; ++i)
    for (int c = 0; c < 8; ++c) {
      EXPECT_EQ(out[i * 8 + c], values[static_cast<size_t>(c * 2 + i)]);
      EXPECT_EQ(out[16 + i * 8 + c], c == 0 ? values[static_cast<size_t>(16 + i)] : 0.0f);
    }
}

TEST(forward) {
  requireLibrary();
  int made = 0;
  for (const Geometry& g : geometries())
    made += check({.op = "conv", .inputs = {floats(g.x, 1), floats(g.w, 2), floats({g.w[0]}, 3)}, .attributes = attributesOf(g), .inputAxes = {1, 0, 0}}, widest());
  EXPECT_TRUE(made >= atLeast(18));
}

/// Channels that end in the first half of a block, or before one; one to four blocks of results; kernels that reach beside the picture on
/// every side, by more than one place, and rows narrower than a tile.
TEST(a_stride_of_two_without_products_for_channels_that_fill_blocks_up) {
  requireLibrary();
  if (widest() != Layout::Blocked16) SKIP("needs AVX-512");
  for (const Geometry& g : {Geometry{{3, 16, 32, 32}, {24, 16, 3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}}, Geometry{{2, 24, 17, 31}, {48, 24, 3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}},
                            Geometry{{2, 20, 9, 8}, {40, 20, 5, 3}, {2, 2}, {1, 1}, {2, 0, 2, 2}}, Geometry{{1, 24, 30, 33}, {8, 24, 5, 5}, {2, 2}, {1, 1}, {3, 4, 0, 1}},
                            Geometry{{2, 8, 12, 60}, {56, 8, 1, 1}, {2, 2}, {1, 1}, {0, 0, 0, 0}}, Geometry{{1, 40, 7, 5}, {24, 40, 3, 3}, {2, 2}, {1, 1}, {1, 2, 1, 2}}})
    for (const char* activation : {"none", "relu", "clip"}) {
      Attributes a = attributesOf(g);
      a.set("activation", std::string(activation)).set("alpha", -0.5).set("beta", 0.75);
      check({.op = "fusedConv", .inputs = {floats(g.x, 1), floats(g.w, 2), floats({g.w[0]}, 3)}, .attributes = a, .inputAxes = {1, 0, 0}, .kernel = "cpu-strided"}, widest());
      check({.op = "fusedConv", .inputs = {floats(g.x, 1), floats(g.w, 2), HostTensor()}, .attributes = a, .inputAxes = {1, 0, 0}, .kernel = "cpu-strided"}, widest());
    }
}

TEST(forward_from_planes) {
  requireLibrary();
  const int made = check({.op = "conv", .inputs = {floats({2, 3, 15, 17}, 1), floats({32, 3, 5, 3}, 2)}, .attributes = {{"strides", Ints{2, 1}}, {"pads", Ints{1, 1, 2, 1}}}, .inputAxes = {0, 0}}, widest());
  EXPECT_EQ(made, 2);
}

/// Copies of one example of which some numbers are others; among them one that is another example, and one of much larger numbers.
HostTensor similarRows(int64_t rows, const Shape& item, float large) {
  HostTensor x = floats(prepend(rows, item), 1);
  auto* data = static_cast<float*>(x.mutableData());
  const int64_t count = item.count();
  for (int64_t row = 1; row < rows; ++row) {
    float* own = data + row * count;
    if (row == 3) continue;
    for (int64_t i = 0; i < count; ++i)
      if (i % 29 != row) own[i] = data[i];
    if (row == 5) own[count / 2] = large;
  }
  return x;
}
Attributes ofSimilarRows() {
  return {{"strides", Ints{2, 2}}, {"pads", Ints{2, 1, 1, 2}}, {"dilations", Ints{1, 1}}, {"group", int64_t{1}}, {"activation", std::string("relu")}, {"alpha", 0.0}, {"beta", 0.0}};
}

TEST(similar_rows_are_brought_up_to_date) {
  requireLibrary();
  if (widest() != Layout::Blocked16) SKIP("needs AVX-512");
  // One number of 1e6 would leave nothing of the sums that follow it.
  for (const float large : {1.0f, 1e6f, INFINITY}) {
    const HostTensor x = similarRows(8, {3, 24, 21}, large), w = floats({24, 3, 5, 5}, 2), bias = floats({24}, 3);
    Attributes a = ofSimilarRows();
    // Before an activation that would hide what infinities cancel to, they are refused.
    if (std::isinf(large)) a.set("activation", std::string("none"));
    if (large == 1.0f)
      EXPECT_EQ(check({.op = "fusedConv", .inputs = {x, w, bias}, .attributes = a, .inputAxes = {0, 0, 0}, .similarRows = true}, widest()), 2);
    Attributes marked = a;
    marked.set("similarRows", int64_t{1});
    // Row by row against each by itself, of which nothing can be brought up to date.
    const auto run = [&](int64_t first, int64_t rows) {
      const Node node{&ascribe::op("fusedConv"), {0, 1, 2}, {3}, marked, {}};
      const ValueType in{DType::F32, Shape{rows, 3, 24, 21}, Layout::Plain, 1}, out{DType::F32, Shape{rows, 24, 12, 10}, Layout::Blocked16, 1};
      const ValueType inputs[] = {in, typed(w, 0, Layout::Plain), typed(bias, 0, Layout::Plain)};
      const HostTensor* constants[] = {nullptr, &w, nullptr};
      const std::unique_ptr<Kernel> kernel = makeKernel({node, inputs, {&out, 1}, constants}, std::array<std::string_view, 1>{"onednn"});
      REQUIRE(kernel != nullptr);
      EXPECT_EQ(kernel->name().find("similar-rows") != std::string_view::npos, rows > 1);
      const AlignedBytes scratch = AlignedBytes(kernel->scratchBytes());
      std::vector<float> result(static_cast<size_t>(storedShape(out).count()));
      const TensorRef operands[] = {{const_cast<float*>(x.as<float>()) + first * 3 * 24 * 21, DType::F32, in.shape}, {nullptr, DType::F32, w.shape()}, {const_cast<void*>(bias.data()), DType::F32, bias.shape()}};
      const TensorRef ref{result.data(), DType::F32, out.shape, Layout::Blocked16, 1};
      kernel->run({operands, {&ref, 1}, scratch.get()});
      return result;
    };
    const std::vector<float> all = run(0, 8);
    const size_t each = all.size() / 8;
    for (size_t row = 0; row < 8; ++row) {
      const std::vector<float> alone = run(static_cast<int64_t>(row), 1);
      float worst = 0, size = 0;
      for (size_t i = 0; i < each; ++i) {
        if (std::isinf(alone[i]) || std::isinf(all[row * each + i])) {
          EXPECT_EQ(alone[i], all[row * each + i]);
          continue;
        }
        worst = std::max(worst, std::fabs(alone[i] - all[row * each + i]));
        size = std::max(size, std::fabs(alone[i]));
      }
      EXPECT_TRUE(worst <= 2e-6f * size);
    }
  }
}

TEST(fused) {
  requireLibrary();
  int made = 0;
  for (const Geometry& g : geometries())
    for (const char* activation : {"none", "relu", "clip", "leakyRelu", "silu"}) {
      Attributes a = attributesOf(g);
      a.set("activation", std::string(activation)).set("alpha", activation[0] == 'c' ? -0.5 : 0.125).set("beta", 0.75);
      made += check({.op = "fusedConv", .inputs = {floats(g.x, 1), floats(g.w, 2), floats({g.w[0]}, 3), floats(resultOf(g), 4)}, .attributes = a, .inputAxes = {1, 0, 0, 1}, .tolerance = 8e-6}, widest());
    }
  EXPECT_TRUE(made >= atLeast(4 * 18));
}

/// One kernel of a convolution that keeps sizes run on some images of these; its name, and the results in blocks.
std::pair<std::string, std::vector<float>> runOnImages(std::string_view op, const HostTensor& x, const HostTensor& w, const HostTensor& third, int64_t first, int64_t images, int width) {
  const Layout layout = Layout::Blocked16;
  const ValueType whole = typed(x, 1, layout);
  ValueType in = whole;
  in.shape = Shape{images, x.shape()[1], x.shape()[2], x.shape()[3]};
  ValueType out = in;
  const int64_t pad = w.shape()[2] / 2, group = w.shape()[1] == 1 ? w.shape()[0] : 1;
  out.shape = Shape{images, op != "convDataGradient" ? w.shape()[0] : w.shape()[1] * group, x.shape()[2], x.shape()[3]};
  const Node node{&ascribe::op(op), {0, 1, 2}, {3}, {{"pads", Ints{pad, pad, pad, pad}}, {"strides", Ints{1, 1}}, {"dilations", Ints{1, 1}}, {"group", group}, {"activation", std::string("relu")}, {"alpha", 0.0}, {"beta", 0.0}}, {}};
  ValueType last = typed(third, 0, layout);
  if (op == "convDataGradient") last.shape = out.shape;
  const ValueType inputs[] = {in, typed(w, 0, layout), last};
  const HostTensor* constants[] = {nullptr, &w, nullptr};
  const AlignedBytes blocks = reordered(x.data(), typed(x, 0, layout), whole);
  Team team(width);
  const TeamScope scope(team);
  const std::unique_ptr<Kernel> kernel = makeKernel({node, inputs, {&out, 1}, constants}, std::array<std::string_view, 1>{"onednn"});
  REQUIRE(kernel != nullptr);
  const AlignedBytes scratch = AlignedBytes(kernel->scratchBytes());
  std::vector<float> result(static_cast<size_t>(storedShape(out).count()));
  const int64_t each = storedShape(whole).count() / x.shape()[0];
  const TensorRef operands[] = {{reinterpret_cast<float*>(blocks.get()) + first * each, DType::F32, in.shape, layout, 1},
                                {nullptr, DType::F32, w.shape()},
                                {op != "convDataGradient" ? const_cast<void*>(third.data()) : nullptr, DType::F32, last.shape}};
  const TensorRef ref{result.data(), DType::F32, out.shape, layout, 1};
  kernel->run({operands, {&ref, 1}, scratch.get()});
  return {std::string(kernel->name()), result};
}

TEST(winograd_agrees_with_the_reference) {
  requireLibrary();
  int made = 0;
  // Uneven paddings and sizes, partly filled blocks, more images than threads.
  for (const Geometry& g : {Geometry{{3, 24, 21, 19}, {32, 24, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
                            Geometry{{4, 32, 12, 12}, {32, 32, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
                            Geometry{{1, 32, 30, 17}, {40, 32, 3, 3}, {1, 1}, {1, 1}, {0, 1, 2, 0}}}) {
    for (const char* activation : {"none", "relu", "clip", "leakyRelu"}) {
      Attributes a = attributesOf(g);
      a.set("activation", std::string(activation)).set("alpha", activation[0] == 'c' ? -0.5 : 0.125).set("beta", 0.75);
      made += check({.op = "fusedConv", .inputs = {floats(g.x, 1), floats(g.w, 2), floats({g.w[0]}, 3), floats(resultOf(g), 4)}, .attributes = a, .inputAxes = {1, 0, 0, 1}, .tolerance = 8e-6}, widest());
    }
    made += check({.op = "convDataGradient", .inputs = {floats(prepend(3, resultOf(g)), 1), floats(g.w, 2), floats(g.x, 3)}, .attributes = attributesOf(g), .inputAxes = {2, 0, 0}, .outputAxis = 2, .tolerance = 8e-6}, widest());
  }
  EXPECT_TRUE(made >= atLeast(30));
}

/// Squares of four and of two results, channels that end in the first half of a block and in the second, or just behind the first.
TEST(winograd_loses_no_more_than_a_direct_sum_in_f32) {
  requireLibrary();
  if (widest() != Layout::Blocked16) SKIP("needs AVX-512");
  for (const auto& [channels, results, side] : {std::array{24, 24, 32}, std::array{48, 40, 16}, std::array{28, 20, 18}, std::array{25, 41, 16}, std::array{200, 200, 12}}) {
    const HostTensor x = floats({1, channels, side, side}, 1), w = floats({results, channels, 3, 3}, 2), bias = floats({results}, 3);
    const auto [name, got] = runOnImages("conv", x, w, bias, 0, 1, 1);
    EXPECT_TRUE(name == "cpu-winograd");
    const auto at = [&](const HostTensor& t, int64_t i) { return static_cast<double>(t.as<float>()[i]); };
    double error = 0, size = 0;
    for (int64_t m = 0; m < results; ++m)
      for (int64_t row = 0; row < side; ++row)
        for (int64_t column = 0; column < side; ++column) {
          double sum = at(bias, m);
          for (int64_t c = 0; c < channels; ++c)
            for (int64_t tap = 0; tap < 9; ++tap) {
              const int64_t r = row + tap / 3 - 1, k = column + tap % 3 - 1;
              if (r >= 0 && r < side && k >= 0 && k < side) sum += at(x, (c * side + r) * side + k) * at(w, (m * channels + c) * 9 + tap);
            }
          const auto stored = static_cast<size_t>(((m / 16 * side + row) * side + column) * 16 + m % 16);
          error += std::pow(static_cast<double>(got[stored]) - sum, 2);
          size += sum * sum;
        }
    EXPECT_TRUE(std::sqrt(error / size) < 8e-7);
  }
}

TEST(an_image_has_the_same_bits_in_every_batch_and_on_any_threads) {
  requireLibrary();
  if (widest() != Layout::Blocked16) SKIP("needs AVX-512");
  const HostTensor x = floats({9, 24, 20, 20}, 1);
  for (const auto& [w, kernel] : {std::pair{floats({80, 24, 3, 3}, 2), "wino"}, std::pair{floats({80, 24, 1, 1}, 2), "pointwise"}, std::pair{floats({24, 1, 5, 5}, 2), "depthwise"}})
    for (const std::string_view op : {"conv", "convDataGradient"}) {
      const HostTensor in = op == "conv" ? x : floats({9, w.shape()[0], 20, 20}, 4), bias = floats({w.shape()[0]}, 3);
      const auto [name, all] = runOnImages(op, in, w, bias, 0, 9, 2);
      EXPECT_TRUE(name.find(kernel) != std::string::npos);
      const size_t each = all.size() / 9;
      for (const auto& [first, images, width] : {std::array{8, 1, 1}, std::array{3, 2, 2}, std::array{0, 9, 1}, std::array{2, 5, 3}}) {
        const auto part = runOnImages(op, in, w, bias, first, images, width).second;
        EXPECT_EQ(std::memcmp(part.data(), all.data() + static_cast<size_t>(first) * each, part.size() * sizeof(float)), 0);
      }
    }
}

/// Kernels of our own let NaN through.
TEST(own_kernels_show_nan_behind_an_activation) {
  requireLibrary();
  if (widest() != Layout::Blocked16) SKIP("needs AVX-512");
  HostTensor x = floats({1, 16, 9, 9}, 1);
  static_cast<float*>(x.mutableData())[40] = std::nanf("");
  for (const HostTensor& w : {floats({16, 16, 1, 1}, 2), floats({16, 1, 3, 3}, 2)}) {
    const auto result = runOnImages("fusedConv", x, w, floats({16}, 3), 0, 1, 1).second;
    EXPECT_TRUE(std::any_of(result.begin(), result.end(), [](float value) { return std::isnan(value); }));
  }
}

TEST(data_gradient_with_and_without_a_cotangent_axis) {
  requireLibrary();
  int made = 0;
  for (const Geometry& g : geometries()) {
    const Shape y = resultOf(g);
    made += check({.op = "convDataGradient", .inputs = {floats(y, 1), floats(g.w, 2), floats(g.x, 3)}, .attributes = attributesOf(g), .inputAxes = {1, 0, 0}}, widest());
    if (y.rank() < 5)
      made += check({.op = "convDataGradient", .inputs = {floats(prepend(3, y), 1), floats(g.w, 2), floats(g.x, 3)}, .attributes = attributesOf(g), .inputAxes = {2, 0, 0}, .outputAxis = 2}, widest());
  }
  EXPECT_TRUE(made >= atLeast(30));
}

TEST(gradient_of_an_image_from_blocks) {
  requireLibrary();
  if (widest() != Layout::Blocked16) SKIP("needs AVX-512");
  int made = 0;
  // One to four channels, more than one band of rows, windows that leave the last rows and columns out, taps behind narrow rows.
  for (const Geometry& g : {Geometry{{2, 3, 120, 17}, {24, 3, 3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}}, Geometry{{1, 3, 61, 20}, {64, 3, 7, 7}, {2, 2}, {1, 1}, {3, 3, 3, 3}},
                            Geometry{{1, 1, 58, 9}, {16, 1, 3, 5}, {1, 1}, {1, 1}, {0, 2, 2, 1}}, Geometry{{2, 4, 33, 30}, {20, 4, 2, 4}, {4, 3}, {1, 1}, {0, 0, 0, 0}},
                            Geometry{{2, 3, 9, 1}, {16, 3, 3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}}, Geometry{{1, 3, 9, 2}, {16, 3, 7, 7}, {2, 2}, {1, 1}, {3, 3, 3, 3}}}) {
    made += check({.op = "convDataGradient", .inputs = {floats(resultOf(g), 1), floats(g.w, 2), floats(g.x, 3)}, .attributes = attributesOf(g), .inputAxes = {1, 0, 0}, .outputAxis = 0}, widest());
    made += check({.op = "convDataGradient", .inputs = {floats(prepend(3, resultOf(g)), 1), floats(g.w, 2), floats(g.x, 3)}, .attributes = attributesOf(g), .inputAxes = {2, 0, 0}, .outputAxis = 0}, widest());
  }
  EXPECT_EQ(made, 12);
}

TEST(weight_gradient_summed_and_per_example) {
  requireLibrary();
  int made = 0;
  for (const Geometry& g : geometries())
    for (const int64_t perExample : {0, 1}) {
      if (g.x.rank() > 4) continue;
      Attributes a = attributesOf(g);
      a.set("perExample", perExample);
      made += check({.op = "convWeightGradient", .inputs = {floats(g.x, 1), floats(prepend(2, resultOf(g)), 2), floats(g.w, 3)}, .attributes = a, .inputAxes = {1, 2, 0}, .outputAxis = 0, .tolerance = 8e-6, .frozen = false}, widest());
    }
  EXPECT_TRUE(made >= atLeast(14));
}

TEST(poolings) {
  requireLibrary();
  int made = 0;
  for (const Shape& x : {Shape{2, 32, 9, 11}, Shape{1, 24, 8, 8}}) {
    for (const int64_t ceil : {0, 1}) {
      const Attributes window{{"kernel", Ints{3, 2}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 0, 1, 1}}, {"ceilMode", ceil}};
      made += check({.op = "maxPool", .inputs = {floats(x, 1)}, .attributes = window, .inputAxes = {1}, .frozen = false}, widest());
      for (const int64_t whole : {0, 1}) {
        Attributes average = window;
        average.set("countIncludePad", whole);
        made += check({.op = "averagePool", .inputs = {floats(x, 1)}, .attributes = average, .inputAxes = {1}, .frozen = false}, widest());
      }
    }
    made += check({.op = "globalAveragePool", .inputs = {floats(x, 1)}, .inputAxes = {1}, .frozen = false}, widest());
  }
  const Attributes average{{"kernel", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}, {"dilations", Ints{1, 1}}, {"countIncludePad", int64_t{1}}};
  made += check({.op = "averagePoolGrad", .inputs = {floats({2, 2, 32, 5, 6}, 1), floats({2, 32, 9, 11}, 2)}, .attributes = average, .inputAxes = {2, 0}, .outputAxis = 2, .frozen = false}, widest());
  EXPECT_TRUE(made >= atLeast(13));
}

HostTensor with(float value, HostTensor tensor) {
  static_cast<float*>(tensor.mutableData())[3] = value;
  return tensor;
}
TEST(what_is_not_finite_is_never_hidden_by_an_activation) {
  requireLibrary();
  const HostTensor x = floats({1, 3, 9, 9}, 1), w = floats({16, 3, 3, 3}, 2);
  const Attributes relu{{"activation", std::string("relu")}};
  EXPECT_EQ(check({.op = "fusedConv", .inputs = {x, w}, .attributes = relu, .inputAxes = {0, 0}}, widest()), 2);
  for (const float value : {std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    EXPECT_THROWS_CODE(check({.op = "fusedConv", .inputs = {with(value, floats({1, 3, 9, 9}, 1)), w}, .attributes = relu, .inputAxes = {0, 0}}, widest()), "NOT_FINITE");
    // Weights that are known and hold it: another backend's.
    EXPECT_EQ(check({.op = "fusedConv", .inputs = {x, with(value, floats({16, 3, 3, 3}, 2))}, .attributes = relu, .inputAxes = {0, 0}}, widest()), 0);
  }
}

/// The library fixes its instruction set when it is first asked, so another one takes another process.
TEST(capped_to_avx2) {
  requireLibrary();
  if (std::getenv("ASCRIBE_MAX_ISA") != nullptr) return;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    setenv("ASCRIBE_MAX_ISA", "avx2", 1);
    execl("/proc/self/exe", "ascribe_tests", "--filter", "onednn_kernels/", nullptr);
    _exit(127);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

HostTensor floatsOfBf16(const Shape& shape, uint64_t seed) {
  HostTensor out = floats(shape, seed);
  auto* data = reinterpret_cast<float*>(out.mutableData());
  for (int64_t i = 0; i < shape.count(); ++i) data[i] = widenBf16(narrowBf16(data[i]));
  return out;
}

/// Of numbers that bf16 has, products of bf16 are those of f32.
TEST(convolutions_of_bf16) {
  requireLibrary();
  const IsaScope capped(cpu::Isa::Avx512Bf16);
  if (cpu::bf16Kernels() == nullptr || !std::string_view(onednn()->isa()).ends_with("bf16")) SKIP("no products of bf16");
  int forward = 0, gradients = 0;
  for (const Geometry& g : geometries()) {
    const HostTensor x = floatsOfBf16(g.x, 1), w = floatsOfBf16(g.w, 2), bias = floats({g.w[0]}, 3), residual = floats(resultOf(g), 4);
    Attributes fused = attributesOf(g);
    fused.set("activation", std::string("relu"));
    forward += check({"conv", {x, w}, attributesOf(g), {1, 0}, 1, 4e-6, true, true}, widest());
    forward += check({"fusedConv", {x, w, bias, residual}, fused, {1, 0, 0, 1}, 1, 4e-6, true, true}, widest());
    gradients += check({"convDataGradient", {floatsOfBf16(resultOf(g), 5), w, x}, attributesOf(g), {1, 0, 1}, 1, 4e-6, true, true}, widest());
  }
  EXPECT_TRUE(forward >= 16);
  EXPECT_TRUE(gradients >= 8);
}

}  // namespace
}  // namespace ascribe::test
