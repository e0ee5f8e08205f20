// linear_forward          U[M, N] = seed, or (X * input_scale) W';  U += scale S B' of every pair
//                         pre_scale = U + bias (or U);  Y = output_scale * (U + bias) + residual,
//                         or output_scale * U + bias + residual
// linear_input_gradient   V[M, K] = seed, or (dY * output_scale) W;  product = V when asked for
//                         dX (= or +=) input_scale * V + keep * (dS A) of every pair
// linear_weight_gradient  dW[N, K] += output_scale * (dY' X) * input_scale
// linear_column_sums      sum[1, N] += the sums of the columns of X[M, N] * factor[1, N] * other[M, N]; factor and
//                         other are optional
// linear_scale_columns    Y[M, N] = X[M, N] * factor[1, N]
//
// M rows, K inputs, N outputs. A seed is the base product, where cuBLAS made it. Y may be the residual or the seed. X,
// Y and their gradients are of the first type, W and dW's shape mate of the second; vectors, dW, and sums are fp32.
#include "low_rank.cuh"
#include "reduce.cuh"

namespace pn {

// What happens to U on its way to Y.
struct Epilogue {
    Tensor bias, output_scale, pre_scale, residual;
    int scale_before_bias;

    template <class T>
    PN_DEVICE float apply(int row, int column, float u) const {
        const float shift = bias.present() ? bias.get<float>(0, column) : 0.0f;
        if (!scale_before_bias) u += shift;
        if (pre_scale.present()) pre_scale.set<T>(row, column, u);
        if (output_scale.present()) u *= output_scale.get<float>(0, column);
        if (scale_before_bias) u += shift;
        return residual.present() ? u + residual.get<T>(row, column) : u;
    }
};

template <class T, class W>
PN_DEVICE void linear_forward(const Tensor& x, const Tensor& w, const Tensor& input_scale, const Tensor& seed,
                              const Epilogue& epilogue, const Tensor& y, const LowRankPairs& pairs) {
    const int column0 = blockIdx.x * tile_size, row0 = blockIdx.y * tile_size;
    Tile tile;
    if (seed.present())
        tile.for_each([&](int i, int j, float& sum) {
            if (row0 + i < y.rows && column0 + j < y.columns) sum = seed.get<T>(row0 + i, column0 + j);
        });
    else
        multiply<Along::depth, Along::depth>(
            tile, x.columns,
            [&](int i, int k) {
                if (row0 + i >= x.rows) return 0.0f;
                const float v = x.get<T>(row0 + i, k);
                return input_scale.present() ? v * input_scale.get<float>(0, k) : v;
            },
            [&](int j, int k) { return column0 + j < w.rows ? w.get<W>(column0 + j, k) : 0.0f; });
    add_low_rank(tile, pairs, row0, column0, y.columns);
    tile.for_each([&](int i, int j, float u) {
        const int row = row0 + i, column = column0 + j;
        if (row < y.rows && column < y.columns) y.set<T>(row, column, epilogue.apply<T>(row, column, u));
    });
}

template <class T, class W>
PN_DEVICE void linear_input_gradient(const Tensor& dy, const Tensor& w, const Tensor& output_scale,
                                     const Tensor& input_scale, const Tensor& seed, const Tensor& product,
                                     const Tensor& dx, int accumulate, const LowRankPairs& pairs) {
    const int column0 = blockIdx.x * tile_size, row0 = blockIdx.y * tile_size;
    const int rows = dy.rows, columns = w.columns;
    Tile tile;
    if (seed.present())
        tile.for_each([&](int i, int j, float& sum) {
            if (row0 + i < rows && column0 + j < columns) sum = seed.get<T>(row0 + i, column0 + j);
        });
    else
        multiply<Along::depth, Along::edge>(
            tile, dy.columns,
            [&](int i, int n) {
                if (row0 + i >= rows) return 0.0f;
                const float v = dy.get<T>(row0 + i, n);
                return output_scale.present() ? v * output_scale.get<float>(0, n) : v;
            },
            [&](int j, int n) { return column0 + j < columns ? w.get<W>(n, column0 + j) : 0.0f; });
    tile.for_each([&](int i, int j, float& sum) {
        if (row0 + i >= rows || column0 + j >= columns) return;
        if (product.present()) product.set<float>(row0 + i, column0 + j, sum);
        if (input_scale.present()) sum *= input_scale.get<float>(0, column0 + j);
    });
    if (!dx.present()) return;
    add_low_rank_gradient(tile, pairs, row0, column0, columns);
    tile.for_each([&](int i, int j, float v) {
        const int row = row0 + i, column = column0 + j;
        if (row < rows && column < columns) dx.set<T>(row, column, accumulate ? dx.get<T>(row, column) + v : v);
    });
}

template <class T>
PN_DEVICE void linear_weight_gradient(const Tensor& x, const Tensor& dy, const Tensor& input_scale,
                                      const Tensor& output_scale, const Tensor& dw) {
    const int column0 = blockIdx.x * tile_size, row0 = blockIdx.y * tile_size;
    Tile tile;
    multiply<Along::edge, Along::edge>(
        tile, dy.rows, [&](int i, int m) { return row0 + i < dw.rows ? dy.get<T>(m, row0 + i) : 0.0f; },
        [&](int j, int m) { return column0 + j < dw.columns ? x.get<T>(m, column0 + j) : 0.0f; });
    tile.for_each([&](int i, int j, float sum) {
        const int row = row0 + i, column = column0 + j;
        if (row >= dw.rows || column >= dw.columns) return;
        if (output_scale.present()) sum *= output_scale.get<float>(0, row);
        if (input_scale.present()) sum *= input_scale.get<float>(0, column);
        dw.row<float>(row)[column] += sum;
    });
}

constexpr int sum_lanes = 8;  // threads that share a column; each takes every eighth row

template <class T, class Other>
PN_DEVICE void linear_column_sums(const Tensor& x, const Tensor& factor, const Tensor& other, const Tensor& sum) {
    PN_SMEM(float, partial, sum_lanes * warp_size);
    const int column = blockIdx.x * warp_size + threadIdx.x;
    float own = 0;
    if (column < x.columns)
        for (int row = threadIdx.y; row < x.rows; row += sum_lanes) {
            const float v = x.get<T>(row, column);
            own += other.present() ? v * other.get<Other>(row, column) : v;
        }
    partial[threadIdx.y * warp_size + threadIdx.x] = own;
    sync_block();
    if (threadIdx.y > 0 || column >= x.columns) return;
    float total = 0;
    for (int lane = 0; lane < sum_lanes; lane++) total += partial[lane * warp_size + threadIdx.x];
    sum.row<float>(0)[column] += factor.present() ? total * factor.get<float>(0, column) : total;
}

template <class T>
PN_DEVICE void linear_scale_columns(const Tensor& x, const Tensor& factor, const Tensor& y) {
    for_piece(x.columns, [&](int i, int c) { y.set<T>(i, c, x.get<T>(i, c) * factor.get<float>(0, c)); });
}

}  // namespace pn

#define PN_TWO_TYPES(T, W, suffix)                                                                                     \
    PN_KERNEL_BOUNDS(linear_forward_##suffix, 64, pn::Tensor x, pn::Tensor w, pn::Tensor input_scale, pn::Tensor seed, \
                     pn::Epilogue epilogue, pn::Tensor y, pn::LowRankPairs pairs) {                                    \
        pn::linear_forward<T, W>(x, w, input_scale, seed, epilogue, y, pairs);                                         \
    }                                                                                                                  \
    PN_KERNEL_RESIDENT(linear_input_gradient_##suffix, 64, 8, pn::Tensor dy, pn::Tensor w, pn::Tensor output_scale,    \
                       pn::Tensor input_scale, pn::Tensor seed, pn::Tensor product, pn::Tensor dx, int accumulate,     \
                       pn::LowRankPairs pairs) {                                                                       \
        pn::linear_input_gradient<T, W>(dy, w, output_scale, input_scale, seed, product, dx, accumulate, pairs);       \
    }                                                                                                                  \
    PN_KERNEL(linear_column_sums_##suffix, pn::Tensor x, pn::Tensor factor, pn::Tensor other, pn::Tensor sum) {        \
        pn::linear_column_sums<T, W>(x, factor, other, sum);                                                           \
    }
PN_FOR_MATRIX_TYPES(PN_TWO_TYPES)

#define PN_ONE_TYPE(T, suffix)                                                                                 \
    PN_KERNEL_BOUNDS(linear_weight_gradient_##suffix, 64, pn::Tensor x, pn::Tensor dy, pn::Tensor input_scale, \
                     pn::Tensor output_scale, pn::Tensor dw) {                                                 \
        pn::linear_weight_gradient<T>(x, dy, input_scale, output_scale, dw);                                   \
    }                                                                                                          \
    PN_KERNEL(linear_scale_columns_##suffix, pn::Tensor x, pn::Tensor factor, pn::Tensor y) {                  \
        pn::linear_scale_columns<T>(x, factor, y);                                                             \
    }
PN_FOR_TYPES(PN_ONE_TYPE)
