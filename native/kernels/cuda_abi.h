/* The door between the addon and the CUDA backend beside it: plain C, see backend_abi.h. Raise the number with
 * every change of this file. Addresses are the device's unless said otherwise; strides count elements; nothing throws.
 * Functions that can fail return an AscribeStatus and write the reason into `message`. */
#ifndef ASCRIBE_CUDA_ABI_H
#define ASCRIBE_CUDA_ABI_H
#include "kernels/backend_abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ASCRIBE_CUDA_ABI 6
#define ASCRIBE_CUDA_MAX_RANK 10
#define ASCRIBE_CUDA_MAX_TENSORS 8
#define ASCRIBE_CUDA_MAX_INTEGERS 32

/* Element types as kernels tell them apart; everything that only moves elements goes by their size. */
enum AscribeCudaType { ASCRIBE_CUDA_F32 = 0, ASCRIBE_CUDA_I64 = 1, ASCRIBE_CUDA_I32 = 2, ASCRIBE_CUDA_BOOL = 3, ASCRIBE_CUDA_OTHER = 4 };

typedef struct AscribeCudaTensor {
  void* data; /* null: there is no such operand */
  int32_t type, size; /* AscribeCudaType; bytes of an element */
  int32_t rank;
  int64_t dims[ASCRIBE_CUDA_MAX_RANK];
  int64_t strides[ASCRIBE_CUDA_MAX_RANK];
} AscribeCudaTensor;

/* What each takes stands beside it: tensors in order, then integers (i0 …) and reals (r0 …). "Plain" tensors are
 * row-major and their strides are not read. */
enum AscribeCudaKind {
  ASCRIBE_CUDA_UNARY = 0,     /* plain x, y of one count; r0, r1; code: AscribeCudaUnary */
  ASCRIBE_CUDA_BINARY = 1,    /* strided a, b, plain out: out's dims, a's and b's strides over them (0 broadcasts); f32, and i64 and i32 by
                                 ADD, SUB, MUL, MIN and MAX */
  ASCRIBE_CUDA_COMPARE = 2,   /* as BINARY for f32, i64, i32, bool, into bool; code: AscribeCudaComparison */
  ASCRIBE_CUDA_SELECT = 3,    /* strided bool condition, a, b, plain out */
  ASCRIBE_CUDA_COPY = 4,      /* strided source, strided destination, both over the destination's dims */
  ASCRIBE_CUDA_FILL = 5,      /* plain destination; r0, r1 unused; i0: the element's bits */
  ASCRIBE_CUDA_CAST = 6,      /* plain x, y among f32, i64, i32, bool */
  ASCRIBE_CUDA_GATHER = 7,    /* plain data seen as [i0, i1, i2], plain indices (i64 or i32), plain out [i0, indices, i2] */
  ASCRIBE_CUDA_GATHER_GRADIENT = 8, /* plain g [i3, i0, indices, i2], plain indices, plain out [i3, i0, i1, i2]; f32 */
  ASCRIBE_CUDA_REDUCE = 9,    /* x: kept dims first (i0 of them), then the dropped; plain out; code: AscribeCudaReduction */
  ASCRIBE_CUDA_SOFTMAX = 10,  /* plain x, y seen as [i0, i1, i2], along i1; code 1: the logarithm */
  ASCRIBE_CUDA_SOFTMAX_GRADIENT = 11, /* plain g, out [i3, i0, i1, i2], plain y [i0, i1, i2] */
  ASCRIBE_CUDA_ROW_NORM = 12, /* plain x, scale?, bias?, y; i0 rows of i1; r0 epsilon; code 1: centred */
  ASCRIBE_CUDA_ROW_NORM_GRADIENT = 13, /* plain g [i2, i0, i1], x, scale?, out; as ROW_NORM */
  ASCRIBE_CUDA_BATCH_NORM = 14, /* plain x [i0, i1, i2], scale, bias, mean, variance, y; r0 epsilon */
  ASCRIBE_CUDA_POOL = 15,     /* plain x, y, maxima's places?; window; code: AscribeCudaPooling */
  ASCRIBE_CUDA_POOL_GRADIENT = 16, /* plain g, places?, out; window; i30: cotangents times planes for each set of places */
  ASCRIBE_CUDA_PRODUCT = 17,  /* a, b, out, of equal batch dims with strides; last two axes m,k / k,n / m,n; plain bias [n]?, plain
                                 residual?, as out; i0, i1: a, b are transposed; code: AscribeCudaActivation, of what comes out */
  ASCRIBE_CUDA_CONVOLUTION = 18, /* plain x, w, bias?, residual?, y; window; code: AscribeCudaActivation of r0, r1 */
  ASCRIBE_CUDA_CONVOLUTION_DATA = 19, /* plain g, w, bias?, dx; window */
  ASCRIBE_CUDA_ATTENTION = 20, /* plain q, k, v, strided mask?, y; i0 heads, i1 queries, i2 keys, i3 depth, i4 width, i5 causal,
                                  r0 scale; scratch */
  ASCRIBE_CUDA_ATTENTION_GRADIENT = 21, /* plain g, q, k, v, strided mask?, dq, dk, dv; as ATTENTION, i6 cotangents; scratch */
  ASCRIBE_CUDA_GATHER_ELEMENTS = 22, /* strided data over the indices' dims, 0 along the axis; plain indices, plain out; i0: the
                                        axis's elements, i1: how far each is from the next */
  ASCRIBE_CUDA_GATHER_ELEMENTS_GRADIENT = 23, /* plain g, plain indices, strided out over the indices' dims but the axis; i0, i1;
                                                 i2-4: indices around the axis; i5 cotangents; i6 elements of the data */
  ASCRIBE_CUDA_ATTENTION_ROWS = 24, /* plain q, k, positions, weights?, strided mask over [items, heads, rows, keys]?, plain out; i0 items,
                                       i1 heads, i2 rows, i3 groups, i4 keys, i5 depth, i6 causal, i7 window, i8 keep rows,
                                       r0 scale; scratch */
  ASCRIBE_CUDA_APPEND = 25,   /* plain state seen as [i0, i1, i2], plain x [i0, i3, i2], a plain position (i64 or i32), plain out, which
                                 may be the state: the state, with x from the position on */
  ASCRIBE_CUDA_CONVOLUTION_WEIGHTS = 26, /* plain x, g [i26, batch, …], dw [i26, …] or, with i27, [i26, batch, …]; window; scratch */
  ASCRIBE_CUDA_INTERPOLATE = 27, /* plain a, b of one count, plain positions [n], plain out [n, count]: (1 - p) a + p b */
  ASCRIBE_CUDA_ADD_NOISE = 28, /* plain x of one count, plain i64 rows [n, width], plain out [n, count]; i0 the column of
                                  deviations, i1 the first element of the stream; see the op addNoise */
  ASCRIBE_CUDA_KIND_COUNT = 29
};

/* A window's integers: i0-2 data, i3-5 result, i6-8 kernel, i9-11 strides, i12-14 dilations, i15-17 padding before,
 * i18-20 padding behind, i21 batch, i22 groups, i23 data channels, i24 result channels, i25 count padding. */

enum AscribeCudaUnary {
  ASCRIBE_CUDA_NEG, ASCRIBE_CUDA_ABS, ASCRIBE_CUDA_SIGN, ASCRIBE_CUDA_RECIPROCAL, ASCRIBE_CUDA_SQRT, ASCRIBE_CUDA_FLOOR,
  ASCRIBE_CUDA_CEIL, ASCRIBE_CUDA_ROUND, ASCRIBE_CUDA_EXP, ASCRIBE_CUDA_LOG, ASCRIBE_CUDA_TANH, ASCRIBE_CUDA_SIGMOID,
  ASCRIBE_CUDA_ERF, ASCRIBE_CUDA_SOFTPLUS, ASCRIBE_CUDA_SOFTSIGN, ASCRIBE_CUDA_SILU, ASCRIBE_CUDA_MISH,
  ASCRIBE_CUDA_HARD_SWISH, ASCRIBE_CUDA_RELU, ASCRIBE_CUDA_LEAKY_RELU, ASCRIBE_CUDA_ELU, ASCRIBE_CUDA_CELU,
  ASCRIBE_CUDA_THRESHOLDED_RELU, ASCRIBE_CUDA_SELU, ASCRIBE_CUDA_HARD_SIGMOID, ASCRIBE_CUDA_CLIP, ASCRIBE_CUDA_GELU,
  ASCRIBE_CUDA_GELU_TANH, ASCRIBE_CUDA_SIN, ASCRIBE_CUDA_COS, ASCRIBE_CUDA_TAN, ASCRIBE_CUDA_ASIN, ASCRIBE_CUDA_ACOS,
  ASCRIBE_CUDA_ATAN, ASCRIBE_CUDA_SINH, ASCRIBE_CUDA_COSH, ASCRIBE_CUDA_ASINH, ASCRIBE_CUDA_ACOSH, ASCRIBE_CUDA_ATANH,
  ASCRIBE_CUDA_NOT
};
enum AscribeCudaBinary {
  ASCRIBE_CUDA_ADD, ASCRIBE_CUDA_SUB, ASCRIBE_CUDA_MUL, ASCRIBE_CUDA_DIV, ASCRIBE_CUDA_MIN, ASCRIBE_CUDA_MAX, ASCRIBE_CUDA_POW,
  ASCRIBE_CUDA_PRELU, ASCRIBE_CUDA_RELU_GRAD, ASCRIBE_CUDA_SIGMOID_GRAD, ASCRIBE_CUDA_TANH_GRAD, ASCRIBE_CUDA_SILU_GRAD,
  ASCRIBE_CUDA_HARD_SWISH_GRAD, ASCRIBE_CUDA_LEAKY_RELU_GRAD, ASCRIBE_CUDA_ELU_GRAD, ASCRIBE_CUDA_CLIP_GRAD,
  ASCRIBE_CUDA_HARD_SIGMOID_GRAD, ASCRIBE_CUDA_GELU_GRAD, ASCRIBE_CUDA_GELU_TANH_GRAD
};
enum AscribeCudaComparison {
  ASCRIBE_CUDA_EQUAL, ASCRIBE_CUDA_LESS, ASCRIBE_CUDA_LESS_OR_EQUAL, ASCRIBE_CUDA_GREATER, ASCRIBE_CUDA_GREATER_OR_EQUAL,
  ASCRIBE_CUDA_AND, ASCRIBE_CUDA_OR, ASCRIBE_CUDA_XOR
};
enum AscribeCudaReduction { ASCRIBE_CUDA_SUM, ASCRIBE_CUDA_MEAN, ASCRIBE_CUDA_MAXIMUM, ASCRIBE_CUDA_MINIMUM };
enum AscribeCudaPooling { ASCRIBE_CUDA_MAX_POOL, ASCRIBE_CUDA_AVERAGE_POOL };
enum AscribeCudaActivation {
  ASCRIBE_CUDA_NO_ACTIVATION, ASCRIBE_CUDA_WITH_RELU, ASCRIBE_CUDA_WITH_CLIP, ASCRIBE_CUDA_WITH_LEAKY_RELU, ASCRIBE_CUDA_WITH_GELU,
  ASCRIBE_CUDA_WITH_GELU_TANH, ASCRIBE_CUDA_WITH_SILU
};

typedef struct AscribeCudaCall {
  int32_t kind, code;
  AscribeCudaTensor tensors[ASCRIBE_CUDA_MAX_TENSORS];
  int64_t integers[ASCRIBE_CUDA_MAX_INTEGERS];
  float reals[2];
  void* scratch;
  uint64_t scratch_bytes;
} AscribeCudaCall;

typedef struct AscribeCudaInformation {
  char name[256];
  int32_t major, minor; /* compute capability */
  int32_t multiprocessors;
  uint64_t memory_bytes;
} AscribeCudaInformation;

typedef struct AscribeCudaStream AscribeCudaStream;
typedef struct AscribeCudaRecording AscribeCudaRecording;

/* On a thread of the driver, once everything before has run or was skipped: it calls nothing of this table. `status` is
 * ASCRIBE_OK, or what failed first since the last fence, with a message that lives during the call. */
typedef void (*AscribeCudaReached)(void* context, int status, const char* message);

typedef struct AscribeCudaTable {
  uint32_t abi;
  uint32_t table_bytes;
  const char* version; /* of the runtime: "13.0" */

  /* How many devices this process sees; 0 and a reason in `message` where there is no driver. */
  int (*device_count)(char* message, size_t message_bytes);
  int (*information)(int device, AscribeCudaInformation* information, char* message, size_t message_bytes);

  void* (*allocate)(int device, size_t bytes, char* message, size_t message_bytes); /* null on failure; 256-byte aligned */
  void (*release)(int device, void* address);

  AscribeCudaStream* (*open_stream)(int device, char* message, size_t message_bytes);
  void (*close_stream)(AscribeCudaStream* stream); /* waits for what runs */

  /* All of these enqueue. After a failure the stream skips everything up to the next fence or synchronize, which receive
   * the failure. */
  int (*upload)(AscribeCudaStream* stream, void* to, const void* from, size_t bytes);
  int (*download)(AscribeCudaStream* stream, void* to, const void* from, size_t bytes);
  int (*copy)(AscribeCudaStream* stream, void* to, const void* from, size_t bytes);
  int (*fill)(AscribeCudaStream* stream, void* to, int value, size_t bytes);
  int (*run)(AscribeCudaStream* stream, const AscribeCudaCall* call);
  void (*fence)(AscribeCudaStream* stream, AscribeCudaReached reached, void* context);
  int (*synchronize)(AscribeCudaStream* stream, char* message, size_t message_bytes);

  /* Between these two, calls of `run` are written down and not done, and nothing else may be enqueued. Where the second
   * gives null and a message nothing has been done, and the stream goes on as before. */
  int (*begin_recording)(AscribeCudaStream* stream, char* message, size_t message_bytes);
  AscribeCudaRecording* (*end_recording)(AscribeCudaStream* stream, char* message, size_t message_bytes);
  /* Enqueues what was written down, in a stream of the identity that it was written down in. */
  int (*replay)(AscribeCudaStream* stream, const AscribeCudaRecording* recording);
  void (*drop_recording)(AscribeCudaRecording* recording); /* what was enqueued has run */
  uint64_t (*identity)(const AscribeCudaStream* stream); /* never the same for two streams, nor after one was closed for good */

  /* Bytes of scratch that a call wants (its addresses are not read). */
  uint64_t (*scratch_bytes)(const AscribeCudaCall* call);
} AscribeCudaTable;

typedef const AscribeCudaTable* (*AscribeCudaEntry)(char* message, size_t message_bytes);
#define ASCRIBE_CUDA_ENTRY "ascribe_cuda_table"

#ifdef __cplusplus
}
#endif
#endif
