#include <cmath>
#include <limits>

#include "methods/path_walk.h"

namespace ascribe {

namespace {

constexpr double kClose = 1e-9;

/// Source: Kapishnikov et al., "Guided integrated gradients: an adaptive path method for removing noise" (CVPR 2021),
/// algorithm 1, with the bounds on the distance to the straight path of the authors' software.
class GuidedWalk : public PathWalk {
 public:
  using PathWalk::PathWalk;

 protected:
  size_t doubles() const override { return (4 * static_cast<size_t>(rows()) + 3) * static_cast<size_t>(elements_); }
  void prepare() override { takeUp(0); }
  bool fill() override {
    if (states_.empty()) return false;
    for (size_t row = 0; row < states_.size(); ++row) place(static_cast<int64_t>(row), states_[row].item, states_[row].at);
    return true;
  }
  void collect() override {
    for (size_t row = 0; row < states_.size(); ++row) {
      State& state = states_[row];
      const double value = objective(static_cast<int64_t>(row));
      if (step_ == 0) result_.baselineObjective[static_cast<size_t>(state.item)] = value;
      gradient(static_cast<int64_t>(row), gradient_);
      if (request_.trapezoid && step_ > 0)
        for (size_t i = 0; i < state.moved.size(); ++i) state.scores[i] += state.moved[i] * gradient_[i] / 2;
      if (step_ == request_.steps) {
        setInput(state.item, static_cast<int64_t>(row));
        setAttribution(state.item, state.scores);
        continue;
      }
      advanceState(state);
    }
    if (step_++ == request_.steps) takeUp(states_.back().item + 1);
  }
  double share() const override {
    const auto each = static_cast<double>(request_.steps + 1);
    return (static_cast<double>(done_) * each + static_cast<double>(step_) * static_cast<double>(states_.size())) / (each * static_cast<double>(items_));
  }

 private:
  struct State {
    int64_t item = 0;
    std::vector<double> at, end, scores, moved;
    double length = 0;
  };
  int64_t rows() const { return std::min(request_.base.chunk, items_); }

  /// The next items, as many as the plan has rows.
  void takeUp(int64_t first) {
    done_ = first;
    step_ = 0;
    states_.clear();
    for (int64_t item = first; item < std::min(items_, first + rows()); ++item) {
      State state;
      state.item = item;
      state.at = load(request_.base.baselines, item);
      state.end = load(request_.base.inputs, item);
      state.scores.assign(state.at.size(), 0);
      if (request_.trapezoid) state.moved.assign(state.at.size(), 0);
      for (size_t i = 0; i < state.at.size(); ++i) state.length += std::fabs(state.end[i] - state.at[i]);
      states_.push_back(std::move(state));
    }
  }

  /// One step: the inputs of least gradient go first, as far as the corridor around the straight path lets them, until
  /// the point is as near to the end as the step wants.
  void advanceState(State& state) {
    std::fill(state.moved.begin(), state.moved.end(), 0);
    if (state.length == 0) return;
    const std::vector<double> start = load(request_.base.baselines, state.item);
    const auto steps = static_cast<double>(request_.steps);
    const double alpha = static_cast<double>(step_ + 1) / steps;
    const double least = std::max(alpha - request_.maximumDistance, 0.0), most = std::min(alpha + request_.maximumDistance, 1.0);
    const double target = state.length * (1 - alpha);
    const auto onLine = [&](size_t i, double t) { return t == 1 ? state.end[i] : start[i] + t * (state.end[i] - start[i]); };
    const auto move = [&](size_t i, double to) {
      const double by = to - state.at[i];
      state.scores[i] += by * (request_.trapezoid ? gradient_[i] / 2 : gradient_[i]);
      if (request_.trapezoid) state.moved[i] += by;
      state.at[i] = to;
    };
    for (size_t i = 0; i < state.at.size(); ++i) {
      const double way = state.end[i] - start[i];
      if (way != 0 && (state.at[i] - start[i]) / way < least) move(i, onLine(i, least));
    }
    sizes_.resize(state.at.size());
    for (;;) {
      double left = 0;
      for (size_t i = 0; i < state.at.size(); ++i) left += std::fabs(state.at[i] - state.end[i]);
      if (left <= target + kClose * std::max(1.0, target)) return;
      for (size_t i = 0; i < state.at.size(); ++i)
        sizes_[i] = state.at[i] == onLine(i, most) ? std::numeric_limits<double>::infinity() : std::fabs(gradient_[i]);
      const auto at = static_cast<std::ptrdiff_t>(std::floor(static_cast<double>(sizes_.size() - 1) * request_.fraction));
      ordered_ = sizes_;
      std::nth_element(ordered_.begin(), ordered_.begin() + at, ordered_.end());
      const double threshold = ordered_[static_cast<size_t>(at)];
      const auto chosen = [&](size_t i) { return sizes_[i] <= threshold && std::isfinite(sizes_[i]); };
      double reachable = 0;
      bool any = false;
      for (size_t i = 0; i < sizes_.size(); ++i)
        if (chosen(i)) any = true, reachable += std::fabs(state.at[i] - onLine(i, most));
      if (!any) return;
      const double gamma = reachable > 0 ? (left - target) / reachable : std::numeric_limits<double>::infinity();
      for (size_t i = 0; i < sizes_.size(); ++i) {
        if (!chosen(i)) continue;
        const double end = onLine(i, most);
        move(i, gamma > 1 ? end : state.at[i] + gamma * (end - state.at[i]));
      }
      if (gamma <= 1) return;
    }
  }

  std::vector<State> states_;
  std::vector<double> gradient_, sizes_, ordered_;
  int64_t step_ = 0, done_ = 0;
};

}  // namespace

std::shared_ptr<PathWalk> makeGuidedWalk(WalkRequest request) { return std::make_shared<GuidedWalk>(std::move(request)); }

}  // namespace ascribe
