#include "core/kernels.h"
#include "ops/ops.h"
#include "simd/simd.h"

namespace pn::PN_ISA {

const Kernels& kernels() {
    static const Kernels table{
        isa_name,
        linear_forward, linear_backward, dequantize, dora_scale_forward, dora_scale_backward,
        embedding_forward, embedding_backward, norm_forward, norm_backward, rope,
        attention_forward, attention_backward, gate_forward, gate_backward, dropout,
        gather_forward, gather_backward, cross_entropy, regression_loss, adamw,
        sum_of_squares, add_scaled, map,
    };
    return table;
}

}  // namespace pn::PN_ISA
