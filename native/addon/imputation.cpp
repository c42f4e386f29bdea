#include "addon/imputation.h"

#include <limits>

#include "addon/environment.h"
#include "addon/util/errors.h"
#include "addon/util/reader.h"
#include "addon/util/tensor.h"
#include "methods/imputation_job.h"

namespace ascribe::addon {

namespace {

/// More pictures than this are asked for in parts.
constexpr uint32_t kMostCounts = 1 << 20;

std::vector<int64_t> readCounts(const Reader& reader) {
  const Napi::Value value = reader.value("counts");
  if (!value.IsArray()) failType(reader.path("counts"), "an array of integers", value);
  const auto list = value.As<Napi::Array>();
  if (list.Length() == 0 || list.Length() > kMostCounts)
    throw Error("OPTION_RANGE", "There must be 1 to " + std::to_string(kMostCounts) + " counts");
  std::vector<int64_t> counts;
  counts.reserve(list.Length());
  for (uint32_t i = 0; i < list.Length(); ++i)
    counts.push_back(toInteger(list.Get(i), reader.path("counts"), 0, std::numeric_limits<int32_t>::max()));
  return counts;
}

}  // namespace

Napi::Value imputePixels(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Reader reader(info[0], "request");
    JobRequest request;
    ImputationRequest work;
    work.picture = borrowTensor(reader.value("picture"), reader.path("picture"), request.keep);
    work.channelsLast = reader.boolean("channelsLast", false);
    const HostTensor ranks = copyTensor(reader.value("ranks"), reader.path("ranks"));
    if (ranks.dtype() != DType::F32) throw Error("INPUT_DTYPE", "The ranks must be f32");
    work.ranks.assign(ranks.as<float>(), ranks.as<float>() + ranks.shape().count());
    work.counts = readCounts(reader);
    work.noise = reader.number("noise", 0, 0, 1e6);
    work.seed = reader.unsignedBig("seed");
    work.item = reader.unsignedBig("item");
    auto job = std::make_shared<ImputationJob>(std::move(work));
    request.job = job;
    request.result = [job](Napi::Env env) { return makeTensor(env, job->takePictures()); };
    return Environment::of(info.Env()).submit(std::move(request));
  });
}

}  // namespace ascribe::addon
