// dora_norm               norm[1, N] = the Euclidean norm of every row of W[N, K] + scale * B[N, R] A[R, K];
//                         g = magnitude / norm
// dora_magnitude_gradient dmagnitude[1, N] += dg / norm
//
// A block takes one row of W. Everything but W is fp32; g is optional.
#include "reduce.cuh"
#include "tensor.cuh"

namespace pn {

template <class W>
PN_DEVICE void dora_norm(const Tensor& w, const Tensor& a, const Tensor& b, float scale, const Tensor& magnitude,
                         const Tensor& norm, const Tensor& g) {
    const int n = blockIdx.x;
    float squares = 0;
    for (int k = threadIdx.x; k < w.columns; k += blockDim.x) {
        float low_rank = 0;
        for (int r = 0; r < a.rows; r++) low_rank = fmaf(b.get<float>(n, r), a.get<float>(r, k), low_rank);
        const float v = fmaf(scale, low_rank, w.get<W>(n, k));
        squares = fmaf(v, v, squares);
    }
    const float length = sqrtf(block_sum(squares));
    if (threadIdx.x > 0) return;
    norm.set<float>(0, n, length);
    if (g.present()) g.set<float>(0, n, magnitude.get<float>(0, n) / length);
}

}  // namespace pn

#define PN_ONE_TYPE(W, suffix)                                                                                 \
    PN_KERNEL(dora_norm_##suffix, pn::Tensor w, pn::Tensor a, pn::Tensor b, float scale, pn::Tensor magnitude, \
              pn::Tensor norm, pn::Tensor g) {                                                                 \
        pn::dora_norm<W>(w, a, b, scale, magnitude, norm, g);                                                  \
    }
PN_FOR_TYPES(PN_ONE_TYPE)

PN_KERNEL(dora_magnitude_gradient_fp32, pn::Tensor dg, pn::Tensor norm, pn::Tensor dmagnitude) {
    pn::for_piece(dg.columns,
                  [&](int, int n) { dmagnitude.row<float>(0)[n] += dg.row<float>(0)[n] / norm.row<float>(0)[n]; });
}
