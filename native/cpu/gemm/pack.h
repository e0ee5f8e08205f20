// Changes of order that matrix products need.
#pragma once

#include "core/context.h"
#include "gemm/tile.h"

namespace pn::PN_ISA {

// Floats that `rows` rows take as transposed panels of 48: [panel][column][48].
std::ptrdiff_t panel_floats(std::ptrdiff_t rows, std::ptrdiff_t columns);

// One panel: out[c * 48 + r] = x[r * stride + c] * scale[c] for r < rows <= 48 (scale may be null), zeros behind the last row up to a whole vector.
void pack_panel(const float* x, std::ptrdiff_t stride, int rows, std::ptrdiff_t columns, const float* scale, float* out);

// out[c * out_stride + r] = factor * x[r * stride + c].
void transpose(const float* x, std::ptrdiff_t stride, std::ptrdiff_t rows, std::ptrdiff_t columns, float factor, float* out,
               std::ptrdiff_t out_stride);

// The columns [0, columns) of `rows` rows as panels [panel][row][48], the last filled up with zeros.
void pack_columns(const float* x, std::ptrdiff_t stride, std::ptrdiff_t rows, std::ptrdiff_t columns, float* out, std::ptrdiff_t panel);

void pack_weight(pn_context& context, const pn_tensor& weight, float* packed);

}  // namespace pn::PN_ISA
