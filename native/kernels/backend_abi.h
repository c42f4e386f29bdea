/* The door between the addon and the backend libraries beside it: plain C, so that a library built by another
 * compiler or against another version of the addon either fits exactly or is refused by its number. Raise the
 * number with every change of this file. Sizes and strides count elements; functions
 * never throw or keep pointers. */
#ifndef ASCRIBE_BACKEND_ABI_H
#define ASCRIBE_BACKEND_ABI_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ASCRIBE_BACKEND_ABI 6
#define ASCRIBE_MAX_RANK 6
#define ASCRIBE_MAX_POST_OPS 4

enum AscribeFormat {
  ASCRIBE_FORMAT_STRIDED = 0, /* by `strides` */
  ASCRIBE_FORMAT_CHANNELS_LAST = 1,
  ASCRIBE_FORMAT_BLOCKED8 = 2,  /* N, ceil(C/8), spatial…, 8; padded channels are zero */
  ASCRIBE_FORMAT_BLOCKED16 = 3, /* N, ceil(C/16), spatial…, 16; padded channels are zero */
  ASCRIBE_FORMAT_ANY = 4,       /* to create: the library's choice */
  ASCRIBE_FORMAT_OPAQUE = 5     /* in answers: a format of the library's own; fill it with `pack` */
};

enum AscribeElement {
  ASCRIBE_F32 = 0,
  ASCRIBE_BF16 = 1 /* data and weights of convolutions and their data gradients, whose results are f32 */
};

typedef struct AscribeTensor {
  int32_t rank; /* 0: the operation has no such operand */
  int32_t format;
  int32_t element;
  int64_t dims[ASCRIBE_MAX_RANK];
  int64_t strides[ASCRIBE_MAX_RANK];
} AscribeTensor;

enum AscribeOperationKind {
  ASCRIBE_CONVOLUTION = 0, /* first x [N,C,…], second w [M,C/groups,…], bias [M], result y [N,M,…] */
  ASCRIBE_CONVOLUTION_DATA = 1,    /* first dy, second w, result dx */
  ASCRIBE_CONVOLUTION_WEIGHTS = 2, /* first x, second dy, result dw */
  ASCRIBE_MATMUL = 3,              /* first […,m,k], second […,k,n], bias [1…,n], result […,m,n] */
  ASCRIBE_MAX_POOL = 4,            /* first x, result y; `training` keeps a workspace for the gradient */
  ASCRIBE_AVERAGE_POOL = 5,        /* first x, result y; `count_padding` */
  ASCRIBE_MAX_POOL_GRADIENT = 6,   /* first dy, result dx; the workspace that the forward pass wrote */
  ASCRIBE_AVERAGE_POOL_GRADIENT = 7,
  ASCRIBE_REORDER = 8 /* first in one format, result in another */
};

enum AscribePostOpKind {
  ASCRIBE_POST_RELU = 0, /* alpha: slope below zero */
  ASCRIBE_POST_CLIP = 1, /* to [alpha, beta] */
  ASCRIBE_POST_SUM = 2,  /* adds what lies in the result */
  ASCRIBE_POST_ADD = 3,  /* adds the operand `residual` */
  ASCRIBE_POST_SILU = 4  /* x / (1 + e^-x) */
};

typedef struct AscribePostOp {
  int32_t kind;
  float alpha, beta;
} AscribePostOp;

typedef struct AscribeOperation {
  int32_t kind;
  AscribeTensor first, second, bias, residual, result;
  int32_t groups;
  int32_t training;
  int32_t count_padding;
  int32_t winograd; /* convolution: by Winograd's algorithm, or not at all */
  int64_t kernel[3]; /* poolings */
  int64_t strides[3], dilations[3], pad_begin[3], pad_end[3];
  int32_t post_op_count;
  AscribePostOp post_ops[ASCRIBE_MAX_POST_OPS];
} AscribeOperation;

enum AscribeOperand {
  ASCRIBE_FIRST = 0,
  ASCRIBE_SECOND = 1,
  ASCRIBE_BIAS = 2,
  ASCRIBE_RESIDUAL = 3,
  ASCRIBE_RESULT = 4,
  ASCRIBE_SCRATCH = 5,
  ASCRIBE_WORKSPACE = 6,
  ASCRIBE_OPERAND_COUNT = 7
};

enum AscribeStatus {
  ASCRIBE_OK = 0,
  ASCRIBE_UNSUPPORTED = 1, /* the library has no (fast) implementation: use another backend */
  ASCRIBE_FAILED = 2,
  ASCRIBE_INVALID = 3 /* what was given cannot be computed with: an index outside its axis */
};

typedef struct AscribePrimitive AscribePrimitive;

/* Calls body(context, i) once for every i in [0, threads) and returns when all are done. Bodies may wait for each
 * other, so every one that is not finished needs a thread. */
typedef void (*AscribeRegionRunner)(int threads, void (*body)(void* context, int index), void* context);

typedef struct AscribeOnednnTable {
  uint32_t abi;
  uint32_t table_bytes;
  const char* version; /* of the library behind it, "2.6.3" */

  /* Instruction set in use ("avx2", "avx512_core" …). */
  const char* (*isa)(void);

  /* Prepares an operation for the given number of threads. On failure `message` says why. A primitive may be
   * executed from several threads at once, each with buffers of its own. `like`, if not null, is a primitive of
   * the same operation for another number of threads: what was packed for it fits this one too. */
  int (*create)(const AscribeOperation* operation, const AscribePrimitive* like, int threads,
                AscribePrimitive** primitive, char* message, size_t message_bytes);
  void (*destroy)(AscribePrimitive* primitive);

  /* Name of the chosen implementation; lives as long as the primitive. */
  const char* (*implementation)(const AscribePrimitive* primitive);
  /* Bytes of an operand in the primitive's format, of the scratch buffer or the workspace; 0 if there is
   * none. */
  size_t (*bytes)(const AscribePrimitive* primitive, int operand);
  /* The AscribeFormat that an operand created as ANY got; STRIDED means row-major there. */
  int (*format)(const AscribePrimitive* primitive, int operand);

  /* 1 where what is packed for one primitive's operand can be given to the other's. */
  int (*same_format)(const AscribePrimitive* one, const AscribePrimitive* other, int operand);

  /* Brings an operand from plain row-major f32 into the primitive's format and element, and a result back. */
  int (*pack)(const AscribePrimitive* primitive, int operand, const void* plain, void* packed, int threads);
  int (*unpack)(const AscribePrimitive* primitive, int operand, const void* packed, void* plain, int threads);

  /* `buffers` by AscribeOperand; absent ones are null. Scratch is aligned to 64 bytes. */
  int (*execute)(const AscribePrimitive* primitive, void* const buffers[ASCRIBE_OPERAND_COUNT], int threads);
} AscribeOnednnTable;

/* Every backend library exports this first: its ABI number, asked before anything else is called. */
typedef uint32_t (*AscribeAbiEntry)(void);
#define ASCRIBE_ABI_ENTRY "ascribe_backend_abi"

/* `max_isa` caps the instruction set ("baseline", "avx2", "avx512", null for none); it counts for the first
 * call in a process. `runner` runs what the library does with several threads. Null on failure, `message` says
 * why. */
typedef const AscribeOnednnTable* (*AscribeOnednnEntry)(const char* max_isa, AscribeRegionRunner runner,
                                                        char* message, size_t message_bytes);
#define ASCRIBE_ONEDNN_ENTRY "ascribe_onednn_table"

#ifdef __cplusplus
}
#endif
#endif
