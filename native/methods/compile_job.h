#pragma once
#include <memory>

#include "runtime/job.h"
#include "runtime/plan.h"

namespace ascribe {

/// Makes a plan on a lane. Its passes are one turn: a plan cannot be half made.
class CompileJob : public Job {
 public:
  CompileJob(std::shared_ptr<const Graph> graph, std::shared_ptr<Parameters> parameters, CompileOptions options)
      : graph_(std::move(graph)), parameters_(std::move(parameters)), options_(std::move(options)) {}

  Step advance(Slice& slice) override {
    slice.checkCancelled();
    plan_ = compile(*graph_, parameters_, options_);
    return Step::Done;
  }
  const std::shared_ptr<const Plan>& plan() const { return plan_; }

 private:
  std::shared_ptr<const Graph> graph_;
  std::shared_ptr<Parameters> parameters_;
  CompileOptions options_;
  std::shared_ptr<const Plan> plan_;
};

}  // namespace ascribe
