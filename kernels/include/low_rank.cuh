// The low-rank pairs of a linear layer as kernels get them.
#pragma once

#include "philox.cuh"
#include "tile.cuh"

namespace pn {

// One pair (PeftNative.Ops.LowRankPair). A, B, S, their gradients
// and dS are fp32; dropped is of the type of the activations.
struct LowRankPair {
    Tensor a, b;               // [R, K], [N, R]
    Tensor s, ds;              // [rows, R]: drop(X) A', and scale * dU B
    Tensor dropped;            // drop(X) [rows, K]; absent without dropout
    Tensor grad_a, grad_b;     // += ; absent when frozen
    DropoutMask mask;
    float scale;
    int first_row, rows;

    PN_DEVICE int rank() const { return a.rows; }
};

constexpr int most_pairs = 8;  // of one launch; more take several

struct LowRankPairs {
    LowRankPair pair[most_pairs];
    int count;
};

// tile += the sum over pairs of scale * S B' for the tile's rows and columns.
PN_DEVICE void add_low_rank(Tile& tile, const LowRankPairs& pairs, int row0, int column0, int columns) {
    for (int p = 0; p < pairs.count; p++) {
        const LowRankPair& pair = pairs.pair[p];
        const int first = row0 - pair.first_row;  // of the tile, in S
        if (first + tile_size <= 0 || first >= pair.rows) continue;
        multiply<Along::depth, Along::depth>(
            tile, pair.rank(),
            [&](int i, int r) {
                const int row = first + i;
                return row >= 0 && row < pair.rows ? pair.scale * pair.s.get<float>(row, r) : 0.0f;
            },
            [&](int j, int r) { return column0 + j < columns ? pair.b.get<float>(column0 + j, r) : 0.0f; });
    }
}

// tile += the sum over pairs of keep * (dS A) for the tile's rows and columns of dX.
PN_DEVICE void add_low_rank_gradient(Tile& tile, const LowRankPairs& pairs, int row0, int column0, int columns) {
    for (int p = 0; p < pairs.count; p++) {
        const LowRankPair& pair = pairs.pair[p];
        const int first = row0 - pair.first_row;
        if (first + tile_size <= 0 || first >= pair.rows) continue;
        Tile own;
        multiply<Along::depth, Along::edge>(
            own, pair.rank(),
            [&](int i, int r) {
                const int row = first + i;
                return row >= 0 && row < pair.rows ? pair.ds.get<float>(row, r) : 0.0f;
            },
            [&](int j, int r) { return column0 + j < columns ? pair.a.get<float>(r, column0 + j) : 0.0f; });
        own.for_each([&](int i, int j, float& sum) {
            const long long row = first + i;
            if (pair.mask.on() && row >= 0 && row < pair.rows && column0 + j < columns)
                sum *= keep_factor(pair.mask, static_cast<unsigned long long>(row * columns + column0 + j));
        });
        for (int i = 0; i < tile_part; i++)
            for (int j = 0; j < tile_part; j++) tile.sum[i][j] += own.sum[i][j];
    }
}

}  // namespace pn
