// What must hold of a record before a kernel runs over it. The C# side checks shapes too, with better words; these
// checks keep every caller from reading or writing outside its tensors.
#pragma once

#include "peftnative.h"

namespace pn {

void check(const pn_linear& op);
void check(const pn_linear& op, const pn_linear_gradients& g);
void check(const pn_dequantize& op);
void check(const pn_dora_scale& op);
void check(const pn_dora_scale& op, const pn_dora_scale_gradients& g);
void check(const pn_embedding& op);
void check(const pn_embedding& op, const pn_embedding_gradients& g);
void check(const pn_norm& op);
void check(const pn_norm& op, const pn_norm_gradients& g);
void check(const pn_rope& op);
void check(const pn_attention& op);
void check(const pn_attention& op, const pn_attention_gradients& g);
void check(const pn_gate& op);
void check(const pn_gate& op, const pn_gate_gradients& g);
void check(const pn_dropout& op);
void check(const pn_gather& op);
void check(const pn_gather& op, const pn_gather_gradients& g);
void check(const pn_cross_entropy& op);
void check(const pn_regression_loss& op);
void check(const pn_adamw& op);
void check_same(const char* operation, const pn_tensor& x, const pn_tensor& y);
void check_matrix(const char* operation, const pn_tensor& x);

}  // namespace pn
