// The narrow products of low-rank pairs, all pairs of a layer in one launch: blockIdx.z is the pair, so a mixed batch
// costs no more launches than one adapter. With K inputs, N outputs, rank R and the pair's rows:
//
// low_rank_down             S[rows, R] = drop(X) A';  dropped[rows, K] = drop(X) when dropout is on
// low_rank_down_gradient    dS[rows, R] = scale * (dY * output_scale) B
// low_rank_weight_gradients grad_a[R, K] += dS' drop(X)   (tiles of columns first)
//                           grad_b[N, R] += scale * output_scale * dY' S   (then tiles of rows)
#include "low_rank.cuh"

namespace pn {

template <class T>
PN_DEVICE void low_rank_down(const Tensor& x, const LowRankPairs& pairs) {
    const LowRankPair& pair = pairs.pair[blockIdx.z];
    const int r0 = blockIdx.x * tile_size, row0 = blockIdx.y * tile_size;
    if (r0 >= pair.rank() || row0 >= pair.rows) return;
    Tile tile;
    multiply<Along::depth, Along::depth>(
        tile, x.columns,
        [&](int i, int k) {
            const long long row = row0 + i;
            if (row >= pair.rows) return 0.0f;
            const float v = x.get<T>(pair.first_row + row, k);
            if (!pair.mask.on()) return v;
            const T kept =
                from_float<T>(v * keep_factor(pair.mask, static_cast<unsigned long long>(row * x.columns + k)));
            if (blockIdx.x == 0) pair.dropped.row<T>(row)[k] = kept;
            return to_float(kept);
        },
        [&](int j, int k) { return r0 + j < pair.rank() ? pair.a.get<float>(r0 + j, k) : 0.0f; });
    tile.for_each([&](int i, int j, float sum) {
        if (row0 + i < pair.rows && r0 + j < pair.rank()) pair.s.set<float>(row0 + i, r0 + j, sum);
    });
}

template <class T>
PN_DEVICE void low_rank_down_gradient(const Tensor& dy, const Tensor& output_scale, const LowRankPairs& pairs) {
    const LowRankPair& pair = pairs.pair[blockIdx.z];
    const int r0 = blockIdx.x * tile_size, row0 = blockIdx.y * tile_size;
    if (r0 >= pair.rank() || row0 >= pair.rows) return;
    Tile tile;
    multiply<Along::depth, Along::edge>(
        tile, dy.columns,
        [&](int i, int n) {
            if (row0 + i >= pair.rows) return 0.0f;
            const float v = dy.get<T>(pair.first_row + row0 + i, n);
            return output_scale.present() ? v * output_scale.get<float>(0, n) : v;
        },
        [&](int j, int n) { return r0 + j < pair.rank() ? pair.b.get<float>(n, r0 + j) : 0.0f; });
    tile.for_each([&](int i, int j, float sum) {
        if (row0 + i < pair.rows && r0 + j < pair.rank()) pair.ds.set<float>(row0 + i, r0 + j, pair.scale * sum);
    });
}

template <class T>
PN_DEVICE void gradient_of_a(const Tensor& x, const LowRankPair& pair, int r0, int k0) {
    if (!pair.grad_a.present() || r0 >= pair.rank() || k0 >= x.columns) return;
    Tile tile;
    multiply<Along::edge, Along::edge>(
        tile, pair.rows, [&](int i, int row) { return r0 + i < pair.rank() ? pair.ds.get<float>(row, r0 + i) : 0.0f; },
        [&](int j, int row) {
            if (k0 + j >= x.columns) return 0.0f;
            return pair.mask.on() ? pair.dropped.get<T>(row, k0 + j)
                                  : x.get<T>(pair.first_row + static_cast<long long>(row), k0 + j);
        });
    tile.for_each([&](int i, int j, float sum) {
        if (r0 + i < pair.rank() && k0 + j < x.columns) pair.grad_a.row<float>(r0 + i)[k0 + j] += sum;
    });
}

template <class T>
PN_DEVICE void gradient_of_b(const Tensor& dy, const Tensor& output_scale, const LowRankPair& pair, int r0, int n0) {
    if (!pair.grad_b.present() || r0 >= pair.rank() || n0 >= dy.columns) return;
    Tile tile;
    multiply<Along::edge, Along::edge>(
        tile, pair.rows,
        [&](int i, int row) {
            return n0 + i < dy.columns ? dy.get<T>(pair.first_row + static_cast<long long>(row), n0 + i) : 0.0f;
        },
        [&](int j, int row) { return r0 + j < pair.rank() ? pair.s.get<float>(row, r0 + j) : 0.0f; });
    tile.for_each([&](int i, int j, float sum) {
        if (n0 + i >= dy.columns || r0 + j >= pair.rank()) return;
        const float factor = pair.scale * (output_scale.present() ? output_scale.get<float>(0, n0 + i) : 1.0f);
        pair.grad_b.row<float>(n0 + i)[r0 + j] += factor * sum;
    });
}

template <class T>
PN_DEVICE void low_rank_weight_gradients(const Tensor& x, const Tensor& dy, const Tensor& output_scale,
                                         const LowRankPairs& pairs) {
    const LowRankPair& pair = pairs.pair[blockIdx.z];
    const int tiles_of_a = (x.columns + tile_size - 1) / tile_size, r0 = blockIdx.y * tile_size, at = blockIdx.x;
    if (at < tiles_of_a)
        gradient_of_a<T>(x, pair, r0, at * tile_size);
    else
        gradient_of_b<T>(dy, output_scale, pair, r0, (at - tiles_of_a) * tile_size);
}

}  // namespace pn

#define PN_ONE_TYPE(T, suffix)                                                                                     \
    PN_KERNEL_BOUNDS(low_rank_down_##suffix, 64, pn::Tensor x, pn::LowRankPairs pairs) {                           \
        pn::low_rank_down<T>(x, pairs);                                                                            \
    }                                                                                                              \
    PN_KERNEL_BOUNDS(low_rank_down_gradient_##suffix, 64, pn::Tensor dy, pn::Tensor output_scale,                  \
                     pn::LowRankPairs pairs) {                                                                     \
        pn::low_rank_down_gradient<T>(dy, output_scale, pairs);                                                    \
    }                                                                                                              \
    PN_KERNEL_BOUNDS(low_rank_weight_gradients_##suffix, 64, pn::Tensor x, pn::Tensor dy, pn::Tensor output_scale, \
                     pn::LowRankPairs pairs) {                                                                     \
        pn::low_rank_weight_gradients<T>(x, dy, output_scale, pairs);                                              \
    }
PN_FOR_TYPES(PN_ONE_TYPE)
