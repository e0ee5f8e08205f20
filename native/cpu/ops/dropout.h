// Counter-based dropout; see DropoutMask in src/PeftNative/Ops/Dropout.cs.
#pragma once

#include "core/context.h"
#include "simd/simd.h"

namespace pn::PN_ISA {

// factors[i] = 1 / (1 - probability) where element first + i is kept, else 0, for i < count.
void dropout_factors(const pn_dropout_mask& mask, std::uint64_t first, std::ptrdiff_t count, float* factors);

// y (= or +=) drop(x), element index row * columns + column.
void drop_rows(pn_context& context, const pn_tensor& x, const pn_dropout_mask& mask, bool accumulate,
               const pn_tensor& y);

}  // namespace pn::PN_ISA
