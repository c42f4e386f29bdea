#pragma once
#include "kernels/cuda/index.h"

namespace ascribe::cuda {

/// The depth that lies in shared memory at a time.
constexpr int kStageDepth = 16;

/// A stage of one operand in shared memory, in chunks of four floats that neighbours in global memory fill: along the
/// depth or along the places, as the operand lies. Fragments are read by chunks too, eight threads at a time, and chunks
/// are crossed so that both ways touch all 32 banks.
///
/// What belongs to which fragment is ours to say. A thread (its group of eight, its place of four within) holds of each
/// fragment the steps 4 inGroup … 4 inGroup + 3 of the depth, and the places 4 group … 4 group + 3 of every 32.
template <bool AlongDepth, int Places>
struct StagedOperand {
  static constexpr int kFloats = Places * kStageDepth;
  /// Where the chunk that begins at (place, step) begins; along the depth `step` is a multiple of 4, else `place`.
  __device__ static __forceinline__ int chunk(int place, int step) {
    if (AlongDepth) return ((place * (kStageDepth / 4) + step / 4) ^ (place / 4 % 2 * 4)) * 4;
    return step * Places + ((place / 4) ^ (step / 4 * 2)) * 4;
  }
  /// Across the depth: the chunk (place, step + more), with what does not depend on `more` apart; `more` is a multiple of
  /// a power of two above step.
  __device__ static __forceinline__ int behind(int place, int step, int more) { return (step + more) * Places + ((place / 4) ^ (step / 4 * 2) ^ (more / 4 * 2)) * 4; }
  __device__ static __forceinline__ int at(int place, int step) { return AlongDepth ? chunk(place, step) + step % 4 : chunk(place, step) + place % 4; }

  /// values[p][q]: place 4 group + p behind `first` (a multiple of 32), step 4 inGroup + q.
  __device__ static __forceinline__ void load(const float* stage, int first, int group, int inGroup, float (&values)[4][4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float4 four = *reinterpret_cast<const float4*>(stage + (AlongDepth ? chunk(first + group * 4 + i, inGroup * 4) : chunk(first + group * 4, inGroup * 4 + i)));
      const float each[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
      for (int j = 0; j < 4; ++j)
        if (AlongDepth) values[i][j] = each[j];
        else values[j][i] = each[j];
    }
  }
};

/// What one thread brings to each stage of an operand whose elements are evenly apart along the depth: `Side` has
/// `kAlongDepth`, `const float* at(z, place)` (of the first step), `int64_t step` (how far the next is, of the depth or,
/// along it, of the places) and `bool vector` (chunks are aligned, and lie together).
template <class Side, int Places, int Threads>
class EvenFetch {
 public:
  __device__ __forceinline__ EvenFetch(const Side& side, int z, int firstPlace, int places, int begin) : vector_(side.vector), step_(side.step), first_(begin) {
    const int thread = static_cast<int>(threadIdx.x);
    if (Side::kAlongDepth) {
      place_ = vector_ ? thread / kChunks : thread / kStageDepth;
      depth_ = vector_ ? thread % kChunks * 4 : thread % kStageDepth;
    } else {
      place_ = vector_ ? thread % (Places / 4) * 4 : thread % Places;
      depth_ = vector_ ? thread / (Places / 4) : thread / Places;
    }
    left_ = places - firstPlace - place_;
    from_ = side.at(z, firstPlace + (left_ > 0 ? place_ : 0)) + (begin + depth_) * (Side::kAlongDepth ? 1 : step_);
  }
  /// The next stage, up to `end`.
  __device__ __forceinline__ void operator()(float* stage, int end) {
    using Staged = StagedOperand<Side::kAlongDepth, Places>;
    const int depth = end - first_ - depth_;  // what is left of it for this thread
    const float* from = from_;
    if (vector_) {
      if (Side::kAlongDepth) {
        constexpr int kApart = Threads / kChunks;
        const int bytes = depth >= 4 ? 16 : depth > 0 ? depth * 4 : 0;
        float* to = stage + Staged::chunk(place_, depth_);
#pragma unroll
        for (int i = 0; i < kFours; ++i, from += kApart * step_) copyFour(to + i * kApart * kStageDepth, from, i * kApart < left_ ? bytes : 0);
      } else {
        constexpr int kApart = Threads / (Places / 4);
        const int bytes = left_ >= 4 ? 16 : left_ > 0 ? left_ * 4 : 0;
#pragma unroll
        for (int i = 0; i < kFours; ++i, from += kApart * step_) copyFour(stage + Staged::behind(place_, depth_, i * kApart), from, i * kApart < depth ? bytes : 0);
      }
    } else if (Side::kAlongDepth) {
      constexpr int kApart = Threads / kStageDepth;
      float* to = stage + Staged::at(place_, depth_);
#pragma unroll
      for (int i = 0; i < kOnes; ++i, from += kApart * step_) copyOne(to + i * kApart * kStageDepth, from, depth > 0 && i * kApart < left_);
    } else {
      constexpr int kApart = Threads / Places;
#pragma unroll
      for (int i = 0; i < kOnes; ++i, from += kApart * step_) copyOne(stage + Staged::behind(place_, depth_, i * kApart) + place_ % 4, from, left_ > 0 && i * kApart < depth);
    }
    first_ += kStageDepth;
    from_ += Side::kAlongDepth ? kStageDepth : kStageDepth * step_;
  }

 private:
  static constexpr int kChunks = kStageDepth / 4, kFours = Places * kChunks / Threads, kOnes = Places * kStageDepth / Threads;
  static_assert(kFours >= 1 && Threads % Places == 0);
  const float* from_;
  bool vector_;
  int64_t step_;
  int first_, place_, depth_, left_;
};

/// The same where each run of `Side::kRun` steps has to be found: `Side` has `Column column(z, place)`, `Stage
/// stage(column, from)` of the run that begins there, and `const float* at(column, stage, step)` of its step, null where
/// there is no element.
template <class Side, int Places, int Threads>
class FoundFetch {
 public:
  __device__ __forceinline__ FoundFetch(const Side& side, int z, int firstPlace, int places, int begin)
      : side_(side), place_(static_cast<int>(threadIdx.x) % Places), inside_(firstPlace + place_ < places), first_(begin), column_(side.column(z, inside_ ? firstPlace + place_ : firstPlace)) {}
  __device__ __forceinline__ void operator()(float* stage, int end) {
    constexpr int kApart = Threads / Places, kRun = Side::kRun;
    static_assert(kStageDepth % kRun == 0 && kRun % kApart == 0);
    const int depth = static_cast<int>(threadIdx.x) / Places;
#pragma unroll
    for (int run = 0; run < kStageDepth; run += kRun) {
      const bool any = inside_ && first_ + run < end;
      const auto common = side_.stage(column_, any ? first_ + run : 0);
#pragma unroll
      for (int i = 0; i < kRun; i += kApart) {
        const float* from = any ? side_.at(column_, common, depth + i) : nullptr;
        copyOne(stage + StagedOperand<false, Places>::behind(place_, depth, run + i) + place_ % 4, from ? from : side_.data, from != nullptr);
      }
    }
    first_ += kStageDepth;
  }

 private:
  static_assert(Threads % Places == 0);
  const Side& side_;
  int place_;
  bool inside_;
  int first_;
  typename Side::Column column_;
};

}  // namespace ascribe::cuda
