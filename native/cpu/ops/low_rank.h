// What a low-rank pair of a linear layer computes before the main product.
#pragma once

#include <cstddef>

#include "simd/simd.h"

namespace pn::PN_ISA {

struct LowRankInput {
    std::ptrdiff_t first_panel;  // panel of X in which the pair's rows begin
    float* s;                    // [rows of the pair, rank]
    std::ptrdiff_t s_stride;
    float* panels;  // scale * S as [panel][rank][48]
};

}  // namespace pn::PN_ISA
