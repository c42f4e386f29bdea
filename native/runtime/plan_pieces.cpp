#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "graph/op.h"
#include "runtime/plan.h"

namespace ascribe {

namespace {

/// Between pieces a run can be stopped, and other runs get their turn: work for a few milliseconds, and no more launches than
/// a device is told of at once. What is shorter than kLeast costs as little one by one.
constexpr size_t kMostSteps = 256, kLeastSteps = 4;
constexpr double kMostFlops = 100e9;

std::string nameOf(const Graph& graph, const PlanStep& step) {
  const Node& node = graph.nodes[static_cast<size_t>(step.node)];
  return (node.name.empty() ? "a node" : node.name) + " (" + std::string(node.op->name) + ", " + std::string(step.kernel->name()) + ")";
}

}  // namespace

void Plan::findPieces() {
  // What a repeated run leaves out is not replayed either.
  const auto recorded = [&](const PlanStep& step) { return !step.steady && device_->records(*step.kernel); };
  if (std::none_of(steps_.begin(), steps_.end(), recorded)) return;
  const auto& without = options_.withoutPasses;
  if (std::find(without.begin(), without.end(), "record-launches") != without.end()) unrecorded_ = "record-launches is left out";
  else if (const char* setting = std::getenv("ASCRIBE_CUDA_RECORDING"); setting != nullptr && std::strcmp(setting, "off") == 0) unrecorded_ = "ASCRIBE_CUDA_RECORDING is off";
  // With other lengths the launches are others.
  else if (hasRunLengths()) unrecorded_ = "lengths differ from run to run";
  if (!unrecorded_.empty()) return;
  for (size_t begin = 0; begin < steps_.size();) {
    size_t end = begin;
    double flops = 0;
    for (; end < steps_.size() && end - begin < kMostSteps && flops < kMostFlops && recorded(steps_[end]); ++end) flops += steps_[end].kernel->flops();
    if (end - begin >= kLeastSteps) pieces_.push_back({begin, end});
    begin = std::max(end, begin + 1);
  }
}

std::string Plan::recordingReport() const {
  size_t replayed = 0, elsewhere = 0;
  const PlanStep* first = nullptr;
  for (const PlanPiece& piece : pieces_) replayed += piece.end - piece.begin;
  for (const PlanStep& step : steps_) {
    if (device_->records(*step.kernel)) continue;
    ++elsewhere;
    if (first == nullptr) first = &step;
  }
  if (elsewhere == steps_.size()) return {};
  const std::string why = unrecorded_.empty() ? recordings_->refusal() : unrecorded_;
  if (!why.empty()) return "launches are not recorded: " + why;
  std::string out = "recorded launches, replayed from the third run on: " + std::to_string(replayed) + " of " + std::to_string(steps_.size()) + " nodes in " + std::to_string(pieces_.size()) + (pieces_.size() == 1 ? " piece" : " pieces");
  if (first != nullptr)
    out += "; on the host: " + nameOf(graph_, *first) + (elsewhere > 1 ? " and " + std::to_string(elsewhere - 1) + " more" : "");
  return out;
}

}  // namespace ascribe
