#include <algorithm>
#include <numeric>
#include <vector>

#include "graph/op.h"
#include "kernels/reference/register.h"
#include "kernels/reference/types.h"
#include "kernels/reference/walk.h"

namespace ascribe::reference {
namespace {

bool any(const NodeSignature& s) { return numeric(s) || boolean(s); }

template <class Body>
void onAny(DType type, Body&& body) {
  if (type == DType::Bool) body(uint8_t{});
  else onNumeric(type, body);
}

void nonZero(const KernelArguments& k, const Node&) {
  const Shape& shape = k.inputs[0].shape;
  const int64_t capacity = shape.count();
  int64_t* places = k.outputs[0].as<int64_t>();
  std::fill_n(places, k.outputs[0].count(), int64_t{0});
  int64_t found = 0;
  onAny(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < capacity; ++i) {
      if (k.inputs[0].as<T>()[i] == T{}) continue;
      int64_t rest = i;
      for (int axis = shape.rank(); axis-- > 0;) {
        places[axis * capacity + found] = rest % shape[axis];
        rest /= shape[axis];
      }
      ++found;
    }
  });
  k.outputs[1].as<int64_t>()[0] = found;
}

struct Box {
  double top, left, bottom, right;
};
Box boxOf(const double (&b)[4], bool centred) {
  if (centred) return {b[1] - b[3] / 2, b[0] - b[2] / 2, b[1] + b[3] / 2, b[0] + b[2] / 2};
  return {std::min(b[0], b[2]), std::min(b[1], b[3]), std::max(b[0], b[2]), std::max(b[1], b[3])};
}
double overlap(const Box& a, const Box& b) {
  const double height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top), width = std::min(a.right, b.right) - std::max(a.left, b.left);
  if (!(height > 0) || !(width > 0)) return 0;
  const double first = (a.bottom - a.top) * (a.right - a.left), second = (b.bottom - b.top) * (b.right - b.left), common = height * width;
  const double whole = first + second - common;
  return first > 0 && second > 0 && whole > 0 ? common / whole : 0;
}

/// The best boxes of one class that do not overlap a better one.
template <class T>
std::vector<int64_t> suppressed(const std::vector<Box>& boxes, const T* scores, int64_t most, double greatestOverlap, double leastScore) {
  std::vector<int64_t> order(boxes.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  // A score that is no number never enters; without a threshold everything else does.
  std::erase_if(order, [&](int64_t i) { return isnan(scores[i]) || !(static_cast<double>(scores[i]) > leastScore); });
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return scores[b] < scores[a]; });
  std::vector<int64_t> kept;
  for (int64_t i : order) {
    if (static_cast<int64_t>(kept.size()) >= most) break;
    if (std::none_of(kept.begin(), kept.end(), [&](int64_t j) { return overlap(boxes[static_cast<size_t>(i)], boxes[static_cast<size_t>(j)]) > greatestOverlap; }))
      kept.push_back(i);
  }
  return kept;
}

void nonMaxSuppression(const KernelArguments& k, const Node& node) {
  const bool centred = node.attributes.integer("centred") != 0;
  const int64_t batches = k.inputs[1].shape[0], classes = k.inputs[1].shape[1], count = k.inputs[1].shape[2];
  const auto given = [&](size_t i) { return k.inputs.size() > i && k.inputs[i].data != nullptr; };
  const int64_t most = given(2) ? k.inputs[2].as<int64_t>()[0] : 0;
  int64_t* rows = k.outputs[0].as<int64_t>();
  std::fill_n(rows, k.outputs[0].count(), int64_t{0});
  int64_t found = 0;
  onFloating(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const double greatest = given(3) ? static_cast<double>(k.inputs[3].as<T>()[0]) : 0;
    const double least = given(4) ? static_cast<double>(k.inputs[4].as<T>()[0]) : -std::numeric_limits<double>::infinity();
    for (int64_t b = 0; b < batches; ++b) {
      std::vector<Box> boxes;
      for (int64_t i = 0; i < count; ++i) {
        const T* at = k.inputs[0].as<T>() + (b * count + i) * 4;
        const double corners[4] = {static_cast<double>(at[0]), static_cast<double>(at[1]), static_cast<double>(at[2]), static_cast<double>(at[3])};
        boxes.push_back(boxOf(corners, centred));
      }
      for (int64_t c = 0; c < classes; ++c)
        for (int64_t i : suppressed(boxes, k.inputs[1].as<T>() + (b * classes + c) * count, most, greatest, least)) {
          const int64_t row[3] = {b, c, i};
          std::copy_n(row, 3, rows + found++ * 3);
        }
    }
  });
  k.outputs[1].as<int64_t>()[0] = found;
}

/// What is no number comes last, and is one value, as numpy has it: the order must be one.
template <class T>
bool comesBefore(const T& a, const T& b) {
  if constexpr (isFloat<T>) {
    if (isnan(a) || isnan(b)) return !isnan(a);
  }
  return a < b;
}

void unique(const KernelArguments& k, const Node& node) {
  const bool sorted = node.attributes.integer("sorted") != 0;
  const int64_t count = k.inputs[0].shape[0], width = k.inputs[0].shape[1];
  onAny(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* x = k.inputs[0].as<T>();
    const auto before = [&](int64_t a, int64_t b) {
      return std::lexicographical_compare(x + a * width, x + (a + 1) * width, x + b * width, x + (b + 1) * width, comesBefore<T>);
    };
    std::vector<int64_t> order(static_cast<size_t>(count));
    std::iota(order.begin(), order.end(), int64_t{0});
    std::stable_sort(order.begin(), order.end(), before);
    // Groups of equal rows; the first of each is the one that came first.
    std::vector<int64_t> firsts, sizes, group(static_cast<size_t>(count));
    for (size_t i = 0; i < order.size(); ++i) {
      if (i == 0 || before(order[i - 1], order[i])) firsts.push_back(order[i]), sizes.push_back(0);
      ++sizes.back();
      group[static_cast<size_t>(order[i])] = static_cast<int64_t>(firsts.size()) - 1;
    }
    std::vector<int64_t> arrangement(firsts.size());
    std::iota(arrangement.begin(), arrangement.end(), int64_t{0});
    if (!sorted) std::sort(arrangement.begin(), arrangement.end(), [&](int64_t a, int64_t b) { return firsts[static_cast<size_t>(a)] < firsts[static_cast<size_t>(b)]; });
    std::vector<int64_t> placeOf(firsts.size());
    std::fill_n(k.outputs[0].as<T>(), k.outputs[0].count(), T{});
    for (size_t i = 1; i < 4; ++i) std::fill_n(k.outputs[i].as<int64_t>(), count, int64_t{0});
    for (size_t i = 0; i < arrangement.size(); ++i) {
      const auto g = static_cast<size_t>(arrangement[i]);
      placeOf[g] = static_cast<int64_t>(i);
      std::copy_n(x + firsts[g] * width, width, k.outputs[0].as<T>() + static_cast<int64_t>(i) * width);
      k.outputs[1].as<int64_t>()[i] = firsts[g];
      k.outputs[3].as<int64_t>()[i] = sizes[g];
    }
    for (size_t i = 0; i < group.size(); ++i) k.outputs[2].as<int64_t>()[i] = placeOf[static_cast<size_t>(group[i])];
    k.outputs[4].as<int64_t>()[0] = static_cast<int64_t>(firsts.size());
  });
}

/// A bilinear sample as four pixels and their weights; outside of the picture there is nothing.
struct Sample {
  int64_t at[4] = {0, 0, 0, 0};
  double weight[4] = {0, 0, 0, 0};
};
Sample sampleAt(double y, double x, int64_t height, int64_t width) {
  Sample s;
  if (!(y >= -1 && y <= static_cast<double>(height) && x >= -1 && x <= static_cast<double>(width))) return s;
  const auto split = [](double position, int64_t size, int64_t& low, int64_t& high) {
    position = std::max(position, 0.0);
    low = static_cast<int64_t>(position);
    if (low >= size - 1) low = high = size - 1;
    else high = low + 1;
    return low == high ? 0.0 : position - static_cast<double>(low);
  };
  int64_t top = 0, bottom = 0, left = 0, right = 0;
  const double down = split(y, height, top, bottom), across = split(x, width, left, right);
  const int64_t at[4] = {top * width + left, top * width + right, bottom * width + left, bottom * width + right};
  const double weight[4] = {(1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across};
  std::copy_n(at, 4, s.at);
  std::copy_n(weight, 4, s.weight);
  return s;
}

void roiAlign(const KernelArguments& k, const Node& node) {
  const TensorRef &x = k.inputs[0], &regions = k.inputs[1], &out = k.outputs[0];
  const int64_t channels = x.shape[1], height = x.shape[2], width = x.shape[3], rows = out.shape[2], columns = out.shape[3];
  const double scale = node.attributes.real("scale"), offset = node.attributes.integer("halfPixel") ? 0.5 : 0;
  const bool maximum = node.attributes.integer("maximum") != 0;
  constexpr double kMostSamples = 1024;
  onFloating(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t r = 0; r < regions.shape[0]; ++r) {
      const T* box = regions.as<T>() + r * 4;
      const int64_t batch = k.inputs[2].as<int64_t>()[r];
      if (batch < 0 || batch >= x.shape[0])
        throw Error("INPUT_VALUE", "region " + std::to_string(r) + " is in picture " + std::to_string(batch) + " of " + std::to_string(x.shape[0]));
      const double left = static_cast<double>(box[0]) * scale - offset, top = static_cast<double>(box[1]) * scale - offset;
      double wide = static_cast<double>(box[2]) * scale - offset - left, high = static_cast<double>(box[3]) * scale - offset - top;
      if (offset == 0) wide = std::max(wide, 1.0), high = std::max(high, 1.0);
      const double binHeight = high / static_cast<double>(rows), binWidth = wide / static_cast<double>(columns);
      const auto samples = [&](double bin) {
        const int64_t given = node.attributes.integer("samples");
        const double wanted = given > 0 ? static_cast<double>(given) : std::ceil(bin);
        if (!(wanted <= kMostSamples)) throw Error("INPUT_VALUE", "region " + std::to_string(r) + " asks for more than 1024 samples a bin");
        return static_cast<int64_t>(std::max(wanted, 0.0));
      };
      const int64_t down = samples(binHeight), across = samples(binWidth);
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t column = 0; column < columns; ++column) {
          std::vector<Sample> grid;
          for (int64_t i = 0; i < down; ++i)
            for (int64_t j = 0; j < across; ++j)
              grid.push_back(sampleAt(top + static_cast<double>(row) * binHeight + (static_cast<double>(i) + 0.5) * binHeight / static_cast<double>(down),
                                      left + static_cast<double>(column) * binWidth + (static_cast<double>(j) + 0.5) * binWidth / static_cast<double>(across), height, width));
          for (int64_t c = 0; c < channels; ++c) {
            const T* plane = x.as<T>() + (batch * channels + c) * height * width;
            Wide<T> value(0);
            for (size_t s = 0; s < grid.size(); ++s) {
              // The largest of the four weighted pixels, as ONNX defines its maximum.
              Wide<T> sample = Wide<T>(plane[grid[s].at[0]]) * Wide<T>(grid[s].weight[0]);
              for (int corner = 1; corner < 4; ++corner) {
                const Wide<T> part = Wide<T>(plane[grid[s].at[corner]]) * Wide<T>(grid[s].weight[corner]);
                sample = maximum ? (sample < part ? part : sample) : sample + part;
              }
              value = !maximum ? value + sample : s == 0 || value < sample ? sample : value;
            }
            if (!maximum) value = value / Wide<T>(static_cast<double>(std::max<int64_t>(down * across, 1)));
            out.as<T>()[((r * channels + c) * rows + row) * columns + column] = narrow<T>(value);
          }
        }
    }
  });
}

/// By Gaussian elimination with the largest pivot.
void determinant(const KernelArguments& k, const Node&) {
  const int64_t n = k.inputs[0].shape.at(-1);
  onFloating(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    const auto size = [](const W& w) { return std::abs(static_cast<double>(w)); };
    for (int64_t m = 0; m < k.outputs[0].count(); ++m) {
      std::vector<W> a;
      for (int64_t i = 0; i < n * n; ++i) a.push_back(W(k.inputs[0].as<T>()[m * n * n + i]));
      const auto at = [&](int64_t row, int64_t column) -> W& { return a[static_cast<size_t>(row * n + column)]; };
      W result(1);
      for (int64_t c = 0; c < n; ++c) {
        int64_t pivot = c;
        for (int64_t r = c + 1; r < n; ++r)
          if (size(at(r, c)) > size(at(pivot, c))) pivot = r;
        result = result * at(pivot, c);
        if (size(at(pivot, c)) == 0) break;
        if (pivot != c) {
          for (int64_t j = 0; j < n; ++j) std::swap(at(pivot, j), at(c, j));
          result = W(0) - result;
        }
        for (int64_t r = c + 1; r < n; ++r) {
          const W factor = at(r, c) / at(c, c);
          for (int64_t j = c; j < n; ++j) at(r, j) = at(r, j) - factor * at(c, j);
        }
      }
      k.outputs[0].as<T>()[m] = narrow<T>(result);
    }
  });
}

const Registered kernels[] = {
    {"nonZero", nonZero, any},   {"nonMaxSuppression", nonMaxSuppression, floating},
    {"unique", unique, any},     {"roiAlign", roiAlign, floating},
    {"determinant", determinant, floating},
};

}  // namespace
}  // namespace ascribe::reference
