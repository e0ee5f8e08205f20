// Backward of a linear layer. Rows of the gradient are broadcast against rows
// of the weight; the low-rank pairs are further steps of the tiles of dX.
#include "ops/dropout.h"
#include "ops/linear.h"
#include "ops/ops.h"

namespace pn::PN_ISA {

namespace {

// The pairs that can be steps of dX's tiles: those whose share
// of dX is not masked by dropout or left out of the input scale.
bool joins_tiles(const pn_linear& op, const pn_low_rank& pair) {
    return !(pair.dropout.probability > 0) && !present(op.input_scale);
}

template <class T>
struct InputGradientSink final : Sink {
    const pn_linear& op;
    const LowRankProduct* gradients;
    StoreRows<T> rows;

    InputGradientSink(const pn_linear& op, const LowRankProduct* gradients, const StoreRows<T>& rows)
        : op(op), gradients(gradients), rows(rows) {}

    int most_extra() const override { return op.low_rank_count; }

    int extra_segments(std::ptrdiff_t i, std::ptrdiff_t j, int count, int, Segment* segments) const override {
        int n = 0;
        for (int p = 0; p < op.low_rank_count; p++) {
            const pn_low_rank& pair = op.low_rank[p];
            const LowRankRows& ds = gradients[p].rows;
            if (!joins_tiles(op, pair) || !touches(ds, i, count)) continue;
            const std::ptrdiff_t rank = pair.a.rows;
            segments[n++] = {{ds.data + (i - ds.begin) * rank, rank}, data(pair.a) + j, pair.a.stride, rank};
        }
        return n;
    }

    bool has_place(std::ptrdiff_t i, std::ptrdiff_t j, bool adding, Place& place) const override {
        return rows.has_place(i, j, adding, place);
    }
    void take(const Tile& tile) const override { rows.take(tile); }
};

template <class T>
class Backward {
public:
    Backward(pn_context& context, const pn_linear& op, const pn_linear_gradients& g)
        : context(context), op(op), g(g), rows(op.x.rows), inputs(op.x.columns), outputs(op.w.rows),
          du(data<T>(g.dy)), du_stride(g.dy.stride) {}

    void run() {
        if (rows == 0) return;
        output_side();
        left = left_rows(context, du, du_stride, rows, outputs);
        auto* ds = static_cast<LowRankProduct*>(
            context.workspace.bytes(sizeof(LowRankProduct) * static_cast<std::size_t>(op.low_rank_count)));
        for (int p = 0; p < op.low_rank_count; p++) ds[p] = inner_product(op.low_rank[p]);
        const auto take = [&](int p) { return LowRankSink<pairs>(op.low_rank[p], nullptr, own_rows(p, ds[p])); };
        if (present(g.dx) && !present(g.dinput_scale)) {
            StoreRows<T> to(data<T>(g.dx), g.dx.stride, g.accumulate_dx != 0);
            if (present(op.input_scale)) to.column_scale = data(op.input_scale);
            multiply_all(context, op, ds, take, input_product(), InputGradientSink<T>(op, ds, to));
        } else {
            for (int p = 0; p < op.low_rank_count; p++)
                if (!ds[p].is_absent()) multiply(context, ds[p].product, take(p));
            if (present(g.dinput_scale)) scaled_input_gradient();
        }
        for (int p = 0; p < op.low_rank_count; p++) {
            if (ds[p].is_absent()) continue;
            const float* rows = own_rows(p, ds[p]);
            pair_gradients(op.low_rank[p], rows);
            if (present(g.dx) && !joins_tiles(op, op.low_rank[p])) add_low_rank(op.low_rank[p], rows);
        }
        if (present(g.dw)) weight_gradient();
    }

private:
    static constexpr Words words = words_of<T>;
    static constexpr bool pairs = words == Words::pairs;

    // Gradients of bias and output scale, and dU = OutputScale * dY.
    void output_side() {
        const float* scale = present(op.output_scale) ? data(op.output_scale) : nullptr;
        if (present(g.doutput_scale))
            add_column_sums(context, rows, outputs, data(g.doutput_scale),
                            [&](std::ptrdiff_t m, std::ptrdiff_t c, int n) {
                                return load(row<T>(g.dy, m) + c, n) * load(row<T>(op.pre_scale, m) + c, n);
                            });
        if (scale != nullptr) {
            du = take_scratch(rows * outputs);
            du_stride = outputs;
            for_rows(context, rows, static_cast<double>(outputs), [&](std::ptrdiff_t m) {
                for_vectors(outputs, [&](std::ptrdiff_t c, int n) {
                    store(du + m * du_stride + c, load(row<T>(g.dy, m) + c, n) * load(scale + c, n), n);
                });
            });
        }
        if (!present(g.dbias)) return;
        const bool after = op.scale_before_bias != 0;
        const T* from = after ? data<T>(g.dy) : du;
        const std::ptrdiff_t stride = after ? g.dy.stride : du_stride;
        add_column_sums(context, rows, outputs, data(g.dbias),
                        [&](std::ptrdiff_t m, std::ptrdiff_t c, int n) { return load(from + m * stride + c, n); });
    }

    // dS of one pair.
    LowRankProduct inner_product(const pn_low_rank& pair) {
        const LowRankRows result = low_rank_rows(context, pair);
        if (result.data == nullptr) return {{}, result};
        const pn_tensor b = pairs ? split(context, pair.b, false) : pair.b;
        const Left from{left.data + pair.row_start * left.row, left.row};
        return {{pair.row_count, b.columns, outputs, from, right_rows(b), words}, result};
    }

    float* own_rows(int p, const LowRankProduct& ds) const {
        return ds.rows.data + (op.low_rank[p].row_start - ds.rows.begin) * op.low_rank[p].a.rows;
    }

    // Gradients of A and B.
    void pair_gradients(const pn_low_rank& pair, const float* ds) {
        const std::ptrdiff_t rank = pair.a.rows, first = pair.row_start, count = pair.row_count;
        const bool has_a = present(pair.grad_a), has_b = present(pair.grad_b);
        if (!has_a && !has_b) return;
        const float* st =
            has_b ? turned<float>(context, data(pair.s), pair.s.stride, count, rank, static_cast<float>(pair.scale))
                  : nullptr;
        const float* dst = has_a ? turned<float>(context, ds, rank, count, rank, 1.0f) : nullptr;
        const Product of_b{rank, outputs, count, {st, count}, {du + first * du_stride, pairs, du_stride, false}};
        const Product of_a{rank,
                           inputs,
                           count,
                           {dst, count},
                           pair.dropout.probability > 0 ? right_rows(pair.dropped_x) : right_rows(op.x, first)};
        const AddColumns to_b(data(pair.grad_b), pair.grad_b.stride, 1.0f);
        const StoreRows<float> to_a(data(pair.grad_a), pair.grad_a.stride, true);
        const double multiplications = (has_a ? of_a.multiplications() : 0) + (has_b ? of_b.multiplications() : 0);
        const std::ptrdiff_t floats = larger(share_floats(of_a, to_a), share_floats(of_b, to_b));
        run_shares(context, multiplications, floats, [&](int worker, int workers, float* scratch) {
            if (has_b) multiply_share(of_b, to_b, worker, workers, scratch);
            if (has_a) multiply_share(of_a, to_a, worker, workers, scratch);
        });
    }

    // With a gradient for the input scale the unscaled dU W is needed as a matrix.
    void scaled_input_gradient() {
        float* unscaled = context.workspace.floats(rows * inputs);
        multiply(context, input_product(), StoreRows<float>(unscaled, inputs, false));
        add_column_sums(context, rows, inputs, data(g.dinput_scale), [&](std::ptrdiff_t m, std::ptrdiff_t c, int n) {
            return load(row<T>(op.x, m) + c, n) * load(unscaled + m * inputs + c, n);
        });
        if (!present(g.dx)) return;
        for_rows(context, rows, static_cast<double>(inputs), [&](std::ptrdiff_t m) {
            T* to = row<T>(g.dx, m);
            for_vectors(inputs, [&](std::ptrdiff_t c, int n) {
                const F value = load(unscaled + m * inputs + c, n) * load(data(op.input_scale) + c, n);
                store(to + c, g.accumulate_dx ? load(to + c, n) + value : value, n);
            });
        });
    }

    // With codes for a weight the gradient becomes codes too, once it has taken up the scales of the weight's rows.
    Product input_product() {
        if (op.w.type != PN_INT8) return {rows, inputs, outputs, left, right_rows(op.w), words};
        const CodeRows codes = code_rows(context, du, du_stride, rows, outputs, data(op.w_maxima));
        return {rows, inputs, outputs, codes.left, right_rows(op.w), Words::quads, false, codes.scales};
    }

    // dX += drop'(dS A) for a pair that could not join the tiles.
    void add_low_rank(const pn_low_rank& pair, const float* ds) {
        const std::ptrdiff_t rank = pair.a.rows, count = pair.row_count;
        const Product product{count, inputs, rank, {ds, rank}, right_rows(pair.a)};
        pn_tensor dx = g.dx;
        dx.data = row<T>(g.dx, pair.row_start);
        dx.rows = pair.row_count;
        if (!(pair.dropout.probability > 0))
            return multiply(context, product, StoreRows<T>(data<T>(dx), dx.stride, true));
        pn_tensor masked{context.workspace.bytes(sizeof(T) * static_cast<std::size_t>(count * inputs)), dx.type,
                         pair.row_count, op.x.columns, op.x.columns};
        multiply(context, product, StoreRows<T>(data<T>(masked), inputs, false));
        drop_rows(context, masked, pair.dropout, true, dx);
    }

    void weight_gradient() {
        const float* dut = turned<T>(context, du, du_stride, rows, outputs, 1.0f);
        StoreRows<float> to(data(g.dw), g.dw.stride, true);
        if (present(op.input_scale)) to.column_scale = data(op.input_scale);
        multiply(context, {outputs, inputs, rows, {dut, ceil_div(rows, each(words))}, right_rows(op.x), words}, to);
    }

    // The caller's scratch serves as long as it lasts.
    T* take_scratch(std::ptrdiff_t count) {
        const std::ptrdiff_t size =
            present(g.scratch) ? static_cast<std::ptrdiff_t>(g.scratch.rows) * g.scratch.columns : 0;
        return count > size ? static_cast<T*>(context.workspace.bytes(sizeof(T) * static_cast<std::size_t>(count)))
                            : data<T>(g.scratch);
    }

    pn_context& context;
    const pn_linear& op;
    const pn_linear_gradients& g;
    const std::ptrdiff_t rows, inputs, outputs;
    T* du;
    std::ptrdiff_t du_stride;
    Left left{};
};

}  // namespace

void linear_backward(pn_context& context, const pn_linear& op, const pn_linear_gradients& gradients) {
    with_element(op.x, [&](auto e) { Backward<decltype(e)>(context, op, gradients).run(); });
}

}  // namespace pn::PN_ISA
