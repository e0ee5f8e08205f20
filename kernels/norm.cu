// norm_forward           mean, rstd[M, groups] =, Y[M, groups * D] = normalised X * (gamma_offset + gamma) + beta; Y
//                        may be X
// norm_backward          dX[M, groups * D] = or +=; dX may be dY where it is overwritten
// norm_vector_gradients  partials [parts, 2, D]: the sums over a part of the rows of dY * normalised X, and of dY
// norm_vector_sums       dgamma[1, D] +=, dbeta[1, D] += the partial sums in order
//
// X, Y and their gradients are of one type; gamma, beta, the statistics and what is summed over rows are fp32. Frozen
// vectors need no sum over rows at all.
#include "reduce.cuh"
#include "tensor.cuh"

namespace pn {

struct Norm {
    Tensor x, gamma, beta, mean, rstd;
    float epsilon, gamma_offset;
    int groups, centered;

    PN_DEVICE int width() const { return x.columns / groups; }
    PN_DEVICE float gain(int d) const { return gamma_offset + gamma.get<float>(0, d); }
};

// A block takes one group of one row. Twice over the row for the variance, as the one-pass formula cancels; what
// rounding left in the mean is taken out with what the deviations sum up to.
template <class T>
PN_DEVICE void norm_forward(const Norm& norm, const Tensor& y) {
    const int row = blockIdx.x / norm.groups, group = blockIdx.x % norm.groups, width = norm.width();
    const T* x = norm.x.row<T>(row) + group * width;
    T* to = y.row<T>(row) + group * width;
    const float share = 1 / static_cast<float>(width);
    float mean = 0, rest = 0, square = 0;
    if (norm.centered) {
        for (int d = threadIdx.x; d < width; d += blockDim.x) mean += load(x + d);
        mean = block_sum(mean) * share;
    }
    for (int d = threadIdx.x; d < width; d += blockDim.x) {
        const float v = load(x + d) - mean;
        rest += v;
        square = fmaf(v, v, square);
    }
    rest = norm.centered ? block_sum(rest) * share : 0.0f;
    const float rstd = 1 / sqrtf(fmaxf(fmaf(-rest, rest, block_sum(square) * share), 0.0f) + norm.epsilon);
    if (threadIdx.x == 0) {
        if (norm.mean.present()) norm.mean.set<float>(row, group, mean + rest);
        if (norm.rstd.present()) norm.rstd.set<float>(row, group, rstd);
    }
    for (int d = threadIdx.x; d < width; d += blockDim.x) {
        const float shift = norm.beta.present() ? norm.beta.get<float>(0, d) : 0.0f;
        store(to + d, (load(x + d) - mean - rest) * rstd * norm.gain(d) + shift);
    }
}

// With n the normalised x and h = dY * gain: dX = rstd * (h - n * mean(h * n) - mean(h)), the last term with centering
// only.
template <class T>
PN_DEVICE void norm_backward(const Norm& norm, const Tensor& dy, const Tensor& dx, int accumulate) {
    const int row = blockIdx.x / norm.groups, group = blockIdx.x % norm.groups, width = norm.width();
    const T* x = norm.x.row<T>(row) + group * width;
    const T* slope = dy.row<T>(row) + group * width;
    T* to = dx.row<T>(row) + group * width;
    const float mean = norm.centered ? norm.mean.get<float>(row, group) : 0.0f, rstd = norm.rstd.get<float>(row, group);
    float sum = 0, product = 0;
    for (int d = threadIdx.x; d < width; d += blockDim.x) {
        const float h = load(slope + d) * norm.gain(d);
        sum += h;
        product = fmaf(h, (load(x + d) - mean) * rstd, product);
    }
    product = block_sum(product) / static_cast<float>(width);
    sum = norm.centered ? block_sum(sum) / static_cast<float>(width) : 0.0f;
    for (int d = threadIdx.x; d < width; d += blockDim.x) {
        const float v = rstd * (load(slope + d) * norm.gain(d) - (load(x + d) - mean) * rstd * product - sum);
        store(to + d, accumulate ? load(to + d) + v : v);
    }
}

constexpr int norm_row_lanes = 8;  // threads that share a column; each takes every eighth row of its part

template <class T>
PN_DEVICE void norm_vector_gradients(const Norm& norm, const Tensor& dy, int rows_per_part, float* partials) {
    PN_SMEM(float, gamma_sums, norm_row_lanes * warp_size);
    PN_SMEM(float, beta_sums, norm_row_lanes * warp_size);
    const int width = norm.width(), d = blockIdx.x * warp_size + threadIdx.x,
              own = threadIdx.y * warp_size + threadIdx.x;
    const long long first = static_cast<long long>(blockIdx.y) * rows_per_part;
    const long long end = first + rows_per_part < norm.x.rows ? first + rows_per_part : norm.x.rows;
    float gamma_sum = 0, beta_sum = 0;
    if (d < width)
        for (long long row = first + threadIdx.y; row < end; row += norm_row_lanes)
            for (int group = 0; group < norm.groups; group++) {
                const float slope = dy.get<T>(row, group * width + d);
                const float mean = norm.centered ? norm.mean.get<float>(row, group) : 0.0f;
                const float n = (norm.x.get<T>(row, group * width + d) - mean) * norm.rstd.get<float>(row, group);
                gamma_sum = fmaf(slope, n, gamma_sum);
                beta_sum += slope;
            }
    gamma_sums[own] = gamma_sum;
    beta_sums[own] = beta_sum;
    sync_block();
    if (threadIdx.y > 0 || d >= width) return;
    for (int lane = 1; lane < norm_row_lanes; lane++) {
        gamma_sum += gamma_sums[lane * warp_size + threadIdx.x];
        beta_sum += beta_sums[lane * warp_size + threadIdx.x];
    }
    float* to = partials + 2ll * blockIdx.y * width;
    to[d] = gamma_sum;
    to[width + d] = beta_sum;
}

}  // namespace pn

#define PN_ONE_TYPE(T, suffix)                                                                                    \
    PN_KERNEL(norm_forward_##suffix, pn::Norm norm, pn::Tensor y) { pn::norm_forward<T>(norm, y); }               \
    PN_KERNEL(norm_backward_##suffix, pn::Norm norm, pn::Tensor dy, pn::Tensor dx, int accumulate) {              \
        pn::norm_backward<T>(norm, dy, dx, accumulate);                                                           \
    }                                                                                                             \
    PN_KERNEL(norm_vector_gradients_##suffix, pn::Norm norm, pn::Tensor dy, int rows_per_part, float* partials) { \
        pn::norm_vector_gradients<T>(norm, dy, rows_per_part, partials);                                          \
    }
PN_FOR_TYPES(PN_ONE_TYPE)

PN_KERNEL(norm_vector_sums_fp32, const float* partials, int parts, int width, pn::Tensor dgamma, pn::Tensor dbeta) {
    const int d = blockIdx.x * blockDim.x + threadIdx.x;
    if (d >= width) return;
    float gamma_sum = 0, beta_sum = 0;
    for (int part = 0; part < parts; part++) {
        gamma_sum += partials[2ll * part * width + d];
        beta_sum += partials[(2ll * part + 1) * width + d];
    }
    if (dgamma.present()) dgamma.row<float>(0)[d] += gamma_sum;
    if (dbeta.present()) dbeta.row<float>(0)[d] += beta_sum;
}
