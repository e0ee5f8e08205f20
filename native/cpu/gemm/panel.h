// The width of the panels in which operands of matrix products are read: a multiple of every vector and tile width.
#pragma once

namespace pn {

constexpr int panel_width = 48;

}  // namespace pn
