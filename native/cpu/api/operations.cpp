// One C function per operation: check the record, run the kernel of the context's instruction set.
#include "api/checks.h"
#include "core/context.h"
#include "core/error.h"
#include "core/kernels.h"

namespace {

using pn::check;

template <class Body>
pn_status run(pn_context* context, const void* op, Body&& body) noexcept {
    return pn::guard([&] {
        if (context == nullptr || op == nullptr) pn::fail(PN_INVALID_ARGUMENT, "a null context or record");
        context->reset();
        body(*context->kernels);
    });
}

}  // namespace

#define PN_OPERATION(name, record, kernel)                          \
    pn_status name(pn_context* context, const record* op) {         \
        return run(context, op, [&](const pn::Kernels& kernels) {   \
            check(*op);                                             \
            kernels.kernel;                                         \
        });                                                         \
    }

#define PN_GRADIENTS(name, record, gradients_record, kernel)                                          \
    pn_status name(pn_context* context, const record* op, const gradients_record* gradients) {        \
        return run(context, gradients == nullptr ? nullptr : op, [&](const pn::Kernels& kernels) {    \
            check(*op, *gradients);                                                                   \
            kernels.kernel(*context, *op, *gradients);                                                \
        });                                                                                           \
    }

PN_OPERATION(pn_linear_forward, pn_linear, linear_forward(*context, *op))
PN_GRADIENTS(pn_linear_backward, pn_linear, pn_linear_gradients, linear_backward)
PN_OPERATION(pn_dequantize_forward, pn_dequantize, dequantize(*context, *op))
PN_OPERATION(pn_dora_scale_forward, pn_dora_scale, dora_scale_forward(*context, *op))
PN_GRADIENTS(pn_dora_scale_backward, pn_dora_scale, pn_dora_scale_gradients, dora_scale_backward)
PN_OPERATION(pn_embedding_forward, pn_embedding, embedding_forward(*context, *op))
PN_GRADIENTS(pn_embedding_backward, pn_embedding, pn_embedding_gradients, embedding_backward)
PN_OPERATION(pn_norm_forward, pn_norm, norm_forward(*context, *op))
PN_GRADIENTS(pn_norm_backward, pn_norm, pn_norm_gradients, norm_backward)
PN_OPERATION(pn_rope_forward, pn_rope, rope(*context, *op, false))
PN_OPERATION(pn_rope_backward, pn_rope, rope(*context, *op, true))
PN_OPERATION(pn_attention_forward, pn_attention, attention_forward(*context, *op))
PN_GRADIENTS(pn_attention_backward, pn_attention, pn_attention_gradients, attention_backward)
PN_OPERATION(pn_gate_forward, pn_gate, gate_forward(*context, *op))
PN_GRADIENTS(pn_gate_backward, pn_gate, pn_gate_gradients, gate_backward)
PN_OPERATION(pn_dropout_forward, pn_dropout, dropout(*context, *op))
PN_OPERATION(pn_gather_forward, pn_gather, gather_forward(*context, *op))
PN_GRADIENTS(pn_gather_backward, pn_gather, pn_gather_gradients, gather_backward)
PN_OPERATION(pn_cross_entropy_run, pn_cross_entropy, cross_entropy(*context, *op))
PN_OPERATION(pn_regression_loss_run, pn_regression_loss, regression_loss(*context, *op))
PN_OPERATION(pn_adamw_run, pn_adamw, adamw(*context, *op))

pn_status pn_sum_of_squares(pn_context* context, const pn_tensor* x, double* result) {
    return run(context, result == nullptr ? nullptr : x, [&](const pn::Kernels& kernels) {
        pn::check_matrix("sum of squares", *x);
        *result = kernels.sum_of_squares(*context, *x);
    });
}

pn_status pn_add_scaled(pn_context* context, const pn_tensor* x, double scale, const pn_tensor* y) {
    return run(context, y == nullptr ? nullptr : x, [&](const pn::Kernels& kernels) {
        pn::check_same("add scaled", *x, *y);
        kernels.add_scaled(*context, *x, scale, *y);
    });
}
