#include "addon/services.h"

#include <algorithm>
#include <cstring>

#include "addon/environment.h"
#include "addon/storage.h"
#include "addon/util/reader.h"
#include "autodiff/vjp.h"
#include "graph/op.h"
#include "graph/passes/pass.h"
#include "kernels/cpu/isa.h"
#include "kernels/kernel.h"
#include "methods/probe_job.h"
#include "methods/scan_job.h"
#include "runtime/cpu_information.h"
#include "runtime/memory.h"
#include "runtime/cuda_library.h"
#include "runtime/onednn_library.h"
#include "runtime/version.h"

namespace ascribe::addon {

namespace {

const char* nameOf(onnx::PayloadField field) {
  using onnx::PayloadField;
  switch (field) {
    case PayloadField::FloatData: return "float";
    case PayloadField::Int32Data: return "int32";
    case PayloadField::Int64Data: return "int64";
    case PayloadField::DoubleData: return "double";
    case PayloadField::Uint64Data: return "uint64";
    case PayloadField::External: return "external";
    default: return "raw";
  }
}

Napi::Object makeScan(Napi::Env env, ScanJob& job) {
  onnx::ModelScan& scan = job.scan();
  std::vector<Napi::Object> storages;
  for (const auto& file : scan.files) storages.push_back(StorageObject::make(env, file));
  Napi::Array payloads = Napi::Array::New(env, scan.payloads.size());
  for (uint32_t i = 0; i < scan.payloads.size(); ++i) {
    const Napi::HandleScope scope(env);
    const onnx::Payload& payload = scan.payloads[i];
    Napi::Object item = Napi::Object::New(env);
    item.Set("offset", static_cast<double>(payload.offset));
    item.Set("bytes", static_cast<double>(payload.length));
    item.Set("field", nameOf(payload.field));
    item.Set("storage", storages[payload.file]);
    payloads.Set(i, item);
  }
  auto skeleton = Napi::ArrayBuffer::New(env, scan.skeleton.size());
  if (!scan.skeleton.empty()) std::memcpy(skeleton.Data(), scan.skeleton.data(), scan.skeleton.size());
  scan.skeleton = {};
  Napi::Object out = Napi::Object::New(env);
  out.Set("skeleton", Napi::Uint8Array::New(env, skeleton.ByteLength(), skeleton, 0));
  out.Set("payloads", payloads);
  return out;
}

Napi::Array toArray(Napi::Env env, const std::vector<std::string>& list) {
  Napi::Array out = Napi::Array::New(env, list.size());
  for (uint32_t i = 0; i < list.size(); ++i) out.Set(i, list[i]);
  return out;
}

Napi::Object describeOperation(Napi::Env env, const OpSchema& schema) {
  constexpr const char* classes[] = {"bilinear", "primitive", "composite"};
  constexpr const char* kinds[] = {"integer", "real", "text", "integers", "reals"};
  Napi::Array attributes = Napi::Array::New(env, schema.attributes.size());
  for (uint32_t i = 0; i < schema.attributes.size(); ++i) {
    Napi::Object item = Napi::Object::New(env);
    item.Set("name", schema.attributes[i].name);
    item.Set("kind", kinds[static_cast<size_t>(schema.attributes[i].kind)]);
    item.Set("required", !schema.attributes[i].fallback.has_value());
    attributes.Set(i, item);
  }
  std::vector<std::string> backends;
  for (const KernelEntry* entry : kernelsOf(schema.name))
    if (std::find(backends.begin(), backends.end(), entry->backend) == backends.end()) backends.emplace_back(entry->backend);
  Napi::Object out = Napi::Object::New(env);
  out.Set("name", schema.name);
  out.Set("class", classes[static_cast<size_t>(schema.opClass)]);
  out.Set("attributes", attributes);
  out.Set("backends", toArray(env, backends));
  out.Set("view", schema.view);
  out.Set("shapeOperands", schema.shapeOnly);
  out.Set("knownOperands", schema.hostOperands);
  out.Set("derivative", findVjp(schema.name) != nullptr || findDecomposition(schema.name) != nullptr);
  return out;
}

Napi::Object describeBackend(Napi::Env env, const BackendReport& report) {
  Napi::Object item = Napi::Object::New(env);
  item.Set("name", report.name);
  item.Set("available", report.available);
  if (!report.version.empty()) item.Set("version", report.version);
  if (!report.path.empty()) item.Set("path", report.path);
  if (!report.available) {
    std::string reason;
    for (const std::string& line : report.tried) reason += (reason.empty() ? "" : "; ") + line;
    item.Set("reason", reason.empty() ? "no library was found" : reason);
  }
  return item;
}

}  // namespace

Napi::Value scanOnnx(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    onnx::ScanOptions options;
    if (!info[1].IsUndefined()) {
      const auto inlined = Reader(info[1], "options").integer("inlineBytes", 0, 1 << 20, static_cast<int64_t>(options.inlineBytes));
      options.inlineBytes = static_cast<uint64_t>(inlined);
    }
    auto job = std::make_shared<ScanJob>(StorageObject::from(info[0], "storage").payload(), options);
    JobRequest request;
    request.job = job;
    request.result = [job](Napi::Env env) { return makeScan(env, *job); };
    return Environment::of(info.Env()).submit(std::move(request));
  });
}

Napi::Value operations(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Napi::Array out = Napi::Array::New(info.Env());
    for (const OpSchema* schema : allOps()) out.Set(out.Length(), describeOperation(info.Env(), *schema));
    return out;
  });
}

Napi::Value halt(const Napi::CallbackInfo& info) {
  Engine::instance().halt();
  return info.Env().Undefined();
}

Napi::Value configure(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Reader options(info[0], "options");
    EngineConfiguration configuration;
    configuration.lanes = static_cast<int>(options.integer("lanes", 1, 1024, 0));
    configuration.threadsPerLane = static_cast<int>(options.integer("threadsPerLane", 1, 1024, 0));
    Engine::instance().configure(configuration);
    return info.Env().Undefined();
  });
}

Napi::Value engineReport(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    const CpuInformation cpu = cpuInformation();
    const EngineConfiguration configuration = Engine::instance().configuration();
    std::vector<std::string> passes;
    for (const auto list : {raisingPasses(), loweringPasses()})
      for (const Pass& pass : list)
        // One name leaves out both turns of a pass that runs before and after differentiation.
        if (std::find(passes.begin(), passes.end(), pass.name) == passes.end()) passes.emplace_back(pass.name);
    passes.emplace_back("record-launches");  // no pass over the graph, left out by name all the same
    Napi::Array backends = Napi::Array::New(env);
    backends.Set(backends.Length(), describeBackend(env, cudaReport()));
    backends.Set(backends.Length(), describeBackend(env, onednnReport()));
    for (const char* name : {"cpu", "reference"}) {
      Napi::Object item = Napi::Object::New(env);
      item.Set("name", name);
      item.Set("available", true);
      backends.Set(backends.Length(), item);
    }
    Napi::Object out = Napi::Object::New(env);
    out.Set("version", ASCRIBE_VERSION);
    out.Set("isa", cpu.isa);
    out.Set("cpu", cpu.model);
    out.Set("features", toArray(env, cpu.features));
    out.Set("lanes", configuration.lanes);
    out.Set("threadsPerLane", configuration.threadsPerLane);
    out.Set("device", automaticDevice());
    out.Set("backends", backends);
    out.Set("passes", toArray(env, passes));
    std::vector<std::string> precisions = {"f32", "f64", "int8"};
    if (cpu::bf16Kernels() != nullptr) precisions.emplace_back("bf16");
    out.Set("precisions", toArray(env, precisions));
    return out;
  });
}

Napi::Value probe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto job = std::make_shared<ProbeJob>();
    JobRequest request;
    request.job = job;
    request.result = [job](Napi::Env env) {
      Napi::Object out = Napi::Object::New(env);
      out.Set("threads", job->threads());
      out.Set("gflops", job->gflops());
      out.Set("gflopsOneThread", job->gflopsOneThread());
      if (job->bf16Gflops() > 0) out.Set("bf16Gflops", job->bf16Gflops());
      out.Set("gigabytesPerSecond", job->gigabytesPerSecond());
      return out;
    };
    return Environment::of(info.Env()).submit(std::move(request));
  });
}

Napi::Value memory(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("current", static_cast<double>(MemoryBudget::process()->current()));
    out.Set("peak", static_cast<double>(MemoryBudget::process()->peak()));
    return out;
  });
}

Napi::Value resetPeakMemory(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    MemoryBudget::process()->resetPeak();
    return info.Env().Undefined();
  });
}

}  // namespace ascribe::addon
