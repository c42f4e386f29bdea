#include "op_cases/families.h"

namespace ascribe::test {

/// Gate inputs [T, B, gates H], weights [gates H, H], then what a note names.
std::vector<OpCase> recurrentCases() {
  std::vector<OpCase> cases;
  constexpr int64_t steps = 4, batch = 2, size = 3;
  struct Cell { std::string name; int64_t gates; int outputs; };
  const Operand state = real({batch, size}), lengths = given(DType::I32, {batch}, {4, 2}), peepholes = real({3 * size});
  for (const Cell& cell : {Cell{"rnn", 1, 2}, Cell{"gru", 3, 2}, Cell{"lstm", 4, 3}}) {
    const Operand x = real({steps, batch, cell.gates * size}), r = real({cell.gates * size, size});
    const auto add = [&](const std::string& note, std::vector<Operand> operands, Attributes attributes = {}) {
      attributes.set("cell", cell.name);
      cases.push_back({"recurrent", note.empty() ? cell.name : cell.name + ", " + note, std::move(operands), attributes, cell.outputs});
    };
    const bool lstm = cell.name == "lstm";
    const Operand cells = lstm ? state : none();
    add("", {x, r});
    add("states", {x, r, state, cells});
    add("in reverse", {x, r, state, cells}, {{"reverse", int64_t{1}}});
    add("lengths", {x, r, state, cells, none(), none(), lengths});
    add("lengths in reverse", {x, r, state, none(), none(), none(), lengths}, {{"reverse", int64_t{1}}});
    add("clip", {x, r, state}, {{"clip", .4}});
    add("one step", {real({1, batch, cell.gates * size}), r, state, cells});
    const std::string rare = cell.name == "rnn" ? "softsign" : cell.name == "gru" ? "softplus softsign" : "hardSigmoid softsign softplus";
    add(rare, {x, r, state}, {{"activations", rare}});
    if (cell.name == "gru") {
      add("reset after", {x, r, state}, {{"resetAfter", int64_t{1}}});
      add("reset after with bias", {x, r, state, none(), real({size})}, {{"resetAfter", int64_t{1}}});
    }
    if (lstm) {
      add("peepholes", {x, r, state, state, none(), peepholes});
      add("input forget", {x, r, state, state}, {{"inputForget", int64_t{1}}});
    }
    const Attributes named{{"cell", cell.name}};
    cases.push_back(valuesOnly({"recurrent", cell.name + ", odd", {real({5, 3, cell.gates * 33}), real({cell.gates * 33, 33}, -.3, .3)}, named, cell.outputs}));
    cases.push_back(timed({"recurrent", cell.name + ", timed", {real({32, 8, cell.gates * 128}), real({cell.gates * 128, 128}, -.1, .1)}, named, cell.outputs}));
  }
  return cases;
}

}  // namespace ascribe::test
