#include <algorithm>
#include <vector>

#include "kernels/reference/activations.h"
#include "kernels/reference/register.h"
#include "kernels/reference/types.h"
#include "ops/recurrent.h"

namespace ascribe::reference {
namespace {

template <class W>
W activate(GateActivation kind, W x, double clip) {
  if (clip > 0) x = x >= W(clip) ? W(clip) : x <= W(-clip) ? W(-clip) : x;
  switch (kind) {
    case GateActivation::Sigmoid: return sigmoid(x);
    case GateActivation::Tanh: return tanh(x);
    case GateActivation::Relu: return x > W(0) ? x : W(0);
    case GateActivation::Softsign: return x / (1.0 + (x < W(0) ? -x : x));
    case GateActivation::Softplus: return softplus(x);
    case GateActivation::HardSigmoid: return unitClip(x * W(0.2) + W(0.5));
  }
  return x;
}

/// One step of one sequence: x [gates H], R [gates H, H], state and cell [H] in place.
template <class T, class W>
struct Step {
  const RecurrentCell& cell;
  const T* x;
  const T* r;
  const T* bias;       // or null
  const T* peepholes;  // or null
  int64_t size;
  std::vector<W>& h;
  std::vector<W>& c;

  W row(int64_t gate, int64_t j, const std::vector<W>& state) const {
    const T* weights = r + (gate * size + j) * size;
    W sum(0);
    for (int64_t k = 0; k < size; ++k) sum += Wide<T>(weights[k]) * state[static_cast<size_t>(k)];
    return sum;
  }
  W given(int64_t gate, int64_t j) const { return W(x[gate * size + j]); }
  W sum(int64_t gate, int64_t j) const { return given(gate, j) + row(gate, j, h); }
  W act(int which, W value) const { return activate<W>(cell.activations[static_cast<size_t>(which)], value, cell.clip); }
  W peep(int64_t gate, int64_t j, W of) const { return peepholes == nullptr ? W(0) : W(peepholes[gate * size + j]) * of; }

  void lstm() {
    std::vector<W> next(static_cast<size_t>(size));
    for (int64_t j = 0; j < size; ++j) {
      W& old = c[static_cast<size_t>(j)];
      const W in = act(0, sum(0, j) + peep(0, j, old));
      const W forget = cell.inputForget ? W(1) - in : act(0, sum(2, j) + peep(2, j, old));
      old = forget * old + in * act(1, sum(3, j));
      next[static_cast<size_t>(j)] = act(0, sum(1, j) + peep(1, j, old)) * activate<W>(cell.activations[2], old, 0);
    }
    h = next;
  }
  void gru() {
    std::vector<W> z(static_cast<size_t>(size)), reset(z), kept(z), next(z);
    for (int64_t j = 0; j < size; ++j) {
      const auto at = static_cast<size_t>(j);
      z[at] = act(0, sum(0, j));
      reset[at] = act(0, sum(1, j));
      kept[at] = reset[at] * h[at];
    }
    for (int64_t j = 0; j < size; ++j) {
      const auto at = static_cast<size_t>(j);
      const W product = cell.resetsAfter() ? reset[at] * (row(2, j, h) + (bias == nullptr ? W(0) : W(bias[j]))) : row(2, j, kept);
      next[at] = (W(1) - z[at]) * act(1, given(2, j) + product) + z[at] * h[at];
    }
    h = next;
  }
  void rnn() {
    std::vector<W> next(static_cast<size_t>(size));
    for (int64_t j = 0; j < size; ++j) next[static_cast<size_t>(j)] = act(0, sum(0, j));
    h = next;
  }
};

int64_t lengthOf(const TensorRef& lengths, int64_t b, int64_t steps) {
  const int64_t length = lengths.dtype == DType::I64 ? lengths.as<int64_t>()[b] : lengths.as<int32_t>()[b];
  if (length < 0 || length > steps)
    throw Error("INPUT_VALUE", "sequence " + std::to_string(b) + " has length " + std::to_string(length) + " of " + std::to_string(steps) + " steps");
  return length;
}

void recurrent(const KernelArguments& k, const Node& node) {
  const RecurrentCell cell(node.attributes);
  const TensorRef &x = k.inputs[0], &r = k.inputs[1];
  const int64_t steps = x.shape[0], batch = x.shape[1], width = x.shape[2], size = r.shape[1];
  onFloating(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    const auto optional = [&](int i) { return k.has(i) ? k.inputs[static_cast<size_t>(i)].as<T>() : nullptr; };
    std::vector<W> h(static_cast<size_t>(size)), c(h);
    const auto load = [&](const T* from, int64_t b, std::vector<W>& to) {
      for (int64_t j = 0; j < size; ++j) to[static_cast<size_t>(j)] = from == nullptr ? W(0) : W(from[b * size + j]);
    };
    const auto store = [&](const std::vector<W>& from, T* to) {
      for (int64_t j = 0; j < size; ++j) to[j] = narrow<T>(from[static_cast<size_t>(j)]);
    };
    for (int64_t b = 0; b < batch; ++b) {
      load(optional(2), b, h);
      load(optional(3), b, c);
      const int64_t length = k.has(6) ? lengthOf(k.inputs[6], b, steps) : steps;
      T* out = k.outputs[0].as<T>();
      for (int64_t t = length; t < steps; ++t) std::fill_n(out + (t * batch + b) * size, size, T(0));
      for (int64_t s = 0; s < length; ++s) {
        const int64_t t = cell.reverse ? length - 1 - s : s;
        Step<T, W> step{cell, x.as<T>() + (t * batch + b) * width, r.as<T>(), optional(4), optional(5), size, h, c};
        cell.isLstm() ? step.lstm() : cell.isGru() ? step.gru() : step.rnn();
        store(h, out + (t * batch + b) * size);
      }
      store(h, k.outputs[1].as<T>() + b * size);
      if (cell.isLstm()) store(c, k.outputs[2].as<T>() + b * size);
    }
  });
}

const Registered kernels[] = {{"recurrent", recurrent, floating}};

}  // namespace
}  // namespace ascribe::reference
