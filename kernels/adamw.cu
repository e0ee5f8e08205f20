// adamw_run   one step over flat buffers [1, n] of fp32: values, first and second moment are updated in place (the
//             formula stands in PeftNative.Ops.AdamWOp). The factors are worked out on the host in double precision.
#include "tensor.cuh"

namespace pn {

struct AdamWFactors {
    float beta1, rest1;             // rest = 1 - beta
    float beta2, rest2;
    float shrink;                   // 1 - lr * decay
    float step;                     // lr / (1 - beta1^t)
    float root_correction;          // 1 / sqrt(1 - beta2^t)
    float epsilon;
    float gradient_scale;
};

}  // namespace pn

PN_KERNEL(adamw_run_fp32, pn::Tensor values, pn::Tensor gradients, pn::Tensor first, pn::Tensor second,
          pn::AdamWFactors f) {
    pn::for_piece(values.columns, [&](int, int c) {
        const float g = f.gradient_scale * gradients.row<float>(0)[c];
        const float m = f.beta1 * first.row<float>(0)[c] + f.rest1 * g;
        const float v = f.beta2 * second.row<float>(0)[c] + f.rest2 * g * g;
        const float moved = values.row<float>(0)[c] * f.shrink;
        values.row<float>(0)[c] = moved - f.step * m / (sqrtf(v) * f.root_correction + f.epsilon);
        first.row<float>(0)[c] = m;
        second.row<float>(0)[c] = v;
    });
}
