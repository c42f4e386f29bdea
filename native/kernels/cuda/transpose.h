#pragma once
#include "kernels/cuda/index.h"

namespace ascribe::cuda {

/// A copy whose elements lie together along one axis where they are read and along another where they are written: squares
/// pass through shared memory, so that both sides touch whole lines.
struct Squares {
  static constexpr int kSide = 32, kRows = 8;
  int rows, columns;           // along the axis that is together at the source; at the destination
  int64_t rowStep, columnStep; // of the destination; of the source
  FastDivision across;         // squares
  Walk<2> others;
};
static __global__ void squaresKernel(const float* from, float* to, Squares s) {
  __shared__ float square[Squares::kSide][Squares::kSide + 1];
  const int down = static_cast<int>(s.across.quotient(blockIdx.x)), across = static_cast<int>(blockIdx.x) - down * static_cast<int>(s.across.divisor);
  const int firstRow = down * Squares::kSide, firstColumn = across * Squares::kSide, x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  int64_t at[2];
  s.others.at(blockIdx.y, at);
  for (int i = y; i < Squares::kSide; i += Squares::kRows)
    if (firstRow + x < s.rows && firstColumn + i < s.columns) square[i][x] = from[at[0] + firstRow + x + (firstColumn + i) * s.columnStep];
  __syncthreads();
  for (int i = y; i < Squares::kSide; i += Squares::kRows)
    if (firstRow + i < s.rows && firstColumn + x < s.columns) to[at[1] + (firstRow + i) * s.rowStep + firstColumn + x] = square[x][i];
}

/// Does it where the walk is one like that; false in `done` otherwise.
inline int copySquares(Stream& stream, const Walk<2>& walk, const float* from, float* to, bool& done) {
  const int last = walk.rank - 1;
  int together = -1;
  for (int axis = 0; axis < last; ++axis)
    if (walk.strides[0][axis] == 1) together = axis;
  done = together >= 0 && walk.strides[1][last] == 1 && walk.dims[together] >= 16 && walk.dims[last] >= 16;
  if (!done) return ASCRIBE_OK;
  int64_t dims[ASCRIBE_CUDA_MAX_RANK], source[ASCRIBE_CUDA_MAX_RANK], destination[ASCRIBE_CUDA_MAX_RANK];
  int rank = 0;
  for (int axis = 0; axis < last; ++axis) {
    if (axis == together) continue;
    dims[rank] = walk.dims[axis];
    source[rank] = walk.strides[0][axis];
    destination[rank++] = walk.strides[1][axis];
  }
  const auto squares = [](int64_t size) { return (size + Squares::kSide - 1) / Squares::kSide; };
  const Squares s{static_cast<int>(walk.dims[together]), static_cast<int>(walk.dims[last]), walk.strides[1][together], walk.strides[0][last], FastDivision(squares(walk.dims[last])),
                  Walk<2>(dims, rank, {source, destination})};
  const int64_t count = countOf(dims, rank);
  done = count <= 65535;
  if (!done) return ASCRIBE_OK;
  return launch<true>(stream, squaresKernel, dim3(static_cast<unsigned>(squares(s.rows) * squares(s.columns)), static_cast<unsigned>(count)), dim3(Squares::kSide, Squares::kRows), from, to, s);
}

}  // namespace ascribe::cuda
