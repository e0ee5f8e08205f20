// The operations of one instruction set: a table, so that what is below them can hold and choose it. Each is defined in
// ops/*.cpp, compiled once per instruction set, and ops/table.cpp fills a table with them.
#pragma once

#include "peftnative.h"

namespace pn {

struct Kernels {
    const char* name;
    void (*linear_forward)(pn_context&, const pn_linear&);
    void (*linear_backward)(pn_context&, const pn_linear&, const pn_linear_gradients&);
    void (*dequantize)(pn_context&, const pn_dequantize&);
    void (*dora_scale_forward)(pn_context&, const pn_dora_scale&);
    void (*dora_scale_backward)(pn_context&, const pn_dora_scale&, const pn_dora_scale_gradients&);
    void (*embedding_forward)(pn_context&, const pn_embedding&);
    void (*embedding_backward)(pn_context&, const pn_embedding&, const pn_embedding_gradients&);
    void (*norm_forward)(pn_context&, const pn_norm&);
    void (*norm_backward)(pn_context&, const pn_norm&, const pn_norm_gradients&);
    void (*rope)(pn_context&, const pn_rope&, bool backward);
    void (*attention_forward)(pn_context&, const pn_attention&);
    void (*attention_backward)(pn_context&, const pn_attention&, const pn_attention_gradients&);
    void (*gate_forward)(pn_context&, const pn_gate&);
    void (*gate_backward)(pn_context&, const pn_gate&, const pn_gate_gradients&);
    void (*dropout)(pn_context&, const pn_dropout&);
    void (*gather_forward)(pn_context&, const pn_gather&);
    void (*gather_backward)(pn_context&, const pn_gather&, const pn_gather_gradients&);
    void (*cross_entropy)(pn_context&, const pn_cross_entropy&);
    void (*regression_loss)(pn_context&, const pn_regression_loss&);
    void (*adamw)(pn_context&, const pn_adamw&);
    double (*sum_of_squares)(pn_context&, const pn_tensor& x);
    void (*add_scaled)(pn_context&, const pn_tensor& x, double scale, const pn_tensor& y);

    // For tests and benchmarks: elementwise functions over arrays.
    void (*map)(int function, const float* x, float* y, int count);
};

namespace portable { const Kernels& kernels(); }
namespace avx2 { const Kernels& kernels(); }
namespace avx512 { const Kernels& kernels(); }
namespace avx512bf16 { const Kernels& kernels(); }

}  // namespace pn
