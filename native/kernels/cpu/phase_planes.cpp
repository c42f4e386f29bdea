#include "kernels/cpu/phase_planes.h"

#include <algorithm>

namespace ascribe::cpu {

PhasePlanes::PhasePlanes(const WindowShape& shape) : shape_(shape) {
  for (int a = 0; a < 3; ++a) {
    const int64_t reach = (shape.kernel[a] - 1) * shape.dilation[a];
    phases_[a] = std::min(shape.stride[a], reach + 1);
    extent_[a] = shape.out[a] + reach / shape.stride[a];
    used_[a].assign(static_cast<size_t>(phases_[a]), 0);
    for (int64_t k = 0; k < shape.kernel[a]; ++k) used_[a][static_cast<size_t>(k * shape.dilation[a] % shape.stride[a])] = 1;
  }
  phaseSize_ = extent_[0] * extent_[1] * extent_[2];
  flatCount_ = row(shape.out[0] - 1, shape.out[1] - 1) + shape.out[2];
  for (int64_t d = 0; d < shape.kernel[0]; ++d)
    for (int64_t h = 0; h < shape.kernel[1]; ++h)
      for (int64_t w = 0; w < shape.kernel[2]; ++w) {
        const int64_t at[3] = {d * shape.dilation[0], h * shape.dilation[1], w * shape.dilation[2]};
        int64_t phase = 0, offset = 0;
        for (int a = 0; a < 3; ++a) {
          phase = phase * phases_[a] + at[a] % shape.stride[a];
          offset = offset * extent_[a] + at[a] / shape.stride[a];
        }
        offsets_.push_back(phase * phaseSize_ + offset);
      }
}

void PhasePlanes::separate(const float* plane, float* to, float fill) const {
  const WindowShape& s = shape_;
  for (int64_t pd = 0; pd < phases_[0]; ++pd)
    for (int64_t ph = 0; ph < phases_[1]; ++ph)
      for (int64_t pw = 0; pw < phases_[2]; ++pw, to += phaseSize_) {
        if (!used_[0][static_cast<size_t>(pd)] || !used_[1][static_cast<size_t>(ph)] || !used_[2][static_cast<size_t>(pw)]) continue;
        float* line = to;
        for (int64_t d = 0; d < extent_[0]; ++d)
          for (int64_t h = 0; h < extent_[1]; ++h, line += extent_[2]) {
            const int64_t sd = d * s.stride[0] + pd - s.pad[0], sh = h * s.stride[1] + ph - s.pad[1];
            if (sd < 0 || sd >= s.in[0] || sh < 0 || sh >= s.in[1]) {
              std::fill_n(line, extent_[2], fill);
              continue;
            }
            const float* from = plane + (sd * s.in[1] + sh) * s.in[2];
            const int64_t start = pw - s.pad[2], step = s.stride[2];
            // Indices i with 0 <= start + i * step < in.
            const int64_t low = std::clamp<int64_t>(start < 0 ? (-start + step - 1) / step : 0, 0, extent_[2]);
            const int64_t high = std::clamp<int64_t>(s.in[2] > start ? (s.in[2] - 1 - start) / step + 1 : 0, low, extent_[2]);
            std::fill_n(line, low, fill);
            if (step == 1) std::copy_n(from + start + low, high - low, line + low);
            else
              for (int64_t i = low; i < high; ++i) line[i] = from[start + i * step];
            std::fill_n(line + high, extent_[2] - high, fill);
          }
      }
}

void PhasePlanes::compact(const float* flat, float* plane) const {
  for (int64_t d = 0; d < shape_.out[0]; ++d)
    for (int64_t h = 0; h < shape_.out[1]; ++h, plane += shape_.out[2]) std::copy_n(flat + row(d, h), shape_.out[2], plane);
}

void PhasePlanes::spread(const float* plane, float* flat) const {
  std::fill_n(flat, flatCount_, 0.0f);
  for (int64_t d = 0; d < shape_.out[0]; ++d)
    for (int64_t h = 0; h < shape_.out[1]; ++h, plane += shape_.out[2]) std::copy_n(plane, shape_.out[2], flat + row(d, h));
}

ClassPlanes::ClassPlanes(const WindowShape& shape) : shape_(shape) {
  for (int a = 0; a < 3; ++a) {
    margin_[a] = (shape.kernel[a] - 1) * shape.dilation[a] / shape.stride[a];
    count_[a] = (shape.in[a] - 1 + shape.pad[a]) / shape.stride[a] + 1;
    extent_[a] = margin_[a] + count_[a];
  }
  flatCount_ = ((count_[0] - 1) * extent_[1] + count_[1] - 1) * extent_[2] + count_[2];
  for (int64_t rd = 0; rd < std::min(shape.stride[0], shape.in[0] + shape.pad[0]); ++rd)
    for (int64_t rh = 0; rh < std::min(shape.stride[1], shape.in[1] + shape.pad[1]); ++rh)
      for (int64_t rw = 0; rw < std::min(shape.stride[2], shape.in[2] + shape.pad[2]); ++rw) {
        Class c{{rd, rh, rw}, {}, {}};
        for (int64_t t = 0; t < shape.taps(); ++t) {
          const int64_t tap[3] = {t / (shape.kernel[1] * shape.kernel[2]), t / shape.kernel[2] % shape.kernel[1], t % shape.kernel[2]};
          int64_t offset = 0;
          bool meets = true;
          for (int a = 0; a < 3; ++a) {
            const int64_t at = tap[a] * shape.dilation[a];
            meets = meets && at % shape.stride[a] == c.residue[a];
            offset = offset * extent_[a] + margin_[a] - at / shape.stride[a];
          }
          if (!meets) continue;
          c.taps.push_back(t);
          c.offsets.push_back(offset);
        }
        classes_.push_back(std::move(c));
      }
}

void ClassPlanes::layOut(const float* outPlane, float* to) const {
  for (int64_t d = 0; d < extent_[0]; ++d)
    for (int64_t h = 0; h < extent_[1]; ++h, to += extent_[2]) {
      const int64_t od = d - margin_[0], oh = h - margin_[1];
      const int64_t have = std::min(shape_.out[2], count_[2]);
      if (od < 0 || od >= shape_.out[0] || oh < 0 || oh >= shape_.out[1]) {
        std::fill_n(to, extent_[2], 0.0f);
        continue;
      }
      std::fill_n(to, margin_[2], 0.0f);
      std::copy_n(outPlane + (od * shape_.out[1] + oh) * shape_.out[2], have, to + margin_[2]);
      std::fill_n(to + margin_[2] + have, count_[2] - have, 0.0f);
    }
}

void ClassPlanes::place(const Class& c, const float* flat, float* inPlane) const {
  const WindowShape& s = shape_;
  const auto first = [&](int a) {  // the first q whose input is not before the data
    const int64_t before = s.pad[a] - c.residue[a];
    return before > 0 ? (before + s.stride[a] - 1) / s.stride[a] : 0;
  };
  const auto at = [&](int a, int64_t q) { return q * s.stride[a] + c.residue[a] - s.pad[a]; };
  for (int64_t qd = first(0); qd < count_[0] && at(0, qd) < s.in[0]; ++qd)
    for (int64_t qh = first(1); qh < count_[1] && at(1, qh) < s.in[1]; ++qh) {
      const float* from = flat + (qd * extent_[1] + qh) * extent_[2];
      float* row = inPlane + (at(0, qd) * s.in[1] + at(1, qh)) * s.in[2];
      const int64_t begin = first(2), step = s.stride[2];
      int64_t end = begin;
      if (at(2, begin) < s.in[2]) end = std::min(count_[2], begin + (s.in[2] - 1 - at(2, begin)) / step + 1);
      if (step == 1) std::copy_n(from + begin, end - begin, row + at(2, begin));
      else
        for (int64_t q = begin; q < end; ++q) row[at(2, q)] = from[q];
    }
}

}  // namespace ascribe::cpu
