#include "gemm/pack.h"

#include "simd/octet.h"

namespace pn::PN_ISA {

namespace {

PN_INLINE void put_octet(float* p, Octet a, int n) { store_octet(p, a, n); }
PN_INLINE void put_octet(bf16* p, Octet a, int n) {
    alignas(64) float lanes[2 * W >= 16 ? 2 * W : 16] = {};
    store_octet(lanes, a);
    for (int i = 0; i < n; i += W) store(p + i, load(lanes + i), smaller(W, n - i));
}

template <class T, class U>
PN_INLINE void transpose_block(const T* x, std::ptrdiff_t stride, int rows, int columns, Octet factor, U* out, std::ptrdiff_t out_stride) {
    Octet block[8];
    for (int r = 0; r < 8; r++) block[r] = (r < rows ? load_octet(x + r * stride, columns) : octet(0.0f)) * factor;
    transpose_octets(block);
    for (int c = 0; c < columns; c++) put_octet(out + c * out_stride, block[c], rows);
}

PN_INLINE void transpose_full_block(const float* x, std::ptrdiff_t stride, float* out, std::ptrdiff_t out_stride) {
    Octet block[8];
    PN_UNROLL
    for (int r = 0; r < 8; r++) block[r] = load_octet(x + r * stride);
    transpose_octets(block);
    PN_UNROLL
    for (int c = 0; c < 8; c++) store_octet(out + c * out_stride, block[c]);
}

// Rows of floats, or of pairs that are moved like floats, become columns of a panel.
void turn_words(const float* x, std::ptrdiff_t stride, std::ptrdiff_t rows, std::ptrdiff_t columns, float* out) {
    for (std::ptrdiff_t c = 0; c < columns; c += 8) {
        const int width = static_cast<int>(smaller<std::ptrdiff_t>(8, columns - c));
        for (std::ptrdiff_t r = 0; r < rows; r += 8) {
            const int height = static_cast<int>(smaller<std::ptrdiff_t>(8, rows - r));
            const float* from = x + r * stride + c;
            float* to = out + c * panel_width + r;
            if (width == 8 && height == 8) {
                transpose_full_block(from, stride, to, panel_width);
            } else {
                Octet block[8];
                for (int i = 0; i < 8; i++) block[i] = i < height ? load_octet(from + i * stride, width) : octet(0.0f);
                transpose_octets(block);
                for (int i = 0; i < width; i++) store_octet(to + i * panel_width, block[i], height);
            }
        }
    }
}

PN_INLINE F rounded_from(const float* p, int n) { return rounded(load(p, n)); }
PN_INLINE F rounded_from(const bf16* p, int n) { return load(p, n); }

// Rows of columns stay rows.
template <class T>
void straight(const T* x, std::ptrdiff_t stride, std::ptrdiff_t steps, std::ptrdiff_t width, bool pairs, float* out) {
    const std::ptrdiff_t each = pairs ? 2 : 1;
    for (std::ptrdiff_t k = 0; k < steps; k += each, out += panel_width) {
        const T* from = x + k * stride;
        for_vectors(width, [&](std::ptrdiff_t c, int n) {
            F value;
            if (pairs) value = join(rounded_from(from + c, n), k + 1 < steps ? rounded_from(from + stride + c, n) : zero());
            else value = load(from + c, n);
            store(out + c, value);
        });
    }
}

// Rows become columns of pairs: the general case.
template <class T>
void turn_pairs(const T* x, std::ptrdiff_t stride, std::ptrdiff_t steps, std::ptrdiff_t width, float* out) {
    alignas(64) float columns[8 * panel_width];
    for (std::ptrdiff_t k = 0; k < steps; k += 8) {
        const std::ptrdiff_t count = smaller<std::ptrdiff_t>(8, steps - k);
        pack_panel(x + k, stride, static_cast<int>(width), count, columns);
        straight(columns, panel_width, count, width, true, out + k / 2 * panel_width);
    }
}

template <class T>
void turn(const T* x, std::ptrdiff_t stride, std::ptrdiff_t steps, std::ptrdiff_t width, bool pairs, float* out) {
    if (!pairs) return pack_panel(x, stride, static_cast<int>(width), steps, out);
    if constexpr (sizeof(T) == 2) {
        const bool whole = (steps | stride) % 2 == 0 && reinterpret_cast<std::uintptr_t>(x) % sizeof(float) == 0;
        if (whole) return turn_words(reinterpret_cast<const float*>(x), stride / 2, width, steps / 2, out);
    }
    turn_pairs(x, stride, steps, width, out);
}

template <class T>
void pack(const Right& right, std::ptrdiff_t k, std::ptrdiff_t steps, std::ptrdiff_t j, std::ptrdiff_t columns, bool pairs, float* out) {
    const T* x = static_cast<const T*>(right.data) + (right.turned ? j * right.stride + k : k * right.stride + j);
    const std::ptrdiff_t panel = (pairs ? ceil_div<std::ptrdiff_t>(steps, 2) : steps) * panel_width;
    for (std::ptrdiff_t c = 0; c < columns; c += panel_width, out += panel) {
        const std::ptrdiff_t width = smaller<std::ptrdiff_t>(panel_width, columns - c);
        if (right.turned) turn(x + c * right.stride, right.stride, steps, width, pairs, out);
        else straight(x + c, right.stride, steps, width, pairs, out);
    }
}

}  // namespace

void pack_right(const Right& right, std::ptrdiff_t k, std::ptrdiff_t steps, std::ptrdiff_t j, std::ptrdiff_t columns, bool pairs, float* out) {
    if (right.is_bf16) pack<bf16>(right, k, steps, j, columns, pairs, out);
    else pack<float>(right, k, steps, j, columns, pairs, out);
}

template <class T>
void pack_panel(const T* x, std::ptrdiff_t stride, int rows, std::ptrdiff_t columns, float* out) {
    if constexpr (sizeof(T) == sizeof(float)) return turn_words(x, stride, rows, columns, out);
    for (std::ptrdiff_t c = 0; c < columns; c += 8)
        for (int r = 0; r < rows; r += 8) {
            const int width = static_cast<int>(smaller<std::ptrdiff_t>(8, columns - c)), height = smaller(8, rows - r);
            Octet block[8];
            for (int i = 0; i < 8; i++) block[i] = i < height ? load_octet(x + (r + i) * stride + c, width) : octet(0.0f);
            transpose_octets(block);
            for (int i = 0; i < width; i++) store_octet(out + (c + i) * panel_width + r, block[i], height);
        }
}

template <class T, class U>
void transpose(const T* x, std::ptrdiff_t stride, std::ptrdiff_t rows, std::ptrdiff_t columns, float factor, U* out, std::ptrdiff_t out_stride) {
    for (std::ptrdiff_t c = 0; c < columns; c += 8) {
        const int width = static_cast<int>(smaller<std::ptrdiff_t>(8, columns - c));
        for (std::ptrdiff_t r = 0; r < rows; r += 8) {
            const int height = static_cast<int>(smaller<std::ptrdiff_t>(8, rows - r));
            transpose_block(x + r * stride + c, stride, height, width, octet(factor), out + c * out_stride + r, out_stride);
        }
    }
}

template void pack_panel(const float*, std::ptrdiff_t, int, std::ptrdiff_t, float*);
template void pack_panel(const bf16*, std::ptrdiff_t, int, std::ptrdiff_t, float*);
template void transpose(const float*, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, float, float*, std::ptrdiff_t);
template void transpose(const bf16*, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, float, float*, std::ptrdiff_t);
template void transpose(const bf16*, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, float, bf16*, std::ptrdiff_t);

}  // namespace pn::PN_ISA
