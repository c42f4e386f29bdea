#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "graph/graph.h"

/// One list of cases a native op, declared once and driven several ways: every backend against the reference in
/// double, derivatives against dual numbers and differences, lowered gradients against double, speed, and the
/// table of supported operations.
namespace ascribe::test {

/// How one operand is made. Drawn elements are repeatable: seeded by the op's name and the operand's place.
struct Operand {
  DType dtype = DType::F32;
  Shape shape;
  double low = -1, high = 1;
  std::vector<double> values;  // given instead of drawn
  bool absent = false;
  bool spaced = false;    // distinct and at least 0.1 apart: nothing ties, no maximum changes place
  bool constant = false;  // part of the model: never differentiated
  bool chooses = false;   // selects elements by equality, so a difference quotient along it means nothing
  /// Computed by another op from operands before it.
  std::string from;
  std::vector<size_t> of;
  Attributes how;
  size_t output = 0;
};

Operand real(Shape shape, double low = -1, double high = 1);
Operand spaced(Shape shape);
Operand given(DType dtype, Shape shape, std::vector<double> values);
/// Integers in [low, high].
Operand whole(DType dtype, Shape shape, int64_t low, int64_t high);
Operand truth(Shape shape);
Operand integerList(const std::vector<int64_t>& values);
Operand none();
Operand constant(Operand operand);
Operand computed(std::string op, std::vector<size_t> of, Attributes how = {}, size_t output = 0);

enum class Derivatives : uint8_t {
  Unchecked,  // sizes that a difference quotient an element would take too long for; also ops without a rule
  First,
  Second,
  Refused,  // DERIVATIVE_UNSUPPORTED, although the op has a rule
};

struct OpCase {
  std::string op;
  std::string note;
  std::vector<Operand> operands;
  Attributes attributes;
  int outputs = 1;
  Derivatives derivatives = Derivatives::Second;
  /// max |a - b| <= tolerance * max |b| for an f32 kernel against double. Never above 1e-5.
  double tolerance = 2e-6;
  /// Large enough to be timed by --speed.
  bool timed = false;

  std::string name() const { return note.empty() ? op : op + " " + note; }
};

/// Sized to be timed: compared with the reference too, but not differentiated.
OpCase timed(OpCase test);
OpCase valuesOnly(OpCase test);

/// All cases, family after family.
const std::vector<OpCase>& opCases();

/// The operands of a case; an absent one is a default HostTensor.
std::vector<HostTensor> operandsOf(const OpCase& test);

/// A graph of the case's one node. Integers that the shape rule reads, and constants where asked, are constants;
/// everything else is an input.
struct CaseGraph {
  Graph graph;
  std::vector<ValueId> operands;  // kNone where absent
  std::vector<ValueId> results;
  const Node& node() const { return graph.nodes.back(); }
};
CaseGraph graphOf(const OpCase& test, const std::vector<HostTensor>& operands, bool constants);

/// f32 tensors widened to double; all others as they are.
std::vector<HostTensor> widened(const std::vector<HostTensor>& tensors);

}  // namespace ascribe::test
