// Division of rows and columns among workers.
#pragma once

#include "simd/simd.h"

namespace pn::PN_ISA {

struct Range {
    std::ptrdiff_t begin, end;
};

// Part `index` of [0, count) in `parts` parts, cut at multiples of `unit`.
PN_INLINE Range part_of(std::ptrdiff_t count, int index, int parts, std::ptrdiff_t unit = 1) {
    const std::ptrdiff_t units = ceil_div(count, unit);
    return {smaller(count, units * index / parts * unit), smaller(count, units * (index + 1) / parts * unit)};
}

}  // namespace pn::PN_ISA
