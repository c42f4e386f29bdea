#include <array>

#include "cpu_support.h"
#include "graph/builder.h"
#include "graph/layout.h"
#include "graph/op.h"
#include "harness.h"
#include "kernels/kernel.h"
#include "runtime/team.h"

/// Windows of patches that lie in blocks of channels: bit by bit what the reference gives in planes.
namespace ascribe::test {
namespace {

std::vector<float> toBlocks(const HostTensor& plain, const ValueType& type) {
  const int64_t block = blockOf(type.layout), channels = type.shape[1], plane = type.shape[2] * type.shape[3];
  std::vector<float> out(static_cast<size_t>(storedShape(type).count()), 0.0f);
  for (int64_t i = 0; i < plain.shape().count(); ++i) {
    const int64_t n = i / (channels * plane), c = i / plane % channels, at = i % plane;
    out[static_cast<size_t>(((n * ((channels + block - 1) / block) + c / block) * plane + at) * block + c % block)] = plain.as<float>()[i];
  }
  return out;
}

void compare(Layout layout, int64_t channels, const Shape& size) {
  const HostTensor pictures = floats({2, 6, 7, channels}, 1), patch = floats({3, channels, size[0], size[1]}, 2);
  HostTensor places(DType::I64, {3, 5});
  const int64_t given[] = {1, 0, 0, 1, 1, 0, -1, 2, 0, 3, 1, 2, -2, 1, -3};
  std::copy(std::begin(given), std::end(given), static_cast<int64_t*>(places.mutableData()));
  Graph graph;
  const std::array ids{graph.addInput("pictures", DType::F32, pictures.shape()), graph.addInput("places", DType::I64, places.shape()),
                       graph.addInput("patch", DType::F32, patch.shape())};
  Builder(graph).nodes("window", {ids[0], ids[1], ids[2]}, 1, {{"height", int64_t{5}}, {"width", int64_t{4}}, {"fill", 2.5}});
  const Node node = graph.nodes.back();
  const HostTensor expected = evaluateReference(graph, node, std::array{pictures, places, patch})[0];
  const std::array in{ValueType{DType::F32, pictures.shape()}, ValueType{DType::I64, places.shape()}, ValueType{DType::F32, patch.shape(), layout, 1}};
  const ValueType out{DType::F32, expected.shape(), layout, 1};
  const std::array<const HostTensor*, 3> none{};
  constexpr std::array<std::string_view, 1> backends{"cpu"};
  const auto kernel = makeKernel({node, in, {&out, 1}, none}, backends);
  REQUIRE(kernel != nullptr);
  std::vector<float> source = toBlocks(patch, in[2]), wanted = toBlocks(expected, out), found(wanted.size(), -7.0f);
  HostTensor copyOfPictures = pictures, copyOfPlaces = places;
  Team team(3);
  const TeamScope scope(team);
  const std::array operands{TensorRef{copyOfPictures.mutableData(), DType::F32, pictures.shape()}, TensorRef{copyOfPlaces.mutableData(), DType::I64, places.shape()},
                            TensorRef{source.data(), DType::F32, patch.shape(), layout}};
  const TensorRef result{found.data(), DType::F32, expected.shape(), layout};
  kernel->run({operands, {&result, 1}, nullptr});
  for (size_t i = 0; i < wanted.size(); ++i)
    if (found[i] != wanted[i]) EXPECT_EQ(found[i], wanted[i]);
}

TEST(windows_of_patches_in_blocks) {
  for (const Layout layout : {Layout::Blocked8, Layout::Blocked16})
    for (const int64_t channels : {5, 16, 40})
      for (const Shape& size : {Shape{2, 3}, Shape{1, 1}, Shape{8, 9}}) compare(layout, channels, size);
}

}  // namespace
}  // namespace ascribe::test
