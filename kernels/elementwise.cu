// fill         X[M, N]  = value
// copy         Y[M, N]  = X[M, N], from any type to any type
// add_scaled   Y[M, N] += scale * X[M, N]
// sum_of_squares, sum_partials: the sum of the squares of X[M, N] in double precision. Every block sums its own pieces
// in order, then one block sums the partial sums in order.
#include "reduce.cuh"
#include "tensor.cuh"

namespace pn {

template <class T>
PN_DEVICE void fill(const Tensor& x, float value) {
    for_piece(x.columns, [&](int i, int c) { x.set<T>(i, c, value); });
}

template <class From, class To>
PN_DEVICE void copy(const Tensor& x, const Tensor& y) {
    for_piece(x.columns, [&](int i, int c) { y.set<To>(i, c, x.get<From>(i, c)); });
}

template <class From, class To>
PN_DEVICE void add_scaled(const Tensor& x, float scale, const Tensor& y) {
    for_piece(x.columns, [&](int i, int c) { y.set<To>(i, c, fmaf(scale, x.get<From>(i, c), y.get<To>(i, c))); });
}

template <class T>
PN_DEVICE void sum_of_squares(const Tensor& x, double* partials, int pieces) {
    double sum = 0;
    const int per_row = (x.columns + piece_columns - 1) / piece_columns;
    for (int piece = blockIdx.x; piece < pieces; piece += gridDim.x) {
        const int row = piece / per_row, begin = piece % per_row * piece_columns;
        const int end = begin + piece_columns < x.columns ? begin + piece_columns : x.columns;
        for (int c = begin + threadIdx.x; c < end; c += blockDim.x) {
            const double v = x.get<T>(row, c);
            sum += v * v;
        }
    }
    sum = block_reduce(sum, 0.0, Sum());
    if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

}  // namespace pn

#define PN_ONE_TYPE(T, suffix)                                                                            \
    PN_KERNEL(fill_##suffix, pn::Tensor x, float value) { pn::fill<T>(x, value); }                         \
    PN_KERNEL(sum_of_squares_##suffix, pn::Tensor x, double* partials, int pieces) {                       \
        pn::sum_of_squares<T>(x, partials, pieces);                                                        \
    }
PN_FOR_TYPES(PN_ONE_TYPE)

#define PN_TWO_TYPES(From, To, suffix)                                                                     \
    PN_KERNEL(copy_##suffix, pn::Tensor x, pn::Tensor y) { pn::copy<From, To>(x, y); }                     \
    PN_KERNEL(add_scaled_##suffix, pn::Tensor x, float scale, pn::Tensor y) { pn::add_scaled<From, To>(x, scale, y); }
PN_FOR_MATRIX_TYPES(PN_TWO_TYPES)
PN_TWO_TYPES(float, pn::bf16, fp32_bf16)
PN_TWO_TYPES(float, pn::fp16, fp32_fp16)

PN_KERNEL(copy_int32_int32, pn::Tensor x, pn::Tensor y) {
    pn::for_piece(x.columns, [&](int i, int c) { y.row<int>(i)[c] = x.row<int>(i)[c]; });
}

PN_KERNEL(sum_partials_fp32, const double* partials, int count, double* sum) {
    double total = 0;
    for (int i = threadIdx.x; i < count; i += blockDim.x) total += partials[i];
    total = pn::block_reduce(total, 0.0, pn::Sum());
    if (threadIdx.x == 0) *sum = total;
}
