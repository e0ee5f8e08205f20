// Forward of a linear layer. The weight's rows are broadcast against panels of 48 transposed inputs, so that one prepared copy
// of a frozen weight serves the backward too; tiles are turned back when they are finished, and the low-rank pairs are further
// steps of the same tile: Y is written once.
#include "gemm/pack.h"
#include "gemm/product.h"
#include "ops/common.h"
#include "ops/dropout.h"
#include "ops/low_rank.h"
#include "ops/ops.h"
#include "simd/octet.h"

namespace pn::PN_ISA {

namespace {

// S = X A^T: S is kept row by row, scale * S as panels [panel][rank][48] that are zero outside the pair's rows.
struct LowRankSink final : Sink {
    const pn_low_rank& pair;
    std::ptrdiff_t first_row;  // row of X of the product's first column
    float* s;
    std::ptrdiff_t s_stride;
    float* panels;

    LowRankSink(const pn_low_rank& pair, std::ptrdiff_t first_row, const LowRankInput& in)
        : pair(pair), first_row(first_row), s(in.s), s_stride(in.s_stride), panels(in.panels) {}

    void take(const Tile& t) const override {
        for (int c = 0; c < t.columns; c++) {
            const std::ptrdiff_t column = t.j + c, m = first_row + column - pair.row_start;
            const bool inside = m >= 0 && m < pair.row_count;
            for (int r = 0; r < t.rows; r++) {
                float value = 0;
                if (inside) {
                    float& kept = s[m * s_stride + t.i + r];
                    value = t.sums[r * tile_columns + c] + (t.first ? 0.0f : kept);
                    kept = value;
                }
                if (t.last) at(column, t.i + r) = value * static_cast<float>(pair.scale);
            }
        }
    }

private:
    float& at(std::ptrdiff_t column, std::ptrdiff_t r) const {
        return panels[(column / panel_width * pair.a.rows + r) * panel_width + column % panel_width];
    }
};

// Y = OutputScale * (U + Bias) + Residual and its variants; i counts outputs, j rows of X.
struct OutputSink final : Sink {
    const pn_linear& op;
    const LowRankInput* inputs;
    float* waiting;  // sums of earlier blocks, tile after tile; null where there is one block only

    OutputSink(const pn_linear& op, const LowRankInput* inputs, float* waiting) : op(op), inputs(inputs), waiting(waiting) {}

    int most_extra() const override { return op.low_rank_count; }

    int extra_segments(std::ptrdiff_t i, std::ptrdiff_t j, int, int columns, Segment* segments) const override {
        int count = 0;
        for (int p = 0; p < op.low_rank_count; p++) {
            const pn_low_rank& pair = op.low_rank[p];
            if (j >= pair.row_start + pair.row_count || j + columns <= pair.row_start) continue;
            const std::ptrdiff_t panel = j / panel_width - inputs[p].first_panel;
            const float* right = inputs[p].panels + panel * pair.a.rows * panel_width + j % panel_width;
            segments[count++] = {{row(pair.b, i), pair.b.stride, panel_width}, right, panel_width, pair.a.rows};
        }
        return count;
    }

    void take(const Tile& t) const override {
        if (waiting != nullptr) add_waiting(t);
        if (!t.last) return;
        if (t.rows == 8) write<8>(t, 8);
        else write<0>(t, t.rows);
    }

private:
    void add_waiting(const Tile& t) const {
        const std::ptrdiff_t tiles = ceil_div<std::ptrdiff_t>(op.x.rows, tile_columns);
        float* to = waiting + (t.i / tile_rows * tiles + t.j / tile_columns) * tile_rows * tile_columns;
        float* from = t.last ? t.sums : to;
        for (int e = 0; e < t.rows * tile_columns; e += W) {
            const F sum = load(t.sums + e);
            store(from + e, t.first ? sum : load(to + e) + sum);
        }
    }

    // Turns the tile: rows of Y are columns of it, eight outputs wide (or n, where Full is 0).
    template <int Full>
    void write(const Tile& t, int n) const {
        if constexpr (Full != 0) n = Full;
        const Octet none = octet(0.0f);
        const Octet bias = present(op.bias) ? load_octet(data(op.bias) + t.i, n) : none;
        const Octet scale = present(op.output_scale) ? load_octet(data(op.output_scale) + t.i, n) : octet(1.0f);
        const Octet before = op.scale_before_bias ? none : bias, after = op.scale_before_bias ? bias : none;
        for (int c = 0; c < t.columns; c += 8) {
            Octet block[8];
            for (int r = 0; r < 8; r++) block[r] = load_octet(t.sums + (r < n ? r : 0) * tile_columns + c);
            transpose_octets(block);
            const int count = smaller(8, t.columns - c);
            for (int e = 0; e < count; e++) {
                const std::ptrdiff_t m = t.j + c + e;
                Octet u = block[e] + before;
                if (present(op.pre_scale)) store_octet(row(op.pre_scale, m) + t.i, u, n);
                u = u * scale + after;
                if (present(op.residual)) u = u + load_octet(row(op.residual, m) + t.i, n);
                store_octet(row(op.y, m) + t.i, u, n);
            }
        }
    }
};

// Packs rows [begin, end) of the layer's input, counted like X, whose row `origin` is x; panels start at multiples of 48 of X.
void pack_rows(pn_context& context, const pn_tensor& x, std::ptrdiff_t origin, std::ptrdiff_t count, const float* scale, float* out) {
    const std::ptrdiff_t first_panel = origin / panel_width, panels = ceil_div<std::ptrdiff_t>(origin + count, panel_width) - first_panel;
    constexpr std::ptrdiff_t width = 192;  // a task packs so many columns of one panel
    const std::ptrdiff_t parts = ceil_div<std::ptrdiff_t>(x.columns, width);
    for_rows(context, panels * parts, panel_width * width, [&](std::ptrdiff_t task) {
        const std::ptrdiff_t panel = task / parts, c = task % parts * width;
        const std::ptrdiff_t begin = larger((first_panel + panel) * panel_width, origin);
        const std::ptrdiff_t end = smaller((first_panel + panel + 1) * panel_width, origin + count);
        float* to = out + (panel * x.columns + c) * panel_width + begin % panel_width;
        pack_panel(row(x, begin - origin) + c, x.stride, static_cast<int>(end - begin),
                   smaller(width, x.columns - c), scale == nullptr ? nullptr : scale + c, to);
    });
}

float* packed_rows(pn_context& context, const pn_tensor& x, std::ptrdiff_t origin, std::ptrdiff_t count, const float* scale) {
    const std::ptrdiff_t panels = ceil_div<std::ptrdiff_t>(origin + count, panel_width) - origin / panel_width;
    float* out = context.workspace.floats(panels * panel_width * x.columns);
    pack_rows(context, x, origin, count, scale, out);
    return out;
}

// Computes S of one pair from the packed X, or from its own dropped copy of X.
LowRankInput low_rank_input(pn_context& context, const pn_tensor& x, const pn_low_rank& pair, const float* packed_x) {
    const std::ptrdiff_t rank = pair.a.rows, first_panel = pair.row_start / panel_width;
    const std::ptrdiff_t columns = smaller<std::ptrdiff_t>(x.rows, ceil_div<std::ptrdiff_t>(pair.row_start + pair.row_count, panel_width) * panel_width) -
                                   first_panel * panel_width;
    LowRankInput in{};
    in.first_panel = first_panel;
    in.panels = context.workspace.floats(panel_floats(columns, rank));
    in.s = present(pair.s) ? data(pair.s) : context.workspace.floats(rank * pair.row_count);
    in.s_stride = present(pair.s) ? pair.s.stride : rank;
    const float* right = packed_x + first_panel * panel_width * x.columns;
    if (pair.dropout.probability > 0) {
        const pn_tensor rows{row(x, pair.row_start), x.type, pair.row_count, x.columns, x.stride};
        drop_rows(context, rows, pair.dropout, false, pair.dropped_x);
        right = packed_rows(context, pair.dropped_x, pair.row_start, pair.row_count, nullptr);
    }
    const Product product{rank, columns, x.columns, {data(pair.a), pair.a.stride, panel_width},
                          {right, x.columns * panel_width, panel_width}};
    multiply(context, product, LowRankSink(pair, first_panel * panel_width, in));
    return in;
}

}  // namespace

void linear_forward(pn_context& context, const pn_linear& op) {
    const std::ptrdiff_t rows = op.x.rows, outputs = op.w.rows;
    if (rows == 0 || outputs == 0) return;
    const float* scale = present(op.input_scale) ? data(op.input_scale) : nullptr;
    const float* packed = packed_rows(context, op.x, 0, rows, scale);
    const float* unscaled = scale != nullptr && op.low_rank_count > 0 ? packed_rows(context, op.x, 0, rows, nullptr) : packed;

    auto* inputs = static_cast<LowRankInput*>(context.workspace.bytes(sizeof(LowRankInput) * static_cast<std::size_t>(op.low_rank_count)));
    for (int p = 0; p < op.low_rank_count; p++) inputs[p] = low_rank_input(context, op.x, op.low_rank[p], unscaled);

    const std::ptrdiff_t tiles = ceil_div<std::ptrdiff_t>(rows, tile_columns) * ceil_div<std::ptrdiff_t>(outputs, tile_rows);
    float* waiting = op.x.columns > block_steps ? context.workspace.floats(tiles * tile_rows * tile_columns) : nullptr;
    const Left left = op.prepared != nullptr
                          ? Left{op.prepared->weight.data, panel_width, outputs * panel_width}
                          : Left{data(op.w), op.w.stride, panel_width};
    const Product product{outputs, rows, op.x.columns, left, {packed, op.x.columns * panel_width, panel_width}};
    multiply(context, product, OutputSink(op, inputs, waiting));
}

}  // namespace pn::PN_ISA
