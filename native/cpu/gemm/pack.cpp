#include "gemm/pack.h"

#include "simd/octet.h"

namespace pn::PN_ISA {

namespace {

// out[c * out_stride + r] = x[r * stride + c] * scale[c] for a block of rows x columns, both at most 8.
PN_INLINE void transpose_block(const float* x, std::ptrdiff_t stride, int rows, int columns, const float* scale, Octet factor,
                               float* out, std::ptrdiff_t out_stride) {
    Octet block[8];
    for (int r = 0; r < 8; r++) {
        block[r] = r < rows ? load_octet(x + r * stride, columns) : octet(0.0f);
        block[r] = block[r] * (scale == nullptr ? factor : load_octet(scale, columns));
    }
    transpose_octets(block);
    for (int c = 0; c < columns; c++) store_octet(out + c * out_stride, block[c], rows);
}

PN_INLINE void transpose_full_block(const float* x, std::ptrdiff_t stride, float* out, std::ptrdiff_t out_stride) {
    Octet block[8];
    PN_UNROLL
    for (int r = 0; r < 8; r++) block[r] = load_octet(x + r * stride);
    transpose_octets(block);
    PN_UNROLL
    for (int c = 0; c < 8; c++) store_octet(out + c * out_stride, block[c]);
}

void transpose_any(const float* x, std::ptrdiff_t stride, std::ptrdiff_t rows, std::ptrdiff_t columns, const float* scale,
                   float factor, float* out, std::ptrdiff_t out_stride) {
    const bool plain = scale == nullptr && factor == 1.0f;
    for (std::ptrdiff_t c = 0; c < columns; c += 8) {
        const int width = static_cast<int>(smaller<std::ptrdiff_t>(8, columns - c));
        for (std::ptrdiff_t r = 0; r < rows; r += 8) {
            const int height = static_cast<int>(smaller<std::ptrdiff_t>(8, rows - r));
            const float* from = x + r * stride + c;
            float* to = out + c * out_stride + r;
            if (plain && width == 8 && height == 8) transpose_full_block(from, stride, to, out_stride);
            else transpose_block(from, stride, height, width, scale == nullptr ? nullptr : scale + c, octet(factor), to, out_stride);
        }
    }
}

}  // namespace

std::ptrdiff_t panel_floats(std::ptrdiff_t rows, std::ptrdiff_t columns) {
    return ceil_div<std::ptrdiff_t>(rows, panel_width) * columns * panel_width;
}

void pack_panel(const float* x, std::ptrdiff_t stride, int rows, std::ptrdiff_t columns, const float* scale, float* out) {
    transpose_any(x, stride, rows, columns, scale, 1.0f, out, panel_width);
}

void transpose(const float* x, std::ptrdiff_t stride, std::ptrdiff_t rows, std::ptrdiff_t columns, float factor, float* out,
               std::ptrdiff_t out_stride) {
    transpose_any(x, stride, rows, columns, nullptr, factor, out, out_stride);
}

void pack_columns(const float* x, std::ptrdiff_t stride, std::ptrdiff_t rows, std::ptrdiff_t columns, float* out,
                  std::ptrdiff_t panel) {
    for (std::ptrdiff_t j = 0; j < columns; j += panel_width, out += panel) {
        const std::ptrdiff_t width = smaller<std::ptrdiff_t>(panel_width, columns - j);
        for (std::ptrdiff_t r = 0; r < rows; r++) {
            float* to = out + r * panel_width;
            for_vectors(width, [&](std::ptrdiff_t c, int n) { store(to + c, load(x + r * stride + j + c, n), n); });
            for (std::ptrdiff_t c = width; c < panel_width; c++) to[c] = 0.0f;
        }
    }
}

void pack_weight(pn_context& context, const pn_tensor& weight, float* packed) {
    const std::ptrdiff_t rows = weight.rows, panels = ceil_div(weight.columns, panel_width);
    const auto* data = static_cast<const float*>(weight.data);
    const int workers = context.workers(static_cast<double>(rows) * weight.columns);
    context.pool.run(workers, [&](int worker) {
        for (std::ptrdiff_t p = worker; p < panels; p += workers) {
            const std::ptrdiff_t j = p * panel_width;
            pack_columns(data + j, weight.stride, rows, smaller<std::ptrdiff_t>(panel_width, weight.columns - j),
                         packed + p * rows * panel_width, 0);
        }
    });
}

}  // namespace pn::PN_ISA
