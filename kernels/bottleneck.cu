// A bottleneck adapter in one pass over its rows; what is narrow stays in
// shared memory. With K inputs, N outputs and B <= 64 features in between:
//
// bottleneck_forward   down[M, B] = X down_weight' + down_bias
//                      Y[M, N] = output_scale * (f(down) up_weight' + up_bias) + residual;  Y may be the residual
// bottleneck_backward  ddown[M, B] = ((dY * output_scale) up_weight) * f'(down);  dX[M, K] = ddown down_weight
//
// bottleneck_weight_products   partial[slices * L, R] = left' f(right) for left[M, L] and right[M, R], each slice of
//                              rows by itself;  sum[slices, L] = the sums of the columns of left
// bottleneck_weight_gradients  dW[L, R] += factor * G, dbias[1, L] += factor * g,
//                              dfactor[1, L] += (the sums of W * G over rows) + bias * g;
//                              G and g are the sums of the slices, in their order
//
// X, Y, down and their gradients are of one type; weights, vectors,
// their gradients and sums are fp32. Absent operands drop out.
#include "activation.cuh"
#include "reduce.cuh"
#include "wide_tile.cuh"

namespace pn {

PN_DEVICE float entry(const Tensor& vector, int i, float absent) {
    return vector.present() ? vector.get<float>(0, i) : absent;
}

template <class T>
PN_DEVICE void bottleneck_forward(const Tensor& x, const Tensor& down_weight, const Tensor& down_bias,
                                  Activation activation, const Tensor& down, const Tensor& up_weight,
                                  const Tensor& up_bias, const Tensor& output_scale, const Tensor& residual,
                                  const Tensor& y) {
    PN_DYN_SMEM(T, left);
    T* const right = left + wide_elements<T>;
    const int row0 = blockIdx.x * wide_tile, width = down.columns;
    WideTile narrow;
    multiply_wide<Along::depth, Along::depth, weight_parts<T>>(
        narrow, left, right, x.columns, [&](int i, int k) { return row0 + i < x.rows ? x.get<T>(row0 + i, k) : 0.0f; },
        [&](int j, int k) { return j < width ? down_weight.get<float>(j, k) : 0.0f; }, [] {});
    narrow.for_each([&](int i, int j, float v) {
        T kept = from_float<T>(0.0f);
        if (row0 + i < x.rows && j < width) {
            const T rounded = from_float<T>(v + entry(down_bias, j, 0));
            down.row<T>(row0 + i)[j] = rounded;
            kept = from_float<T>(activate(activation, to_float(rounded)));
        }
        left[i * wide_stride<T> + j] = kept;
    });
    for (int column0 = 0; column0 < y.columns; column0 += wide_tile) {
        stage_wide<Along::depth, weight_parts<T>>(right, [&](int j, int k) {
            return column0 + j < y.columns && k < width ? up_weight.get<float>(column0 + j, k) : 0.0f;
        });
        sync_block();
        WideTile tile;
        multiply_staged<weight_parts<T>>(tile, left, right);
        tile.for_each([&](int i, int j, float u) {
            const int row = row0 + i, column = column0 + j;
            if (row >= y.rows || column >= y.columns) return;
            const float v = (u + entry(up_bias, column, 0)) * entry(output_scale, column, 1);
            y.set<T>(row, column, residual.present() ? v + residual.get<T>(row, column) : v);
        });
        sync_block();
    }
}

template <class T>
PN_DEVICE void bottleneck_backward(const Tensor& dy, const Tensor& up_weight, const Tensor& output_scale,
                                   Activation activation, const Tensor& down, const Tensor& ddown,
                                   const Tensor& down_weight, const Tensor& dx) {
    PN_DYN_SMEM(T, left);
    T* const right = left + wide_elements<T>;
    const int row0 = blockIdx.x * wide_tile, width = down.columns;
    WideTile narrow;
    multiply_wide<Along::depth, Along::edge, weight_parts<T>>(
        narrow, left, right, dy.columns,
        [&](int i, int n) { return row0 + i < dy.rows ? dy.get<T>(row0 + i, n) * entry(output_scale, n, 1) : 0.0f; },
        [&](int j, int n) { return j < width ? up_weight.get<float>(n, j) : 0.0f; }, [] {});
    narrow.for_each([&](int i, int j, float v) {
        T slope = from_float<T>(0.0f);
        if (row0 + i < dy.rows && j < width) {
            slope = from_float<T>(v * activation_slope(activation, down.get<T>(row0 + i, j)));
            ddown.row<T>(row0 + i)[j] = slope;
        }
        left[i * wide_stride<T> + j] = slope;
    });
    if (!dx.present()) return;
    for (int column0 = 0; column0 < dx.columns; column0 += wide_tile) {
        stage_wide<Along::edge, weight_parts<T>>(right, [&](int j, int k) {
            return column0 + j < dx.columns && k < width ? down_weight.get<float>(k, column0 + j) : 0.0f;
        });
        sync_block();
        WideTile tile;
        multiply_staged<weight_parts<T>>(tile, left, right);
        tile.for_each([&](int i, int j, float v) {
            if (row0 + i < dx.rows && column0 + j < dx.columns) dx.set<T>(row0 + i, column0 + j, v);
        });
        sync_block();
    }
}

template <class T>
PN_DEVICE void bottleneck_weight_products(const Tensor& left, const Tensor& right, Activation activation,
                                          int slice_rows, const Tensor& partial, const Tensor& sum) {
    PN_DYN_SMEM(T, l);
    T* const r = l + wide_elements<T>;
    const int column0 = blockIdx.x * wide_tile, row0 = blockIdx.y * wide_tile, slice = blockIdx.z,
              first = slice * slice_rows;
    const int depth = left.rows - first < slice_rows ? left.rows - first : slice_rows, thread = linear_thread();
    WideTile tile;
    float own = 0;  // the sum of column row0 + thread of left
    multiply_wide<Along::edge, Along::edge, 1>(
        tile, l, r, depth,
        [&](int i, int m) { return row0 + i < left.columns ? left.get<T>(first + m, row0 + i) : 0.0f; },
        [&](int j, int m) {
            return column0 + j < right.columns ? activate(activation, right.get<T>(first + m, column0 + j)) : 0.0f;
        },
        [&] {
            if (thread >= wide_tile || blockIdx.x > 0) return;
            for (int k = 0; k < wide_tile; k++) own += to_float(l[thread * wide_stride<T> + k]);
        });
    tile.for_each([&](int i, int j, float v) {
        if (row0 + i < left.columns && column0 + j < right.columns)
            partial.set<float>(static_cast<long long>(slice) * left.columns + row0 + i, column0 + j, v);
    });
    if (thread < wide_tile && blockIdx.x == 0 && row0 + thread < left.columns)
        sum.set<float>(slice, row0 + thread, own);
}

PN_DEVICE void bottleneck_weight_gradients(const Tensor& partial, const Tensor& sum, const Tensor& weight,
                                           const Tensor& bias, const Tensor& factor, const Tensor& dweight,
                                           const Tensor& dbias, const Tensor& dfactor) {
    const int row = blockIdx.x, rows = sum.columns, slices = sum.rows;
    const float scale = entry(factor, row, 1);
    float dot = 0;
    for (int c = threadIdx.x; c < partial.columns; c += blockDim.x) {
        float total = 0;
        for (int s = 0; s < slices; s++) total += partial.get<float>(static_cast<long long>(s) * rows + row, c);
        if (dfactor.present()) dot = fmaf(weight.get<float>(row, c), total, dot);
        if (dweight.present()) dweight.row<float>(row)[c] += scale * total;
    }
    dot = block_sum(dot);
    if (threadIdx.x > 0) return;
    float total = 0;
    for (int s = 0; s < slices; s++) total += sum.get<float>(s, row);
    if (dbias.present()) dbias.row<float>(0)[row] += scale * total;
    if (dfactor.present()) dfactor.row<float>(0)[row] += dot + entry(bias, row, 0) * total;
}

}  // namespace pn

#define PN_ONE_TYPE(T, suffix)                                                                                         \
    PN_KERNEL_BOUNDS(bottleneck_forward_##suffix, 256, pn::Tensor x, pn::Tensor down_weight, pn::Tensor down_bias,     \
                     int activation, pn::Tensor down, pn::Tensor up_weight, pn::Tensor up_bias,                        \
                     pn::Tensor output_scale, pn::Tensor residual, pn::Tensor y) {                                     \
        pn::bottleneck_forward<T>(x, down_weight, down_bias, static_cast<pn::Activation>(activation), down, up_weight, \
                                  up_bias, output_scale, residual, y);                                                 \
    }                                                                                                                  \
    PN_KERNEL_BOUNDS(bottleneck_backward_##suffix, 256, pn::Tensor dy, pn::Tensor up_weight, pn::Tensor output_scale,  \
                     int activation, pn::Tensor down, pn::Tensor ddown, pn::Tensor down_weight, pn::Tensor dx) {       \
        pn::bottleneck_backward<T>(dy, up_weight, output_scale, static_cast<pn::Activation>(activation), down, ddown,  \
                                   down_weight, dx);                                                                   \
    }                                                                                                                  \
    PN_KERNEL_BOUNDS(bottleneck_weight_products_##suffix, 256, pn::Tensor left, pn::Tensor right, int activation,      \
                     int slice_rows, pn::Tensor partial, pn::Tensor sum) {                                             \
        pn::bottleneck_weight_products<T>(left, right, static_cast<pn::Activation>(activation), slice_rows, partial,   \
                                          sum);                                                                        \
    }
PN_FOR_TYPES(PN_ONE_TYPE)

PN_KERNEL_BOUNDS(bottleneck_weight_gradients_fp32, 256, pn::Tensor partial, pn::Tensor sum, pn::Tensor weight,
                 pn::Tensor bias, pn::Tensor factor, pn::Tensor dweight, pn::Tensor dbias, pn::Tensor dfactor) {
    pn::bottleneck_weight_gradients(partial, sum, weight, bias, factor, dweight, dbias, dfactor);
}
