#include "ops/recurrent.h"

#include <algorithm>
#include <array>

#include "ops/rules.h"
#include "runtime/error.h"

namespace ascribe {
namespace {
using namespace rules;

/// (inputs [T, B, gates H], R [gates H, H], h0 [B, H]?, c0 [B, H]?, bias of the recurrent product [H]?, peepholes [3 H]?,
/// lengths [B]?) -> every state [T, B, H], the last state and, for an LSTM, the last cell [B, H].
void recurrent(InferContext& c) {
  const RecurrentCell cell(c.attributes());
  const Shape &x = c.shape(0), &r = c.shape(1);
  c.require(x.rank() == 3 && r.rank() == 2, "needs gate inputs [T,B,gates H] and recurrent weights [gates H,H]");
  c.require(r[1] > 0 && r[0] == cell.gates * r[1] && x[2] == r[0], "the gate inputs and the recurrent weights do not fit");
  for (int i = 1; i < std::min(c.inputCount(), 6); ++i) c.require(!c.has(i) || c.dtype(i) == c.dtype(0), "operands have different element types");
  const Shape state{x[1], r[1]};
  c.require(!c.has(2) || c.shape(2) == state, "the initial state must be [B,H]");
  c.require(!c.has(3) || (cell.isLstm() && c.shape(3) == state), "the initial cell must be [B,H], of an LSTM");
  c.require(!c.has(4) || (cell.resetsAfter() && c.shape(4) == Shape{r[1]}), "the recurrent bias must be [H], of a GRU that resets after its product");
  c.require(!c.has(5) || (cell.isLstm() && c.shape(5) == Shape{3 * r[1]}), "peepholes must be [3 H], of an LSTM");
  c.require(!c.has(6) || ((c.dtype(6) == DType::I32 || c.dtype(6) == DType::I64) && c.shape(6) == Shape{x[1]}), "lengths must be one whole number per sequence");
  c.require(c.outputCount() == (cell.isLstm() ? 3 : 2), "an LSTM has three results, other cells have two");
  c.output(0, c.dtype(0), Shape{x[0], x[1], r[1]});
  for (int i = 1; i < c.outputCount(); ++i) c.output(i, c.dtype(0), state);
}

const bool registered = [] {
  RegisterOp({.name = "recurrent", .opClass = OpClass::Composite, .minInputs = 2, .maxInputs = 7, .minOutputs = 2, .maxOutputs = 3,
              .attributes = {requiredText("cell"), text("activations", ""), integer("reverse", 0), real("clip", 0),
                             integer("inputForget", 0), integer("resetAfter", 0)},
              .infer = recurrent});
  return true;
}();

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

}  // namespace

RecurrentCell::RecurrentCell(const Attributes& attributes) : cell_(attributes.text("cell")) {
  clip = attributes.real("clip");
  reverse = attributes.integer("reverse") != 0;
  inputForget = attributes.integer("inputForget") != 0;
  resetAfter_ = attributes.integer("resetAfter") != 0;
  std::vector<std::string> names = words(attributes.text("activations"));
  const bool known = cell_ == "lstm" || cell_ == "gru" || cell_ == "rnn";
  if (!known) throw Error("MODEL_INVALID", "a recurrent cell is lstm, gru or rnn, not " + cell_);
  gates = cell_ == "lstm" ? 4 : cell_ == "gru" ? 3 : 1;
  if (names.empty()) names = cell_ == "lstm" ? words("sigmoid tanh tanh") : cell_ == "gru" ? words("sigmoid tanh") : words("tanh");
  if (names.size() != (cell_ == "lstm" ? 3 : cell_ == "gru" ? 2 : 1))
    throw Error("MODEL_INVALID", "a recurrent cell " + cell_ + " does not take " + std::to_string(names.size()) + " activations");
  if (!(clip >= 0)) throw Error("MODEL_INVALID", "the clip of a recurrent cell must not be negative");
  for (size_t i = 0; i < names.size(); ++i) {
    const auto at = std::find(kGateActivations.begin(), kGateActivations.end(), names[i]);
    if (at == kGateActivations.end()) throw Error("MODEL_INVALID", "a recurrent cell has no activation " + names[i]);
    activations[i] = static_cast<GateActivation>(at - kGateActivations.begin());
  }
}

}  // namespace ascribe
