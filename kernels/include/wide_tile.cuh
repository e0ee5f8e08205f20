// Products in tiles of 64 x 64: a block of 256 threads, each of its 8 warps with 16 rows and 32 columns, both operands
// staged in shared memory 64 deep. bf16 and fp16 go through the tensor cores; fp32 has the same fragments and ordinary
// arithmetic. A right operand that is fp32 beside 16-bit activations is staged in two parts, its rounding and the
// rounding of what that leaves: rounded once, weights would shift sums across the kink of an activation.
#pragma once

#include "fragments.cuh"
#include "tile.cuh"

namespace pn {

constexpr int wide_tile = 64, wide_threads = 256;

// Elements from one row of a staged tile to the next, and of all of them.
template <class T>
constexpr int wide_stride = wide_tile + pack_width<T>;
template <class T>
constexpr int wide_elements = wide_tile * wide_stride<T>;

// Parts of a right operand of fp32.
template <class T>
constexpr int weight_parts = sizeof(T) == 2 ? 2 : 1;

struct WideTile {
    static constexpr int columns = wide_tile / 2, fragments = columns / fragment_columns;

    float sum[fragments][4] = {};

    PN_DEVICE static int first_row() { return warp_index() % 4 * warp_rows; }
    PN_DEVICE static int first_column() { return warp_index() / 4 * columns; }

    // f(row, column, sum) for the sums of this thread; rows and columns count within the tile.
    template <class F>
    PN_DEVICE void for_each(F f) {
        for_fragments(sum,
                      [&](float& v, int, int row, int column) { f(first_row() + row, first_column() + column, v); });
    }
};

// The fragments of 16 rows of `left` and 32 rows of `right` by ordinary arithmetic, four of the depth at a time.
PN_DEVICE void multiply_rows_plain(float (&sum)[WideTile::fragments][4], const float* left, const float* right) {
#pragma unroll 1
    for (int k0 = 0; k0 < wide_tile; k0 += 4) {
        Pack<float, 4> x[2];
        for (int r = 0; r < 2; r++) x[r] = load_pack<4>(left + fragment_row(r) * wide_stride<float> + k0);
#pragma unroll
        for (int at = 0; at < 2 * WideTile::fragments; at++) {
            const auto y = load_pack<4>(right + fragment_column(at / 2, at % 2) * wide_stride<float> + k0);
#pragma unroll
            for (int i = 0; i < 8; i++) {
                float& own = sum[at / 2][i / 4 * 2 + at % 2];
                own = fmaf(x[i / 4][i % 4], y[i % 4], own);
            }
        }
    }
}

// tile[i][j] += the product of row i of `left` and row j of `right`, both staged.
template <int parts, class T>
PN_DEVICE void multiply_staged(WideTile& tile, const T* left, const T* right) {
    right += WideTile::first_column() * wide_stride<T>;
    for (int p = 0; p < parts; p++, right += wide_elements<T>)
        if constexpr (sizeof(T) == 2)
            multiply_rows<T, wide_tile, WideTile::columns>(tile.sum, left, WideTile::first_row(), right);
        else
            multiply_rows_plain(tile.sum, left + WideTile::first_row() * wide_stride<T>, right);
}

// to[e][k] = f(e, k), rounded to T, for a whole tile; each
// further part lies behind the one before and has what that left.
template <Along order, int parts, class T, class F>
PN_DEVICE void stage_wide(T* to, F f) {
    for (int at = linear_thread(); at < wide_tile * wide_tile; at += wide_threads) {
        const int e = order == Along::depth ? at / wide_tile : at % wide_tile;
        const int k = order == Along::depth ? at % wide_tile : at / wide_tile;
        float v = f(e, k);
        for (int p = 0; p < parts; p++) {
            const T rounded = from_float<T>(v);
            to[p * wide_elements<T> + e * wide_stride<T> + k] = rounded;
            v -= to_float(rounded);
        }
    }
}

// tile[i][j] += sum over k < depth of l(i, k) * r(j, k), staged in `left` and, in
// parts, in `right`. l and r give 0 outside their matrix. staged() runs whenever
// the tiles hold the next 64 of the depth. Every thread of the block calls it.
template <Along left_order, Along right_order, int parts, class T, class Left, class Right, class Staged>
PN_DEVICE void multiply_wide(WideTile& tile, T* left, T* right, int depth, Left l, Right r, Staged staged) {
    for (int k0 = 0; k0 < depth; k0 += wide_tile) {
        stage_wide<left_order, 1>(left, [&](int i, int k) { return k0 + k < depth ? l(i, k0 + k) : 0.0f; });
        stage_wide<right_order, parts>(right, [&](int j, int k) { return k0 + k < depth ? r(j, k0 + k) : 0.0f; });
        sync_block();
        multiply_staged<parts>(tile, left, right);
        staged();
        sync_block();
    }
}

}  // namespace pn
