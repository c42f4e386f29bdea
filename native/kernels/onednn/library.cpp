#include <cstdio>
#include <cstring>
#include <string>

#include "kernels/onednn/openmp.h"
#include "kernels/onednn/operation.h"

struct AscribePrimitive {
  ascribe::onednn::Operation operation;
  std::string implementation;
};

namespace ascribe::onednn {
namespace {

int create(const AscribeOperation* operation, const AscribePrimitive* like, int threads,
           AscribePrimitive** primitive, char* message, size_t messageBytes) {
  *primitive = nullptr;
  try {
    useThreads(threads);
    auto made = std::make_unique<AscribePrimitive>();
    made->operation = makeOperation(*operation, like == nullptr ? nullptr : &like->operation);
    const char* name = nullptr;
    check(dnnl_primitive_desc_query(made->operation.desc.get(), dnnl_query_impl_info_str, 0, &name), "name");
    made->implementation = name;
    *primitive = made.release();
    return ASCRIBE_OK;
  } catch (const Refused& refused) {
    if (message != nullptr) std::snprintf(message, messageBytes, "%s", refused.what());
    return refused.status == dnnl_unimplemented ? ASCRIBE_UNSUPPORTED : ASCRIBE_FAILED;
  } catch (const std::exception& error) {
    if (message != nullptr) std::snprintf(message, messageBytes, "%s", error.what());
    return ASCRIBE_FAILED;
  }
}

void destroy(AscribePrimitive* primitive) {
  delete primitive;
}

const char* implementation(const AscribePrimitive* primitive) {
  return primitive->implementation.c_str();
}

size_t bytes(const AscribePrimitive* primitive, int operand) {
  const DescView view = primitive->operation.expected(operand);
  return view == nullptr ? 0 : dnnl_memory_desc_get_size(view);
}

int format(const AscribePrimitive* primitive, int operand) {
  try {
    const Operation& o = primitive->operation;
    const DescView view = o.expected(operand);
    if (view == nullptr) return ASCRIBE_FORMAT_OPAQUE;
    const Desc plain = o.plain(operand);
    if (dnnl_memory_desc_equal(view, plain.view())) return ASCRIBE_FORMAT_STRIDED;
    // Asked by comparison, because 3.x does not let anyone look inside.
    for (const int candidate :
         {ASCRIBE_FORMAT_BLOCKED8, ASCRIBE_FORMAT_BLOCKED16, ASCRIBE_FORMAT_CHANNELS_LAST}) {
      AscribeOperation probe = o.description;
      AscribeTensor* tensor = operand == ASCRIBE_FIRST    ? &probe.first
                              : operand == ASCRIBE_SECOND ? &probe.second
                              : operand == ASCRIBE_RESULT ? &probe.result
                                                          : nullptr;
      if (tensor == nullptr || tensor->rank < 3 || tensor->rank > 5) break;
      tensor->format = candidate;
      const Desc desc = o.inFormat(probe, operand);
      if (dnnl_memory_desc_equal(view, desc.view())) return candidate;
    }
  } catch (const std::exception&) {
  }
  return ASCRIBE_FORMAT_OPAQUE;
}

int sameFormat(const AscribePrimitive* one, const AscribePrimitive* other, int operand) {
  const DescView a = one->operation.expected(operand), b = other->operation.expected(operand);
  return a != nullptr && b != nullptr && dnnl_memory_desc_equal(a, b) ? 1 : 0;
}

Memory memoryOf(DescView view, void* data) {
  dnnl_memory_t made = nullptr;
  check(dnnl_memory_create(&made, view, engine(), data), "memory");
  return Memory(made);
}

int convert(DescView from, const void* source, DescView to, void* target, int threads) {
  useThreads(threads);
  if (dnnl_memory_desc_equal(from, to)) {
    std::memcpy(target, source, dnnl_memory_desc_get_size(to));
    return ASCRIBE_OK;
  }
  const PrimitiveDesc desc = reorder(engine(), from, to, nullptr);
  dnnl_primitive_t made = nullptr;
  check(dnnl_primitive_create(&made, desc.get()), "reorder");
  const Primitive primitive(made);
  const Memory in = memoryOf(from, const_cast<void*>(source)), out = memoryOf(to, target);
  const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, in.get()}, {DNNL_ARG_TO, out.get()}};
  check(dnnl_primitive_execute(made, stream(), 2, arguments), "reorder");
  check(dnnl_stream_wait(stream()), "reorder");
  return ASCRIBE_OK;
}

int pack(const AscribePrimitive* primitive, int operand, const void* plain, void* packed, int threads) {
  try {
    const Desc from = primitive->operation.plain(operand);
    return convert(from.view(), plain, primitive->operation.expected(operand), packed, threads);
  } catch (const std::exception&) {
    return ASCRIBE_FAILED;
  }
}

int unpack(const AscribePrimitive* primitive, int operand, const void* packed, void* plain, int threads) {
  try {
    const Desc to = primitive->operation.plain(operand);
    return convert(primitive->operation.expected(operand), packed, to.view(), plain, threads);
  } catch (const std::exception&) {
    return ASCRIBE_FAILED;
  }
}

int execute(const AscribePrimitive* primitive, void* const buffers[ASCRIBE_OPERAND_COUNT], int threads) {
  try {
    useThreads(threads);
    const Operation& o = primitive->operation;
    Memory memories[ASCRIBE_OPERAND_COUNT];
    dnnl_exec_arg_t arguments[ASCRIBE_OPERAND_COUNT];
    int count = 0;
    const Desc residual = o.description.residual.rank > 0 ? o.residual() : Desc();
    for (int operand = 0; operand < ASCRIBE_OPERAND_COUNT; ++operand) {
      const DescView view = operand == ASCRIBE_RESIDUAL ? residual.view() : o.expected(operand);
      if (view == nullptr) continue;
      if (buffers[operand] == nullptr) return ASCRIBE_FAILED;
      memories[operand] = memoryOf(view, buffers[operand]);
      arguments[count++] = {o.argument(operand), memories[operand].get()};
    }
    check(dnnl_primitive_execute(o.primitive.get(), stream(), count, arguments), "execute");
    check(dnnl_stream_wait(stream()), "execute");
    return ASCRIBE_OK;
  } catch (const std::exception&) {
    return ASCRIBE_FAILED;
  }
}

const char* isa() {
  switch (dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41:
      return "sse41";
    case dnnl_cpu_isa_avx:
      return "avx";
    case dnnl_cpu_isa_avx2:
      return "avx2";
    case dnnl_cpu_isa_avx512_core:
      return "avx512_core";
    case dnnl_cpu_isa_avx512_core_vnni:
      return "avx512_core_vnni";
    case dnnl_cpu_isa_avx512_core_bf16:
      return "avx512_core_bf16";
    case dnnl_cpu_isa_avx2_vnni:
      return "avx2_vnni";
    default:
      return dnnl_get_effective_cpu_isa() > dnnl_cpu_isa_avx512_core_bf16 ? "avx512_core_amx" : "generic";
  }
}

/// Makes a primitive, which asks how many threads there are.
bool answersFromHere() {
  AscribeOperation copy{};
  copy.kind = ASCRIBE_REORDER;
  copy.first = {.rank = 2, .format = ASCRIBE_FORMAT_STRIDED, .element = ASCRIBE_F32, .dims = {16, 16}, .strides = {16, 1}};
  copy.result = {.rank = 2, .format = ASCRIBE_FORMAT_STRIDED, .element = ASCRIBE_F32, .dims = {16, 16}, .strides = {1, 16}};
  makeOperation(copy);
  return oneDnnUsesOurRegions();
}

std::string versionText() {
  const dnnl_version_t* v = dnnl_version();
  return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
}

}  // namespace
}  // namespace ascribe::onednn

#define ASCRIBE_EXPORT extern "C" __attribute__((visibility("default")))

ASCRIBE_EXPORT uint32_t ascribe_backend_abi(void) {
  return ASCRIBE_BACKEND_ABI;
}

ASCRIBE_EXPORT const AscribeOnednnTable* ascribe_onednn_table(const char* maxIsa,
                                                              AscribeRegionRunner runner, char* message,
                                                              size_t messageBytes) {
  using namespace ascribe::onednn;
  try {
    static const std::string version = versionText();
    // Headers and library of different major versions have different structures: refuse rather than guess.
    if (dnnl_version()->major != DNNL_VERSION_MAJOR) {
      std::snprintf(message, messageBytes, "built for oneDNN %d.x, found %s", DNNL_VERSION_MAJOR,
                    version.c_str());
      return nullptr;
    }
    if (maxIsa != nullptr) {
      if (std::strcmp(maxIsa, "baseline") == 0) dnnl_set_max_cpu_isa(dnnl_cpu_isa_sse41);
      if (std::strcmp(maxIsa, "avx2") == 0) dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
      if (std::strcmp(maxIsa, "avx512") == 0) dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx512_core);
    }
    setRegionRunner(runner);
    if (!answersFromHere()) {
      std::snprintf(message, messageBytes, "oneDNN was loaded before and uses an OpenMP runtime of its own");
      return nullptr;
    }
    static const AscribeOnednnTable table = {.abi = ASCRIBE_BACKEND_ABI,
                                             .table_bytes = sizeof(AscribeOnednnTable),
                                             .version = version.c_str(),
                                             .isa = isa,
                                             .create = create,
                                             .destroy = destroy,
                                             .implementation = implementation,
                                             .bytes = bytes,
                                             .format = format,
                                             .same_format = sameFormat,
                                             .pack = pack,
                                             .unpack = unpack,
                                             .execute = execute};
    return &table;
  } catch (const std::exception& error) {
    std::snprintf(message, messageBytes, "%s", error.what());
    return nullptr;
  }
}
