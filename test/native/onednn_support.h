#pragma once
#include <string_view>
#include <vector>

#include "cpu_support.h"
#include "graph/layout.h"
#include "kernels/kernel.h"
#include "kernels/onednn_bridge/primitive.h"

/// Kernels that go through the oneDNN library, or stand beside it, against the reference kernels: operands packed into blocks by the
/// reference reorder, results unpacked by it.
namespace ascribe::test {

using Ints = std::vector<int64_t>;
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

/// Skips the test where there is no library.
void requireLibrary();
/// And where its blocks are narrower than AVX-512's.
void requireBlocksOf16();
Layout widest();
/// Kernels that AVX2 and AVX-512 must give; older machines have fewer.
int atLeast(int made);

ValueType typed(const HostTensor& tensor, int axis, Layout layout);
size_t storedBytes(const ValueType& type);
/// The same numbers lying otherwise, by the kernel of this backend.
AlignedBytes reordered(const void* data, const ValueType& from, const ValueType& to, std::string_view backend = "reference");

/// Counts the kernels made, since the library may decline some shapes: with known weights and with others, or 0.
int check(const BlockedCase& test, Layout layout);

struct Geometry {
  Shape x, w;
  Ints strides, dilations, pads;
  int64_t group = 1;
};
/// Whole and partly filled blocks; groups, depthwise, dilation, uneven paddings, strides; one to three axes.
const std::vector<Geometry>& geometries();
Attributes attributesOf(const Geometry& g);
/// With an activation, whose numbers are a clip's or others'.
Attributes attributesOf(const Geometry& g, const char* activation);
Shape resultOf(const Geometry& g);

}  // namespace ascribe::test
