// Products of matrices in tiles of 32 x 32: a block of 64 threads, 4 x 4 sums each,
// both operands staged in shared memory 16 deep. Operands are given as functions,
// so that scales, dropout and odd layouts are applied where an element is read.
#pragma once

#include "tensor.cuh"

namespace pn {

constexpr int tile_size = 32, tile_depth = 16, tile_threads = 64, tile_part = 4;
constexpr int tile_stride = tile_size + 1;  // neighbouring rows in different banks

struct Tile {
    float sum[tile_part][tile_part] = {};

    PN_DEVICE static int row(int i) { return threadIdx.x / (tile_size / tile_part) * tile_part + i; }
    PN_DEVICE static int column(int j) { return threadIdx.x % (tile_size / tile_part) * tile_part + j; }

    // f(row, column, sum) for the 16 sums of this thread; rows and columns count within the tile.
    template <class F>
    PN_DEVICE void for_each(F f) {
        for (int i = 0; i < tile_part; i++)
            for (int j = 0; j < tile_part; j++) f(row(i), column(j), sum[i][j]);
    }
};

// Which index of an operand runs along its memory: neighbouring threads then read neighbouring elements.
enum class Along { depth, edge };

// to[k][e] = f(e, k0 + k), or 0 beyond depth.
template <Along order, class F>
PN_DEVICE void stage(float* to, int k0, int depth, F f) {
    for (int at = threadIdx.x; at < tile_size * tile_depth; at += tile_threads) {
        const int e = order == Along::depth ? at / tile_depth : at % tile_size;
        const int k = order == Along::depth ? at % tile_depth : at / tile_size;
        to[k * tile_stride + e] = k0 + k < depth ? f(e, k0 + k) : 0.0f;
    }
}

// tile[i][j] += sum over k < depth of left(i, k) * right(j, k), in the order of k. left and right give 0 outside their
// matrix. Every thread of the block calls it.
template <Along left_order, Along right_order, class Left, class Right>
PN_DEVICE void multiply(Tile& tile, int depth, Left left, Right right) {
    PN_SMEM(float, a, tile_depth * tile_stride);
    PN_SMEM(float, b, tile_depth * tile_stride);
    for (int k0 = 0; k0 < depth; k0 += tile_depth) {
        stage<left_order>(a, k0, depth, left);
        stage<right_order>(b, k0, depth, right);
        sync_block();
        for (int k = 0; k < tile_depth; k++) {
            float x[tile_part], y[tile_part];
            for (int i = 0; i < tile_part; i++) {
                x[i] = a[k * tile_stride + Tile::row(i)];
                y[i] = b[k * tile_stride + Tile::column(i)];
            }
            for (int i = 0; i < tile_part; i++)
                for (int j = 0; j < tile_part; j++) tile.sum[i][j] = fmaf(x[i], y[j], tile.sum[i][j]);
        }
        sync_block();
    }
}

}  // namespace pn
