// The panels in which operands of matrix products are read.
#pragma once

#include <cstddef>

namespace pn {

constexpr int panel_width = 48;  // a multiple of every vector and tile width
constexpr int panel_unit = 16;   // of every vector width

// How wide the first panel of so many columns is: two of middle
// width rather than a wide and a narrow one, which is slower.
constexpr std::ptrdiff_t panel_columns(std::ptrdiff_t left) {
    if (left <= panel_width) return left;
    return left <= panel_width + panel_unit ? (panel_width + panel_unit) / 2 : panel_width;
}

}  // namespace pn
