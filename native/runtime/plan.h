#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/specialise.h"
#include "kernels/kernel.h"
#include "runtime/device.h"
#include "runtime/parameters.h"
#include "runtime/recordings.h"

namespace ascribe {

struct CompileOptions {
  SpecialiseOptions specialise;
  bool frozenParameters = true;
  std::string device = "auto";
  std::vector<std::string> backends;        // empty: every one found, fastest first
  std::vector<std::string> withoutPasses;
  std::vector<std::string> pinned;          // names of values that must stay observable
  std::vector<std::string> steady;          // names of inputs that runs which are repeated find unchanged
  /// Bytes that the activations of a plan with a gradient may take: what does not fit is computed again when the gradient
  /// reads it, and where nothing fits, it is OUT_OF_MEMORY_BUDGET. 0: as few as can be. None: everything is kept.
  std::optional<size_t> recompute;
};

/// Where a kernel finds an operand.
struct OperandRef {
  enum class Place : uint8_t { Absent, ShapeOnly, Arena, Weights, Input, Parameter, State };
  Place place = Place::Absent;
  size_t index = 0;  // byte offset in the arena, else an index
  ValueId value = kNone;
};

struct PlanStep {
  NodeId node = 0;
  /// What is computed again shares the kernel of the first time.
  std::shared_ptr<const Kernel> kernel;
  bool isAgain = false;
  std::vector<OperandRef> inputs, outputs;
  /// What it makes follows from steady inputs and weights alone, and lies there until the next run.
  bool steady = false;
};

/// A graph made ready: specialised, raised, differentiated, lowered, its memory planned, its weights packed.
/// Immutable; any number of executions may run it at once.
class Plan {
 public:
  const Graph& graph() const { return graph_; }
  const std::vector<PlanStep>& steps() const { return steps_; }
  const std::vector<OperandRef>& outputs() const { return outputs_; }
  /// Input `i` is read by some step or is an output.
  bool usesInput(size_t i) const { return inputUsed_[i]; }
  size_t arenaBytes() const { return arenaBytes_; }
  size_t scratchBytes() const { return scratchBytes_; }
  size_t weightBytes() const { return weightBytes_; }
  /// What activations would take if nothing were computed again; 0 where nothing is.
  size_t keptArenaBytes() const { return keptArenaBytes_; }
  /// Address on the device; null for one that no step reads.
  void* weights(size_t index) const { return onHost_ ? const_cast<void*>(weights_[index].data()) : deviceWeights_[index].address(); }
  const std::shared_ptr<Device>& device() const { return device_; }
  const std::shared_ptr<Parameters>& parameters() const { return parameters_; }
  const std::vector<std::string>& fallbacks() const { return fallbacks_; }
  const std::vector<std::string>& unconnected() const { return unconnected_; }
  bool hasRunLengths() const { return !options_.specialise.runLengths.empty(); }
  const CompileOptions& options() const { return options_; }

  /// Runs of steps that the device writes down and replays; none where it writes down nothing.
  const std::vector<PlanPiece>& pieces() const { return pieces_; }
  Recordings& recordings() const { return *recordings_; }
  /// For people: how much of a run is replayed, and what is not and why. Empty on a device that writes down nothing.
  std::string recordingReport() const;

 private:
  void findPieces();
  friend std::shared_ptr<const Plan> compile(const Graph&, std::shared_ptr<Parameters>, const CompileOptions&);
  Graph graph_;
  CompileOptions options_;
  std::vector<PlanStep> steps_;
  std::vector<OperandRef> outputs_;
  std::vector<char> inputUsed_;
  std::shared_ptr<Device> device_;
  bool onHost_ = true;  // what device_ says, asked once
  std::vector<HostTensor> weights_;         // where the device is the host
  std::vector<DeviceBuffer> deviceWeights_;  // elsewhere
  std::shared_ptr<Parameters> parameters_;
  size_t arenaBytes_ = 0, scratchBytes_ = 0, weightBytes_ = 0, keptArenaBytes_ = 0;
  std::vector<std::string> fallbacks_, unconnected_;
  std::vector<PlanPiece> pieces_;
  std::string unrecorded_;  // why nothing is written down, where the device could
  std::unique_ptr<Recordings> recordings_ = std::make_unique<Recordings>();
};

/// The one pipeline: specialise, raise, pin, differentiate, lower, plan. `source` must be verified.
std::shared_ptr<const Plan> compile(const Graph& source, std::shared_ptr<Parameters> parameters, const CompileOptions& options);

}  // namespace ascribe
