#include "onednn_support.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "graph/builder.h"
#include "graph/op.h"
#include "harness.h"
#include "runtime/onednn_library.h"
#include "runtime/team.h"

namespace ascribe::test {
namespace {

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

}  // namespace

void requireLibrary() {
  if (onednn() == nullptr) SKIP("no oneDNN backend");
}
void requireBlocksOf16() {
  requireLibrary();
  if (widest() != Layout::Blocked16) SKIP("needs AVX-512");
}
Layout widest() { return std::string_view(onednn()->isa()).starts_with("avx512") ? Layout::Blocked16 : Layout::Blocked8; }
int atLeast(int made) { return std::string_view(onednn()->isa()).starts_with("avx") ? made : 1; }

ValueType typed(const HostTensor& tensor, int axis, Layout layout) {
  return {tensor.dtype(), tensor.shape(), axis > 0 ? layout : Layout::Plain, std::max(axis, 1)};
}
size_t storedBytes(const ValueType& type) { return static_cast<size_t>(storedShape(type).count()) * sizeOf(type.dtype); }

AlignedBytes reordered(const void* data, const ValueType& from, const ValueType& to, std::string_view backend) {
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
Attributes attributesOf(const Geometry& g, const char* activation) {
  Attributes out = attributesOf(g);
  return out.set("activation", std::string(activation)).set("alpha", activation[0] == 'c' ? -0.5 : 0.125).set("beta", 0.75);
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

}  // namespace ascribe::test
