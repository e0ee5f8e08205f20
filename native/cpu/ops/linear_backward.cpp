// Backward of a linear layer. The gradient's rows are broadcast against the weight's rows, read as vectors from the same
// prepared copy as in the forward; the low-rank pairs are further steps of the tiles of dX.
#include "gemm/pack.h"
#include "gemm/product.h"
#include "ops/common.h"
#include "ops/dropout.h"
#include "ops/ops.h"

namespace pn::PN_ISA {

namespace {

// dS = scale * dU B of one pair, with zero rows around it up to whole tiles of dX.
struct LowRankGradient {
    float* ds;                 // row `begin` of X first
    std::ptrdiff_t begin, end; // rows of X, multiples of tile_rows
};

// The pairs that can be steps of dX's tiles: those whose share of dX is not masked by dropout or left out of the input scale.
bool joins_tiles(const pn_linear& op, const pn_low_rank& pair) {
    return !(pair.dropout.probability > 0) && !present(op.input_scale);
}

struct InputGradientSink final : Sink {
    const pn_linear& op;
    const LowRankGradient* gradients;
    StoreRows rows;

    InputGradientSink(const pn_linear& op, const LowRankGradient* gradients, const StoreRows& rows)
        : op(op), gradients(gradients), rows(rows) {}

    int most_extra() const override { return op.low_rank_count; }

    int extra_segments(std::ptrdiff_t i, std::ptrdiff_t j, int count, int, Segment* segments) const override {
        int n = 0;
        for (int p = 0; p < op.low_rank_count; p++) {
            const pn_low_rank& pair = op.low_rank[p];
            const LowRankGradient& g = gradients[p];
            if (!joins_tiles(op, pair) || i >= g.end || i + count <= g.begin) continue;
            const std::ptrdiff_t rank = pair.a.rows;
            segments[n++] = {{g.ds + (i - g.begin) * rank, rank, panel_width}, data(pair.a) + j, pair.a.stride, rank};
        }
        return n;
    }

    void take(const Tile& tile) const override { rows.take(tile); }
};

class Backward {
public:
    Backward(pn_context& context, const pn_linear& op, const pn_linear_gradients& g)
        : context(context), op(op), g(g), rows(op.x.rows), inputs(op.x.columns), outputs(op.w.rows),
          du(data(g.dy)), du_stride(g.dy.stride) {}

    void run() {
        if (rows == 0) return;
        output_side();
        auto* gradients = static_cast<LowRankGradient*>(
            context.workspace.bytes(sizeof(LowRankGradient) * static_cast<std::size_t>(op.low_rank_count)));
        for (int p = 0; p < op.low_rank_count; p++) gradients[p] = low_rank(op.low_rank[p]);
        if (present(g.dinput_scale)) scaled_input_gradient();
        else if (present(g.dx)) input_gradient(gradients);
        if (present(g.dx))
            for (int p = 0; p < op.low_rank_count; p++)
                if (!joins_tiles(op, op.low_rank[p])) add_low_rank(op.low_rank[p], gradients[p]);
        if (present(g.dw)) weight_gradient();
    }

private:
    // Gradients of bias and output scale, and dU = OutputScale * dY.
    void output_side() {
        const float* scale = present(op.output_scale) ? data(op.output_scale) : nullptr;
        if (present(g.doutput_scale))
            add_column_sums(context, rows, outputs, data(g.doutput_scale), [&](std::ptrdiff_t m, std::ptrdiff_t c, int n) {
                return load(row(g.dy, m) + c, n) * load(row(op.pre_scale, m) + c, n);
            });
        if (scale != nullptr) {
            du = take_scratch(rows * outputs);
            du_stride = outputs;
            for_rows(context, rows, static_cast<double>(outputs), [&](std::ptrdiff_t m) {
                for_vectors(outputs, [&](std::ptrdiff_t c, int n) {
                    store(du + m * du_stride + c, load(row(g.dy, m) + c, n) * load(scale + c, n), n);
                });
            });
        }
        if (!present(g.dbias)) return;
        const bool after = op.scale_before_bias != 0;
        const float* from = after ? data(g.dy) : du;
        const std::ptrdiff_t stride = after ? g.dy.stride : du_stride;
        add_column_sums(context, rows, outputs, data(g.dbias),
                        [&](std::ptrdiff_t m, std::ptrdiff_t c, int n) { return load(from + m * stride + c, n); });
    }

    LowRankGradient low_rank(const pn_low_rank& pair) {
        const std::ptrdiff_t rank = pair.a.rows, first = pair.row_start, count = pair.row_count;
        LowRankGradient result{nullptr, first / tile_rows * tile_rows,
                               ceil_div<std::ptrdiff_t>(first + count, tile_rows) * tile_rows};
        if (count == 0 || rank == 0) return {nullptr, 0, 0};
        result.ds = context.workspace.floats((result.end - result.begin) * rank);
        float* ds = result.ds + (first - result.begin) * rank;
        zero_rows(result.ds, (first - result.begin) * rank);
        zero_rows(ds + count * rank, (result.end - first - count) * rank);

        StoreRows to_ds(ds, rank, false);
        to_ds.scale = static_cast<float>(pair.scale);
        multiply(context, {count, rank, outputs, {du + first * du_stride, du_stride, panel_width},
                           {data(pair.b), panel_width, pair.b.stride}}, to_ds);
        if (present(pair.grad_b)) {
            const float* st = transposed(data(pair.s), pair.s.stride, count, rank, static_cast<float>(pair.scale));
            multiply(context, {rank, outputs, count, {st, count, panel_width}, {du + first * du_stride, panel_width, du_stride}},
                     AddColumns(data(pair.grad_b), pair.grad_b.stride, 1.0f));
        }
        if (present(pair.grad_a)) {
            const bool dropped = pair.dropout.probability > 0;
            const Right right = dropped ? Right{data(pair.dropped_x), panel_width, pair.dropped_x.stride}
                                        : Right{row(op.x, first), panel_width, op.x.stride};
            const float* dst = transposed(ds, rank, count, rank, 1.0f);
            multiply(context, {rank, inputs, count, {dst, count, panel_width}, right},
                     StoreRows(data(pair.grad_a), pair.grad_a.stride, true));
        }
        return result;
    }

    void input_gradient(const LowRankGradient* gradients) {
        StoreRows to(data(g.dx), g.dx.stride, g.accumulate_dx != 0);
        if (present(op.input_scale)) to.column_scale = data(op.input_scale);
        multiply(context, input_product(), InputGradientSink(op, gradients, to));
    }

    // With a gradient for the input scale the unscaled dU W is needed as a matrix.
    void scaled_input_gradient() {
        float* unscaled = take_scratch(rows * inputs);
        multiply(context, input_product(), StoreRows(unscaled, inputs, false));
        add_column_sums(context, rows, inputs, data(g.dinput_scale), [&](std::ptrdiff_t m, std::ptrdiff_t c, int n) {
            return load(row(op.x, m) + c, n) * load(unscaled + m * inputs + c, n);
        });
        if (!present(g.dx)) return;
        for_rows(context, rows, static_cast<double>(inputs), [&](std::ptrdiff_t m) {
            float* to = row(g.dx, m);
            for_vectors(inputs, [&](std::ptrdiff_t c, int n) {
                const F value = load(unscaled + m * inputs + c, n) * load(data(op.input_scale) + c, n);
                store(to + c, g.accumulate_dx ? load(to + c, n) + value : value, n);
            });
        });
    }

    Product input_product() const {
        Product product{rows, inputs, outputs, {du, du_stride, panel_width}, {data(op.w), panel_width, op.w.stride}};
        if (op.prepared != nullptr) product.right = {op.prepared->weight.data, outputs * panel_width, panel_width};
        else product.pack_right = rows > 4 * tile_rows;
        return product;
    }

    // dX += drop'(dS A) for a pair that could not join the tiles.
    void add_low_rank(const pn_low_rank& pair, const LowRankGradient& gradient) {
        if (gradient.ds == nullptr) return;
        const std::ptrdiff_t rank = pair.a.rows, count = pair.row_count;
        const float* ds = gradient.ds + (pair.row_start - gradient.begin) * rank;
        const Product product{count, inputs, rank, {ds, rank, panel_width}, {data(pair.a), panel_width, pair.a.stride}};
        pn_tensor dx = g.dx;
        dx.data = row(g.dx, pair.row_start);
        dx.rows = pair.row_count;
        if (!(pair.dropout.probability > 0)) return multiply(context, product, StoreRows(data(dx), dx.stride, true));
        float* masked = context.workspace.floats(count * inputs);
        multiply(context, product, StoreRows(masked, inputs, false));
        const pn_tensor source{masked, PN_FLOAT32, pair.row_count, op.x.columns, op.x.columns};
        drop_rows(context, source, pair.dropout, true, dx);
    }

    void weight_gradient() {
        const float* dut = transposed(du, du_stride, rows, outputs, 1.0f);
        StoreRows to(data(g.dw), g.dw.stride, true);
        if (present(op.input_scale)) to.column_scale = data(op.input_scale);
        Product product{outputs, inputs, rows, {dut, rows, panel_width}, {data(op.x), panel_width, op.x.stride}};
        product.pack_right = outputs > 4 * tile_rows;
        multiply(context, product, to);
    }

    // factor * x^T in scratch memory, rows of x becoming columns.
    const float* transposed(const float* x, std::ptrdiff_t stride, std::ptrdiff_t count, std::ptrdiff_t columns, float factor) {
        float* out = context.workspace.floats(count * columns);
        const int workers = context.workers(static_cast<double>(count) * static_cast<double>(columns));
        context.pool.run(workers, [&](int worker) {
            const Range range = part_of(columns, worker, workers, 16);
            transpose(x + range.begin, stride, count, range.end - range.begin, factor, out + range.begin * count, count);
        });
        return out;
    }

    // The caller's scratch serves as long as it lasts.
    float* take_scratch(std::ptrdiff_t count) {
        const std::ptrdiff_t size = present(g.scratch) ? static_cast<std::ptrdiff_t>(g.scratch.rows) * g.scratch.columns : 0;
        if (scratch_used + count > size) return context.workspace.floats(count);
        float* memory = data(g.scratch) + scratch_used;
        scratch_used += count;
        return memory;
    }

    static void zero_rows(float* p, std::ptrdiff_t count) { std::memset(p, 0, sizeof(float) * static_cast<std::size_t>(count)); }

    pn_context& context;
    const pn_linear& op;
    const pn_linear_gradients& g;
    const std::ptrdiff_t rows, inputs, outputs;
    float* du;
    std::ptrdiff_t du_stride;
    std::ptrdiff_t scratch_used = 0;
};

}  // namespace

void linear_backward(pn_context& context, const pn_linear& op, const pn_linear_gradients& gradients) {
    Backward(context, op, gradients).run();
}

}  // namespace pn::PN_ISA
