// Fragments of products on tensor cores: 16-bit elements in shared memory, rows of `width`
// elements padded by 16 bytes, so that the eight rows that ldmatrix reads at once lie in
// different banks. Fragments are those of ptx.cuh; a warp owns 16 rows of a product.
#pragma once

#include "tensor.cuh"

namespace pn {

constexpr int warp_rows = 16, fragment_depth = 16, fragment_columns = 8;

template <int width>
constexpr int fragment_stride = width + 8;

// The left operand: rows row0.. and columns k0.. of a tile.
template <int width, class T>
PN_DEVICE void load_left(unsigned (&a)[4], const T* tile, int row0, int k0) {
    const int lane = lane_index();
    ldmatrix_x4(a, tile + (row0 + lane % 16) * fragment_stride<width> + k0 + lane / 16 * 8);
}

// The right operand for two neighbouring blocks of 8 columns, from a tile whose rows are the columns of the product:
// b[0..1], b[2..3].
template <int width, class T>
PN_DEVICE void load_right(unsigned (&b)[4], const T* tile, int column0, int k0) {
    const int lane = lane_index();
    ldmatrix_x4(b, tile + (column0 + lane / 16 * 8 + lane % 8) * fragment_stride<width> + k0 + lane / 8 % 2 * 8);
}

// The same from a tile whose rows are the depth of the product.
template <int width, class T>
PN_DEVICE void load_right_across(unsigned (&b)[4], const T* tile, int k0, int column0) {
    const int lane = lane_index();
    ldmatrix_x4_trans(b, tile + (k0 + lane % 16) * fragment_stride<width> + column0 + lane / 16 * 8);
}

// sum[c] += the product of 16 rows of `left` (from row0) with the rows of `right` over the width of both tiles:
// `columns` rows of right.
template <class T, int width, int columns>
PN_DEVICE void multiply_rows(float (&sum)[columns / fragment_columns][4], const T* left, int row0, const T* right) {
    static_assert(columns % 16 == 0 && width % 16 == 0, "whole fragments");
#pragma unroll
    for (int k0 = 0; k0 < width; k0 += fragment_depth) {
        unsigned a[4];
        load_left<width>(a, left, row0, k0);
#pragma unroll
        for (int c = 0; c < columns; c += 16) {
            unsigned b[4];
            load_right<width>(b, right, c, k0);
            mma_m16n8k16<T>(sum[c / 8], a, {b[0], b[1]});
            mma_m16n8k16<T>(sum[c / 8 + 1], a, {b[2], b[3]});
        }
    }
}

// sum[16, width] += left[16, depth] * right[depth, width], left being a product of this warp as it lies in registers.
template <class T, int width, int depth>
PN_DEVICE void multiply_columns(float (&sum)[width / fragment_columns][4],
                                const float (&left)[depth / fragment_columns][4], const T* right) {
#pragma unroll
    for (int k0 = 0; k0 < depth; k0 += fragment_depth) {
        const auto &low = left[k0 / 8], &high = left[k0 / 8 + 1];
        const auto pair = [](float x, float y) { return pack_pair(from_float<T>(x), from_float<T>(y)); };
        const unsigned a[4] = {pair(low[0], low[1]), pair(low[2], low[3]), pair(high[0], high[1]),
                               pair(high[2], high[3])};
#pragma unroll
        for (int c = 0; c < width; c += 16) {
            unsigned b[4];
            load_right_across<width>(b, right, k0, c);
            mma_m16n8k16<T>(sum[c / 8], a, {b[0], b[1]});
            mma_m16n8k16<T>(sum[c / 8 + 1], a, {b[2], b[3]});
        }
    }
}

// Where element e of fragment c of a product lies, in row r = e / 2 of this thread's two: rows count from the warp's
// first.
PN_DEVICE int fragment_row(int r) { return lane_index() / 4 + r * 8; }
PN_DEVICE int fragment_column(int c, int e) { return c * fragment_columns + lane_index() % 4 * 2 + e % 2; }

// f(element, r, row, column) for all elements of this thread; r tells its two rows apart.
template <int fragments, class F>
PN_DEVICE void for_fragments(float (&sum)[fragments][4], F f) {
#pragma unroll
    for (int c = 0; c < fragments; c++)
#pragma unroll
        for (int e = 0; e < 4; e++) f(sum[c][e], e / 2, fragment_row(e / 2), fragment_column(c, e));
}

// f(element, the element of other, r, row, column) likewise for two products of the same shape.
template <int fragments, class F>
PN_DEVICE void for_fragments(float (&sum)[fragments][4], float (&other)[fragments][4], F f) {
#pragma unroll
    for (int c = 0; c < fragments; c++)
#pragma unroll
        for (int e = 0; e < 4; e++) f(sum[c][e], other[c][e], e / 2, fragment_row(e / 2), fragment_column(c, e));
}

}  // namespace pn
