#include <cmath>

#include "methods/path_walk.h"

namespace ascribe {

namespace {

/// How far behind a kink its piece is looked at: far above the rounding of a double, far below a piece that counts.
constexpr double kBehind = 1e-10;

/// Within a piece every value before a kink moves evenly, so that one look tells both the gradient and where the piece
/// ends. Segments of the path are walked side by side, one a row.
class PieceWalk : public PathWalk {
 public:
  using PathWalk::PathWalk;

 protected:
  size_t doubles() const override { return 5 * static_cast<size_t>(elements_); }
  void prepare() override {
    start_ = load(request_.base.baselines, 0);
    end_ = load(request_.base.inputs, 0);
    sum_.assign(start_.size(), 0);
    point_.resize(start_.size());
    const auto segments = static_cast<double>(request_.segments);
    for (int64_t s = 0; s < request_.segments; ++s) rows_.push_back({static_cast<double>(s) / segments, static_cast<double>(s + 1) / segments, 0});
  }
  bool fill() override {
    placed_.clear();
    if (ends_ < 2) {
      at(0, ends_ == 0 ? 0 : 1);
      return true;
    }
    for (size_t r = 0; r < rows_.size(); ++r) {
      Row& row = rows_[r];
      if (row.t >= row.end) continue;
      row.look = std::min(row.t + kBehind, row.end);
      at(static_cast<int64_t>(r), row.look);
      placed_.push_back(r);
    }
    if (!placed_.empty()) return true;
    for (size_t i = 0; i < sum_.size(); ++i) sum_[i] *= end_[i] - start_[i];
    setAttribution(0, sum_);
    return false;
  }
  void collect() override {
    if (ends_ < 2) {
      if (ends_++ == 0)
        result_.baselineObjective[0] = objective(0);
      else
        setInput(0, 0);
      return;
    }
    const size_t reach = request_.base.objectiveOutput() - 1;
    for (const size_t r : placed_) {
      Row& row = rows_[r];
      const double ahead = number(reach, static_cast<int64_t>(r));
      const double end = std::min(row.end, row.look + std::max(0.0, ahead));
      gradient(static_cast<int64_t>(r), gradient_);
      for (size_t i = 0; i < sum_.size(); ++i) sum_[i] += (end - row.t) * gradient_[i];
      row.t = end;
      if (++pieces_ > request_.maximumPieces)
        throw Error("OPTION_RANGE", "the path crosses more than " + std::to_string(request_.maximumPieces) + " linear pieces",
                    "Raise maximumPieces, at one gradient a piece, or take a quadrature: IntegratedGradients.");
    }
  }
  double share() const override {
    double walked = 0;
    for (const Row& row : rows_) walked += 1 - (row.end - row.t) * static_cast<double>(rows_.size());
    return walked / static_cast<double>(rows_.size());
  }

 private:
  struct Row {
    double t, end, look;
  };
  void at(int64_t row, double t) {
    for (size_t i = 0; i < point_.size(); ++i) point_[i] = t == 1 ? end_[i] : start_[i] + t * (end_[i] - start_[i]);
    place(row, 0, point_);
  }

  std::vector<Row> rows_;
  std::vector<size_t> placed_;
  std::vector<double> start_, end_, sum_, point_, gradient_;
  int64_t pieces_ = 0;
  int ends_ = 0;
};

}  // namespace

std::shared_ptr<PathWalk> makePieceWalk(WalkRequest request) { return std::make_shared<PieceWalk>(std::move(request)); }

}  // namespace ascribe
