/*
 * The C interface of the native CPU backend. The operation records mirror the C# records of src/PeftNative/Ops field by
 * field (natural alignment, booleans of one byte); their formulas, shapes and optional operands are documented there.
 * An absent operand has data == NULL. pn_check_layout compares the sizes of both sides when the library is loaded.
 *
 * Every function that can fail returns a pn_status; pn_last_error then says what was wrong, for the calling thread. A
 * context is used by one thread at a time. Results do not depend on its number of threads.
 */
#ifndef PEFTNATIVE_H
#define PEFTNATIVE_H

#include <stdint.h>

#if defined(_WIN32)
#if defined(PN_BUILD)
#define PN_API __declspec(dllexport)
#else
#define PN_API __declspec(dllimport)
#endif
#else
#define PN_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever a record or function changes. */
#define PN_ABI_VERSION 4u

typedef enum pn_status {
    PN_OK = 0,
    PN_INVALID_ARGUMENT = 1, /* a shape, type or option that the operation does not take */
    PN_INVALID_DATA = 2,     /* a token, label, row or position outside its table */
    PN_OUT_OF_MEMORY = 3,
    PN_UNSUPPORTED = 4, /* an instruction set or element type this build or machine does not have */
    PN_INTERNAL = 5
} pn_status;

typedef enum pn_type {
    PN_FLOAT32 = 0,
    PN_FLOAT64 = 1,
    PN_BFLOAT16 = 2,
    PN_FLOAT16 = 3,
    PN_INT32 = 4,
    PN_INT8 = 5
} pn_type;

typedef uint8_t pn_bool;

/* A matrix view that owns nothing; stride counts elements from row to row. */
typedef struct pn_tensor {
    void* data;
    int32_t type;
    int32_t rows;
    int32_t columns;
    int32_t stride;
} pn_tensor;

typedef struct pn_dropout_mask {
    float probability;
    uint64_t key;
    uint64_t stream;
} pn_dropout_mask;

typedef struct pn_context pn_context; /* threads, scratch memory, chosen instruction set */

typedef struct pn_low_rank {
    pn_tensor a, b;
    double scale;
    int32_t row_start, row_count;
    pn_tensor s;
    pn_dropout_mask dropout;
    pn_tensor dropped_x;
    pn_tensor grad_a, grad_b;
} pn_low_rank;

/*
 * Activations (x, y, dy, ...) of one record share one element type, fp32 or bf16; weights
 * and tables have their own of these two; everything else is fp32. Sums are made in fp32.
 * With a weight of codes (int8, and w_maxima) products are of codes, summed in int32.
 */
typedef struct pn_linear {
    pn_tensor x, w, w_maxima;
    pn_tensor bias;
    const pn_low_rank* low_rank;
    int32_t low_rank_count;
    pn_tensor input_scale, output_scale;
    pn_bool scale_before_bias;
    pn_tensor pre_scale, residual, y;
} pn_linear;

typedef struct pn_linear_gradients {
    pn_tensor dy, dx;
    pn_bool accumulate_dx;
    pn_tensor dw, dbias, dinput_scale, doutput_scale, scratch;
} pn_linear_gradients;

/* Codes are bytes in int32 tensors, in the order of memory. */
typedef struct pn_dequantize {
    pn_tensor codes, book;
    int32_t format, block_size, block_rows;
    pn_tensor groups, zeros, maxima, maxima_codes, maxima_book, maxima_scales;
    double maxima_offset;
    pn_tensor y;
} pn_dequantize;

typedef struct pn_dora_scale {
    pn_tensor w, a, b;
    double scale;
    pn_tensor magnitude, norm, g;
} pn_dora_scale;

typedef struct pn_dora_scale_gradients {
    pn_tensor dg, dmagnitude;
} pn_dora_scale_gradients;

typedef struct pn_embedding {
    pn_tensor tokens, positions, types, table, position_table, type_table, virtual_table;
    double token_scale;
    pn_tensor a, b;
    double low_rank_scale;
    pn_tensor y;
} pn_embedding;

typedef struct pn_embedding_gradients {
    pn_tensor dy, dtable, dposition_table, dtype_table, dvirtual_table, da, db;
} pn_embedding_gradients;

typedef struct pn_norm {
    pn_tensor x, gamma, beta;
    int32_t kind; /* 0 LayerNorm, 1 RMSNorm */
    double epsilon, gamma_offset;
    int32_t groups;
    pn_tensor mean, rstd, y;
} pn_norm;

typedef struct pn_norm_gradients {
    pn_tensor dy, dx;
    pn_bool accumulate_dx;
    pn_tensor dgamma, dbeta;
} pn_norm_gradients;

typedef struct pn_rope {
    pn_tensor x;
    int32_t heads, head_stride;
    pn_tensor positions, cos, sin;
} pn_rope;

typedef struct pn_attention {
    pn_tensor q, k, v, prefix_k, prefix_v, segments;
    int32_t heads, kv_heads, head_dim, head_stride, kv_head_stride;
    double scale;
    pn_bool causal;
    int32_t window;
    double soft_cap;
    pn_tensor relative_bias;
    int32_t relative_max_distance;
    pn_bool relative_bidirectional;
    pn_dropout_mask dropout;
    pn_tensor y, log_sum_exp;
} pn_attention;

typedef struct pn_attention_gradients {
    pn_tensor dy, dq, dk, dv, dprefix_k, dprefix_v, drelative_bias, delta;
} pn_attention_gradients;

typedef struct pn_gate {
    pn_tensor x, up;
    int32_t activation; /* 0 identity, 1 relu, 2 gelu, 3 gelu with tanh, 4 silu, 5 tanh, 6 sigmoid */
    pn_tensor y;
} pn_gate;

typedef struct pn_gate_gradients {
    pn_tensor dy, dx, dup;
} pn_gate_gradients;

typedef struct pn_dropout {
    pn_tensor x;
    pn_dropout_mask mask;
    pn_bool accumulate;
    pn_tensor y;
} pn_dropout;

typedef struct pn_gather {
    pn_tensor x, rows, y;
} pn_gather;

typedef struct pn_gather_gradients {
    pn_tensor dy, dx;
} pn_gather_gradients;

typedef struct pn_cross_entropy {
    pn_tensor logits, labels, loss, correct;
    pn_bool gradient;
    double gradient_scale, soft_cap;
} pn_cross_entropy;

typedef struct pn_regression_loss {
    pn_tensor logits, targets;
    int32_t kind; /* 0 mean squared error, 1 binary cross-entropy with logits */
    pn_tensor loss;
    pn_bool gradient;
    double gradient_scale;
} pn_regression_loss;

typedef struct pn_adamw {
    pn_tensor values, gradients, first_moment, second_moment;
    int32_t step;
    double learning_rate, beta1, beta2, epsilon, weight_decay, gradient_scale;
} pn_adamw;

PN_API uint32_t pn_abi_version(void);

/*
 * Compares the caller's record sizes with the library's, in the order in which the records
 * stand above: tensor, dropout mask, low rank, linear and gradients, dequantize, DoRA scale
 * and gradients, embedding and gradients, norm and gradients, rope, attention and gradients,
 * gate and gradients, dropout, gather and gradients, cross-entropy, regression loss, AdamW.
 */
PN_API pn_status pn_check_layout(const int32_t* sizes, int32_t count);

/* What the last failing call of this thread complained about; never NULL. */
PN_API const char* pn_last_error(void);

/*
 * Opens a context with its own pool of the given number of threads (the caller is one of them); 0 takes one per
 * processor. The instruction set is portable, avx2, avx512 or avx512bf16; NULL takes the one the environment variable
 * PEFTNATIVE_CPU names, or the best the machine has.
 */
PN_API pn_status pn_create(int32_t threads, const char* instruction_set, pn_context** context);
PN_API void pn_destroy(pn_context* context);

/* One line: processor, instruction set, threads. Lives as long as the context. */
PN_API const char* pn_cpu_description(const pn_context* context);

/* The most the machine does with all threads of the context: fp32 multiply-adds, bf16 and int8 dot products in
 * operations per second (0 where the processor has no such instruction),
 * reading memory in bytes per second. Takes some 0.2 s. */
typedef enum pn_peak { PN_PEAK_FP32 = 0, PN_PEAK_BF16 = 1, PN_PEAK_READING = 2, PN_PEAK_INT8 = 3 } pn_peak;
PN_API pn_status pn_measure_peak(pn_context* context, int32_t peak, double* rate);

PN_API pn_status pn_allocate(int64_t bytes, void** memory); /* 64-byte aligned or better */
PN_API void pn_free(void* memory);

PN_API pn_status pn_linear_forward(pn_context* context, const pn_linear* op);
PN_API pn_status pn_linear_backward(pn_context* context, const pn_linear* op, const pn_linear_gradients* gradients);
PN_API pn_status pn_dequantize_forward(pn_context* context, const pn_dequantize* op);
PN_API pn_status pn_dora_scale_forward(pn_context* context, const pn_dora_scale* op);
PN_API pn_status pn_dora_scale_backward(pn_context* context, const pn_dora_scale* op,
                                        const pn_dora_scale_gradients* gradients);
PN_API pn_status pn_embedding_forward(pn_context* context, const pn_embedding* op);
PN_API pn_status pn_embedding_backward(pn_context* context, const pn_embedding* op,
                                       const pn_embedding_gradients* gradients);
PN_API pn_status pn_norm_forward(pn_context* context, const pn_norm* op);
PN_API pn_status pn_norm_backward(pn_context* context, const pn_norm* op, const pn_norm_gradients* gradients);
PN_API pn_status pn_rope_forward(pn_context* context, const pn_rope* op);
PN_API pn_status pn_rope_backward(pn_context* context, const pn_rope* op);
PN_API pn_status pn_attention_forward(pn_context* context, const pn_attention* op);
PN_API pn_status pn_attention_backward(pn_context* context, const pn_attention* op,
                                       const pn_attention_gradients* gradients);
PN_API pn_status pn_gate_forward(pn_context* context, const pn_gate* op);
PN_API pn_status pn_gate_backward(pn_context* context, const pn_gate* op, const pn_gate_gradients* gradients);
PN_API pn_status pn_dropout_forward(pn_context* context, const pn_dropout* op);
PN_API pn_status pn_gather_forward(pn_context* context, const pn_gather* op);
PN_API pn_status pn_gather_backward(pn_context* context, const pn_gather* op, const pn_gather_gradients* gradients);
PN_API pn_status pn_cross_entropy_run(pn_context* context, const pn_cross_entropy* op);
PN_API pn_status pn_regression_loss_run(pn_context* context, const pn_regression_loss* op);
PN_API pn_status pn_adamw_run(pn_context* context, const pn_adamw* op);
PN_API pn_status pn_sum_of_squares(pn_context* context, const pn_tensor* x, double* sum);
PN_API pn_status pn_add_scaled(pn_context* context, const pn_tensor* x, double scale, const pn_tensor* y);
PN_API pn_status pn_fill(pn_context* context, const pn_tensor* x, double value);
PN_API pn_status pn_copy(pn_context* context, const pn_tensor* x, const pn_tensor* y);

#ifdef __cplusplus
}
#endif

#endif
