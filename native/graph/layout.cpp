#include "graph/layout.h"

#include "runtime/error.h"

namespace ascribe {

namespace {
constexpr std::string_view kNames[] = {"plain", "channelsLast", "blocked8", "blocked16"};
}  // namespace

int blockOf(Layout layout) { return layout == Layout::Blocked8 ? 8 : layout == Layout::Blocked16 ? 16 : 0; }

std::string_view nameOf(Layout layout) { return kNames[static_cast<size_t>(layout)]; }

Layout layoutFromName(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i)
    if (kNames[i] == name) return static_cast<Layout>(i);
  throw Error("MODEL_INVALID", "no layout is called " + std::string(name));
}

Shape storedShape(const ValueType& type) {
  if (type.layout == Layout::Plain) return type.shape;
  const int block = blockOf(type.layout), c = type.channelAxis;
  Shape out;
  for (int i = 0; i < type.shape.rank(); ++i) {
    if (i != c) out.push(type.shape[i]);
    else if (block > 0) out.push((type.shape[c] + block - 1) / block);
  }
  out.push(block > 0 ? block : type.shape[c]);
  return out;
}

bool hasPaddedChannels(const ValueType& type) {
  const int block = blockOf(type.layout);
  return block > 0 && type.shape[type.channelAxis] % block != 0;
}

bool sameLayout(const ValueType& a, const ValueType& b) {
  return a.layout == b.layout && (a.layout == Layout::Plain || a.channelAxis == b.channelAxis);
}

}  // namespace ascribe
