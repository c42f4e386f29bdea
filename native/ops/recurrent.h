#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "graph/attributes.h"

namespace ascribe {

enum class GateActivation : uint8_t { Sigmoid, Tanh, Relu, Softsign, Softplus, HardSigmoid };
/// Names by value.
inline constexpr std::array<std::string_view, 6> kGateActivations{"sigmoid", "tanh", "relu", "softsign", "softplus", "hardSigmoid"};

/// The attributes of a `recurrent` node, read once. One direction; the products of inputs and weights are done before
/// it, over all steps at once. With a = x_t + R h and p the peepholes, steps in which a sequence has ended leave its
/// state and give 0:
///   rnn   h' = f(a)
///   gru   z, r = f(a_z), f(a_r);  n = g(x_n + R_n (r h)), or g(x_n + r (R_n h + b)) where the reset comes after;
///         h' = (1 - z) n + z h
///   lstm  i, o, f = f(a_i + p_i c), f(a_o + p_o c'), f(a_f + p_f c), or f = 1 - i;  c' = f c + i g(a_c);  h' = o h(c')
/// Gates stand in the order of ONNX: z r n, and i o f c. What goes into the activation of a
/// gate is cut to [-clip, clip]; the cell itself is not (as ONNX Runtime reads the specification).
struct RecurrentCell {
  explicit RecurrentCell(const Attributes& attributes);
  bool isLstm() const { return gates == 4; }
  bool isGru() const { return gates == 3; }
  bool resetsAfter() const { return isGru() && resetAfter_; }

  int64_t gates = 1;
  std::array<GateActivation, 3> activations{};
  double clip = 0;  // 0: none
  bool reverse = false, inputForget = false;

 private:
  std::string cell_;
  bool resetAfter_ = false;
};

}  // namespace ascribe
