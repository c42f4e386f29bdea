#include "methods/run_job.h"

#include <cstring>

#include "graph/op.h"
#include "methods/finite.h"

namespace ascribe {

namespace {

double bytesTouched(const Graph& graph, const Node& node) {
  double bytes = 0;
  for (const auto* list : {&node.inputs, &node.outputs})
    for (ValueId id : *list)
      if (id != kNone) bytes += static_cast<double>(bytesOf(graph.type(id).dtype, graph.shape(id).count()));
  return bytes;
}

std::vector<ProfiledNode> describe(const Plan& plan, const std::vector<NodeProfile>& profile) {
  std::map<NodeId, const PlanStep*> steps;
  for (const PlanStep& step : plan.steps()) steps[step.node] = &step;
  std::vector<ProfiledNode> out;
  for (const NodeProfile& entry : profile) {
    const Node& node = plan.graph().nodes[static_cast<size_t>(entry.node)];
    const Kernel& kernel = *steps.at(entry.node)->kernel;
    out.push_back({node.name, node.op->name, std::string(kernel.name()), entry.startMs, entry.milliseconds, kernel.flops(),
                   bytesTouched(plan.graph(), node)});
  }
  return out;
}

}  // namespace

void RunJob::begin() {
  started_ = std::chrono::steady_clock::now();
  execution_ = std::make_unique<Execution>(request_.plan, request_.budget, request_.session);
  for (const auto& [symbol, length] : request_.runLengths) execution_->setRunLength(symbol, length);
  for (size_t i = 0; i < request_.inputs.size(); ++i)
    if (const auto& input = request_.inputs[i]) execution_->bindInput(i, input->data(), input->dtype(), input->shape());
  execution_->enableProfile(request_.profile);
  execution_->start();
}

void RunJob::finish() {
  for (size_t i = 0; i < request_.plan->outputs().size(); ++i) {
    const TensorRef output = execution_->output(i);
    if (HostTensor landed = execution_->takeOutput(i); landed.data() != nullptr) {
      outputs_.push_back(std::move(landed));
      continue;
    }
    HostTensor copy(output.dtype, output.shape, request_.budget);
    if (copy.bytes() != 0) std::memcpy(copy.mutableData(), output.data, copy.bytes());
    outputs_.push_back(std::move(copy));
  }
  if (request_.profile) {
    profile_ = describe(*request_.plan, execution_->profile());
    recording_ = request_.plan->recordingReport();
  }
  peakBytes_ = request_.budget ? request_.budget->peak() : execution_->bytes();
  milliseconds_ = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started_).count();
  // The arena goes now, not when the promise's value is collected.
  execution_.reset();
  request_.inputs.clear();
}

Job::Step RunJob::advance(Slice& slice) {
  if (!execution_) {
    slice.checkCancelled();
    begin();
  }
  const Step step = execution_->advance(slice);
  if (!tracing_) slice.progress(static_cast<double>(execution_->stepsDone()), static_cast<double>(request_.plan->steps().size()));
  if (step != Step::Done) return step;
  if (request_.guard && !tracing_ && !outputsFinite(*execution_)) {
    // States have moved on, so a run with a session cannot be repeated to find the node.
    if (request_.session) throw Error("NOT_FINITE", "an output holds NaN or infinity");
    tracing_ = true;
    execution_->enableTrace(true);
    execution_->start();
    return Step::More;
  }
  // A traced run that gets here found no node to blame: the NaN came in with an input or a weight.
  finish();
  return Step::Done;
}

}  // namespace ascribe
