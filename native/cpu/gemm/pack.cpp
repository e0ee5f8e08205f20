#include "gemm/pack.h"

#include "simd/simd.h"

namespace pn::PN_ISA {

namespace {

// How many vectors ahead the rows of x are asked for: hardware does not follow as many rows at once.
constexpr std::ptrdiff_t prefetched_vectors = 4;
constexpr std::ptrdiff_t steps_at_once = 8;  // even

// A square of at most W x W elements: rows of x become columns.
template <class T, class U>
PN_INLINE void turn_square(const T* x, std::ptrdiff_t stride, int rows, int columns, F factor, U* out,
                           std::ptrdiff_t out_stride) {
    F square[W];
    for (int r = 0; r < W; r++) square[r] = (r < rows ? load(x + r * stride, columns) : zero()) * factor;
    transpose(square);
    for (int c = 0; c < columns; c++) store(out + c * out_stride, square[c], rows);
}

PN_INLINE void turn_whole_square(const float* x, std::ptrdiff_t stride, float* out, std::ptrdiff_t out_stride) {
    F square[W];
    PN_UNROLL
    for (int r = 0; r < W; r++) {
        square[r] = load(x + r * stride);
        prefetch(x + r * stride + prefetched_vectors * W, true);
    }
    transpose(square);
    PN_UNROLL
    for (int c = 0; c < W; c++) store(out + c * out_stride, square[c]);
}

// Rows of floats, or of pairs that are moved like floats (no arithmetic may touch those), become columns of a panel.
void turn_words(const float* x, std::ptrdiff_t stride, std::ptrdiff_t rows, std::ptrdiff_t columns, float* out) {
    for_vectors(columns, [&](std::ptrdiff_t c, int width) {
        for_vectors(rows, [&](std::ptrdiff_t r, int height) {
            const float* from = x + r * stride + c;
            float* to = out + c * panel_width + r;
            if (width == W && height == W) return turn_whole_square(from, stride, to, panel_width);
            F square[W];
            for (int i = 0; i < W; i++) square[i] = i < height ? load(from + i * stride, width) : zero();
            transpose(square);
            for (int i = 0; i < width; i++) store(to + i * panel_width, square[i], height);
        });
    });
}

// Two rows as one of pairs of bf16; without a second row its halves are zero.
PN_INLINE F paired(const float* low, const float* high, int n) {
    return join(rounded(load(low, n)), high == nullptr ? zero() : rounded(load(high, n)));
}
PN_INLINE F paired(const bf16* low, const bf16* high, int n) {
    return join(load(low, n), high == nullptr ? zero() : load(high, n));
}

// Rows of columns stay rows: steps [first, last) of all panels, so that rows are read along as far as they go.
template <class T, bool Pairs>
void straight_steps(const T* x, std::ptrdiff_t stride, std::ptrdiff_t first, std::ptrdiff_t last, std::ptrdiff_t all,
                    std::ptrdiff_t columns, float* out) {
    constexpr std::ptrdiff_t each = Pairs ? 2 : 1;
    const std::ptrdiff_t panel = ceil_div(all, each) * panel_width;
    for (std::ptrdiff_t c = 0, width; c < columns; c += width, out += panel) {
        width = panel_columns(columns - c);
        for (std::ptrdiff_t k = first; k < last; k += each) {
            const T *low = x + k * stride + c, *high = k + 1 < all ? low + stride : nullptr;
            float* to = out + k / each * panel_width;
            for_vectors(width, [&](std::ptrdiff_t i, int n) {
                if constexpr (Pairs) store(to + i, paired(low + i, high == nullptr ? nullptr : high + i, n));
                else store(to + i, load(low + i, n));
            });
        }
    }
}

template <class T, bool Pairs>
void straight(const T* x, std::ptrdiff_t stride, std::ptrdiff_t steps, std::ptrdiff_t columns, float* out) {
    constexpr std::ptrdiff_t line = line_floats * static_cast<std::ptrdiff_t>(sizeof(float) / sizeof(T));
    for (std::ptrdiff_t k = 0; k < steps; k += steps_at_once) {
        const std::ptrdiff_t end = smaller(steps, k + steps_at_once);
        for (std::ptrdiff_t next = end; next < smaller(steps, end + steps_at_once); next++)
            for (std::ptrdiff_t c = 0; c < columns; c += line) prefetch(x + next * stride + c, true);
        straight_steps<T, Pairs>(x, stride, k, end, steps, columns, out);
    }
}

// Rows become columns of pairs: the general case.
template <class T>
void turn_pairs(const T* x, std::ptrdiff_t stride, std::ptrdiff_t steps, std::ptrdiff_t width, float* out) {
    alignas(64) float columns[8 * panel_width];
    for (std::ptrdiff_t k = 0; k < steps; k += 8) {
        const std::ptrdiff_t count = smaller<std::ptrdiff_t>(8, steps - k);
        pack_panel(x + k, stride, static_cast<int>(width), count, columns);
        straight<float, true>(columns, panel_width, count, width, out + k / 2 * panel_width);
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
void pack(const Right& right, std::ptrdiff_t k, std::ptrdiff_t steps, std::ptrdiff_t j, std::ptrdiff_t columns,
          bool pairs, float* out) {
    const T* x = static_cast<const T*>(right.data) + (right.turned ? j * right.stride + k : k * right.stride + j);
    if (!right.turned)
        return pairs ? straight<T, true>(x, right.stride, steps, columns, out)
                     : straight<T, false>(x, right.stride, steps, columns, out);
    const std::ptrdiff_t panel = (pairs ? ceil_div<std::ptrdiff_t>(steps, 2) : steps) * panel_width;
    for (std::ptrdiff_t c = 0, width; c < columns; c += width, out += panel) {
        width = panel_columns(columns - c);
        turn(x + c * right.stride, right.stride, steps, width, pairs, out);
    }
}

// Four rows as one of words.
void straight_quads(const std::uint8_t* x, std::ptrdiff_t stride, std::ptrdiff_t steps, std::ptrdiff_t columns,
                    float* out) {
    const std::ptrdiff_t panel = ceil_div<std::ptrdiff_t>(steps, 4) * panel_width;
    const std::uint8_t zeros[panel_width] = {};
    for (std::ptrdiff_t k = 0; k < steps; k += 4)
        for (std::ptrdiff_t c = 0, width, p = 0; c < columns; c += width, p++) {
            width = panel_columns(columns - c);
            const std::uint8_t* rows[4];
            for (int r = 0; r < 4; r++) {
                rows[r] = k + r < steps ? x + (k + r) * stride + c : zeros;
                prefetch(k + r + 8 < steps ? rows[r] + 8 * stride : rows[r], true);
            }
            float* to = out + p * panel + k / 4 * panel_width;
            for (std::ptrdiff_t i = 0; i < width; i++) {
                const std::uint32_t word = rows[0][i] | static_cast<std::uint32_t>(rows[1][i]) << 8 |
                                           static_cast<std::uint32_t>(rows[2][i]) << 16 |
                                           static_cast<std::uint32_t>(rows[3][i]) << 24;
                std::memcpy(to + i, &word, sizeof word);
            }
        }
}

// Rows become columns of words. Rows of whole words are moved like floats.
void turn_quads(const std::uint8_t* x, std::ptrdiff_t stride, std::ptrdiff_t steps, std::ptrdiff_t width, float* out) {
    const bool whole = (steps | stride) % 4 == 0 && reinterpret_cast<std::uintptr_t>(x) % sizeof(float) == 0;
    if (whole) return turn_words(reinterpret_cast<const float*>(x), stride / 4, width, steps / 4, out);
    for (std::ptrdiff_t k = 0; k < steps; k += 4)
        for (std::ptrdiff_t i = 0; i < width; i++) {
            std::uint32_t word = 0;
            std::memcpy(&word, x + i * stride + k, static_cast<std::size_t>(smaller<std::ptrdiff_t>(4, steps - k)));
            std::memcpy(out + k / 4 * panel_width + i, &word, sizeof word);
        }
}

void pack_quads(const Right& right, std::ptrdiff_t k, std::ptrdiff_t steps, std::ptrdiff_t j, std::ptrdiff_t columns,
                float* out) {
    const std::uint8_t* x =
        static_cast<const std::uint8_t*>(right.data) + (right.turned ? j * right.stride + k : k * right.stride + j);
    if (!right.turned) return straight_quads(x, right.stride, steps, columns, out);
    const std::ptrdiff_t panel = ceil_div<std::ptrdiff_t>(steps, 4) * panel_width;
    for (std::ptrdiff_t c = 0, width; c < columns; c += width, out += panel) {
        width = panel_columns(columns - c);
        turn_quads(x + c * right.stride, right.stride, steps, width, out);
    }
}

}  // namespace

void pack_right(const Right& right, std::ptrdiff_t k, std::ptrdiff_t steps, std::ptrdiff_t j, std::ptrdiff_t columns,
                Words words, float* out) {
    if (words == Words::quads) return pack_quads(right, k, steps, j, columns, out);
    const bool pairs = words == Words::pairs;
    if (right.is_bf16) pack<bf16>(right, k, steps, j, columns, pairs, out);
    else pack<float>(right, k, steps, j, columns, pairs, out);
}

template <class T>
void pack_panel(const T* x, std::ptrdiff_t stride, int rows, std::ptrdiff_t columns, float* out) {
    if constexpr (sizeof(T) == sizeof(float)) turn_words(x, stride, rows, columns, out);
    else transpose(x, stride, rows, columns, 1.0f, out, panel_width);
}

template <class T, class U>
void transpose(const T* x, std::ptrdiff_t stride, std::ptrdiff_t rows, std::ptrdiff_t columns, float factor, U* out,
               std::ptrdiff_t out_stride) {
    const F by = set(factor);
    for_vectors(columns, [&](std::ptrdiff_t c, int width) {
        for_vectors(rows, [&](std::ptrdiff_t r, int height) {
            turn_square(x + r * stride + c, stride, height, width, by, out + c * out_stride + r, out_stride);
        });
    });
}

template void pack_panel(const float*, std::ptrdiff_t, int, std::ptrdiff_t, float*);
template void pack_panel(const bf16*, std::ptrdiff_t, int, std::ptrdiff_t, float*);
template void transpose(const float*, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, float, float*, std::ptrdiff_t);
template void transpose(const float*, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, float, bf16*, std::ptrdiff_t);
template void transpose(const bf16*, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, float, float*, std::ptrdiff_t);
template void transpose(const bf16*, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, float, bf16*, std::ptrdiff_t);

}  // namespace pn::PN_ISA
