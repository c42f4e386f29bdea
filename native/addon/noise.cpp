#include "addon/noise.h"

#include <algorithm>
#include <limits>

#include "addon/environment.h"
#include "addon/util/errors.h"
#include "addon/util/reader.h"
#include "addon/util/tensor.h"
#include "methods/noise_job.h"

namespace ascribe::addon {

namespace {

/// More copies than this are asked for in parts.
constexpr int64_t kMostCopies = 1 << 20;

NoiseRequest readNoise(const Reader& reader, References& keep) {
  NoiseRequest out;
  const Napi::Array tensors = reader.array("tensors");
  for (uint32_t i = 0; i < tensors.Length(); ++i) out.tensors.push_back(borrowTensor(tensors.Get(i), reader.path("tensors"), keep));
  const HostTensor keys = copyTensor(reader.value("keys"), reader.path("keys"));
  if (keys.dtype() != DType::I32) throw Error("INPUT_DTYPE", "the keys must be i32");
  if (keys.shape().count() > kMostCopies) throw Error("OPTION_RANGE", "there must be at most " + std::to_string(kMostCopies) + " keys");
  for (int64_t i = 0; i < keys.shape().count(); ++i) out.keys.push_back(static_cast<uint32_t>(keys.as<int32_t>()[i]));
  out.distribution = static_cast<NoiseRequest::Distribution>(reader.choice("distribution", {"uniform", "normal"}));
  out.scale = reader.number("scale", 1, -std::numeric_limits<double>::max(), std::numeric_limits<double>::max());
  if (reader.has("weights")) out.weights = reader.doubles("weights");
  out.check();
  return out;
}

Napi::Value makeResult(Napi::Env env, NoiseJob& job) {
  std::vector<HostTensor> tensors = job.takeCopies();
  Napi::Array copies = Napi::Array::New(env, tensors.size());
  for (uint32_t i = 0; i < tensors.size(); ++i) copies.Set(i, makeTensor(env, std::move(tensors[i])));
  Napi::Object out = Napi::Object::New(env);
  out.Set("copies", copies);
  if (job.sums().empty()) return out;
  auto sums = Napi::Float64Array::New(env, job.sums().size());
  std::copy(job.sums().begin(), job.sums().end(), sums.Data());
  out.Set("sums", sums);
  return out;
}

}  // namespace

Napi::Value addNoise(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    JobRequest request;
    auto job = std::make_shared<NoiseJob>(readNoise(Reader(info[0], "request"), request.keep));
    request.job = job;
    request.result = [job](Napi::Env env) { return makeResult(env, *job); };
    return Environment::of(info.Env()).submit(std::move(request));
  });
}

}  // namespace ascribe::addon
