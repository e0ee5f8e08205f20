// gather_forward   Y[n, D] = the rows of X[M, D] that rows (int32 [1, n]) names
// gather_backward  dX[M, D]: the row that rows names += dY[n, D], in order
//
// All of one type.
#include "matches.cuh"

namespace pn {

template <class T>
PN_DEVICE void gather_forward(const Tensor& x, const Tensor& rows, const Tensor& y) {
    for_piece(y.columns, [&](int i, int c) { y.row<T>(i)[c] = x.row<T>(rows.integer(i))[c]; });
}

// A block takes a row of dX.
template <class T>
PN_DEVICE void gather_backward(const Tensor& dy, const Tensor& rows, const Tensor& dx) {
    for_matches(rows, blockIdx.x, [&](int i) {
        for (int c = threadIdx.x; c < dx.columns; c += blockDim.x)
            dx.set<T>(blockIdx.x, c, dx.get<T>(blockIdx.x, c) + dy.get<T>(i, c));
    });
}

}  // namespace pn

#define PN_ONE_TYPE(T, suffix)                                                           \
    PN_KERNEL(gather_forward_##suffix, pn::Tensor x, pn::Tensor rows, pn::Tensor y) {    \
        pn::gather_forward<T>(x, rows, y);                                               \
    }                                                                                    \
    PN_KERNEL(gather_backward_##suffix, pn::Tensor dy, pn::Tensor rows, pn::Tensor dx) { \
        pn::gather_backward<T>(dy, rows, dx);                                            \
    }
PN_FOR_TYPES(PN_ONE_TYPE)
