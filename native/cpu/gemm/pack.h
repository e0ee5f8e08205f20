// Changes of order that matrix products need.
#pragma once

#include "gemm/tile.h"

namespace pn::PN_ISA {

// The right operand of a product as it lies in memory: of fp32, of bf16, or (for quads) of signed bytes.
struct Right {
    const void* data;
    bool is_bf16;
    std::ptrdiff_t stride;
    bool turned;  // false: step k, column j at data[k * stride + j]; true: at data[j * stride + k]
};

// Steps [k, k + steps) and columns [j, j + columns) as panels of panel_columns(), [panel][step][48]. As pairs two steps
// become one element of two bf16, rounded from fp32 where the operand is that; as quads four steps become one of four
// bytes. What is missing of a last word is zero.
void pack_right(const Right& right, std::ptrdiff_t k, std::ptrdiff_t steps, std::ptrdiff_t j, std::ptrdiff_t columns,
                Words words, float* out);

// One panel: out[c * 48 + r] = x[r * stride + c] for r < rows <= 48.
template <class T>
void pack_panel(const T* x, std::ptrdiff_t stride, int rows, std::ptrdiff_t columns, float* out);

// out[c * out_stride + r] = factor * x[r * stride + c].
template <class T, class U>
void transpose(const T* x, std::ptrdiff_t stride, std::ptrdiff_t rows, std::ptrdiff_t columns, float factor, U* out,
               std::ptrdiff_t out_stride);

}  // namespace pn::PN_ISA
