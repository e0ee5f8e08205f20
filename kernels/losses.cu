// cross_entropy_run    for each row of logits[M, V]: loss = log sum exp(z) - z_label with z = cap(logits), correct =
//                      whether the label is the first largest; with gradient,
//                      logits = scale * (softmax(z) - onehot) * cap'
// regression_loss_run  for each row of logits[M, N]: loss = the sum of the element losses; with gradient,
//                      logits = scale * slope
//
// scale is *scale_now where that is given: the value of each run of a graph. A block takes one row. Logits are of any
// type; loss and targets are fp32, labels and correct int32.
#include "activation.cuh"
#include "reduce.cuh"
#include "tensor.cuh"

namespace pn {

// The first place of the largest score; as fp32, which holds every place below 2^24 exactly.
template <class T>
PN_DEVICE int first_largest(const Tensor& logits, int row, float largest) {
    float place = -INFINITY;
    for (int v = threadIdx.x; v < logits.columns; v += blockDim.x)
        if (logits.get<T>(row, v) == largest) place = fmaxf(place, -static_cast<float>(v));
    return static_cast<int>(-block_max(place));
}

template <class T>
PN_DEVICE void cross_entropy(const Tensor& logits, const Tensor& labels, const Tensor& loss, const Tensor& correct,
                             int gradient, float scale, float soft_cap) {
    const int row = blockIdx.x, label = labels.integer(row);
    const SoftCap cap = {soft_cap};
    float largest = -INFINITY;
    for (int v = threadIdx.x; v < logits.columns; v += blockDim.x) largest = fmaxf(largest, logits.get<T>(row, v));
    largest = block_max(largest);
    if (correct.present()) {
        const int place = first_largest<T>(logits, row, largest);
        if (threadIdx.x == 0) static_cast<int*>(correct.data)[row] = place == label ? 1 : 0;
    }
    const float top = cap(largest);
    float sum = 0;
    for (int v = threadIdx.x; v < logits.columns; v += blockDim.x) sum += expf(cap(logits.get<T>(row, v)) - top);
    sum = block_sum(sum);
    if (threadIdx.x == 0) loss.set<float>(0, row, top - cap(logits.get<T>(row, label)) + logf(sum));
    if (!gradient) return;
    sync_block();  // the score of the label was read
    const float factor = 1 / sum;
    for (int v = threadIdx.x; v < logits.columns; v += blockDim.x) {
        const float z = cap(logits.get<T>(row, v));
        const float slope = expf(z - top) * factor - (v == label ? 1.0f : 0.0f);
        logits.set<T>(row, v, scale * slope * cap.slope(z));
    }
}

PN_DEVICE float sigmoid(float z) { return 1 / (1 + expf(-z)); }

template <class T>
PN_DEVICE void regression_loss(const Tensor& logits, const Tensor& targets, int kind, const Tensor& loss, int gradient,
                               float scale) {
    const int row = blockIdx.x;
    float sum = 0;
    for (int n = threadIdx.x; n < logits.columns; n += blockDim.x) {
        const float z = logits.get<T>(row, n), t = targets.get<float>(row, n), d = z - t;
        sum += kind == 0 ? d * d : fmaxf(z, 0.0f) - z * t + log1pf(expf(-fabsf(z)));
        if (gradient) logits.set<T>(row, n, scale * (kind == 0 ? 2 * d : sigmoid(z) - t));
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) loss.set<float>(0, row, sum);
}

}  // namespace pn

#define PN_ONE_TYPE(T, suffix)                                                                                       \
    PN_KERNEL(cross_entropy_run_##suffix, pn::Tensor logits, pn::Tensor labels, pn::Tensor loss, pn::Tensor correct, \
              int gradient, float scale, const float* scale_now, float soft_cap) {                                   \
        pn::cross_entropy<T>(logits, labels, loss, correct, gradient, scale_now ? *scale_now : scale, soft_cap);     \
    }                                                                                                                \
    PN_KERNEL(regression_loss_run_##suffix, pn::Tensor logits, pn::Tensor targets, int kind, pn::Tensor loss,        \
              int gradient, float scale, const float* scale_now) {                                                   \
        pn::regression_loss<T>(logits, targets, kind, loss, gradient, scale_now ? *scale_now : scale);               \
    }
PN_FOR_TYPES(PN_ONE_TYPE)
