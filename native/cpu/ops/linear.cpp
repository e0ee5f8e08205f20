// Forward of a linear layer. Rows of X are broadcast against panels of the weight, which are cut from it block by block, so that
// one dense copy of a weight serves both directions; the low-rank pairs are further steps of the same tiles: Y is written once.
#include "ops/dropout.h"
#include "ops/linear.h"
#include "ops/ops.h"

namespace pn::PN_ISA {

namespace {

// Not a multiple of a page, so that rows fall into different sets of the caches.
std::ptrdiff_t up_stride(const pn_tensor& b) { return (ceil_div<std::ptrdiff_t>(b.rows, panel_unit) + 1) * panel_unit; }

// Y = OutputScale * (U + Bias) + Residual and its variants.
template <class T>
struct OutputSink final : Sink {
    const pn_linear& op;
    const LowRankProduct* down;
    const float* const* up;  // each pair's B, turned: row c at up_stride() * c

    OutputSink(const pn_linear& op, const LowRankProduct* down, const float* const* up) : op(op), down(down), up(up) {}

    int most_extra() const override { return op.low_rank_count; }

    int extra_segments(std::ptrdiff_t i, std::ptrdiff_t j, int count, int, Segment* segments) const override {
        int n = 0;
        for (int p = 0; p < op.low_rank_count; p++) {
            const LowRankRows& rows = down[p].rows;
            if (!touches(rows, i, count)) continue;
            const std::ptrdiff_t rank = op.low_rank[p].a.rows;
            segments[n++] = {{rows.data + (i - rows.begin) * rank, rank}, up[p] + j, up_stride(op.low_rank[p].b), rank};
        }
        return n;
    }

    void take(const Tile& t) const override {
        if (present(op.bias) || present(op.output_scale) || present(op.pre_scale)) return take_scaled(t);
        T* y = row<T>(op.y, t.i) + t.j;
        const T* residual = present(op.residual) ? row<T>(op.residual, t.i) + t.j : nullptr;
        const float* from = t.sums;
        const std::ptrdiff_t stride = op.y.stride, residual_stride = op.residual.stride;
        for (int r = 0; r < t.rows; r++, from += tile_columns, y += stride) {
            if (residual == nullptr) {
                for_vectors(t.columns, [&](std::ptrdiff_t c, int n) { store(y + c, load(from + c), n); });
                continue;
            }
            for_vectors(t.columns, [&](std::ptrdiff_t c, int n) { store(y + c, load(from + c) + load(residual + c, n), n); });
            residual += residual_stride;
        }
    }

    void take_scaled(const Tile& t) const {
        const bool scaled = present(op.output_scale), biased = present(op.bias), later = op.scale_before_bias != 0;
        for (int r = 0; r < t.rows; r++) {
            const std::ptrdiff_t m = t.i + r;
            for_vectors(t.columns, [&](std::ptrdiff_t c, int n) {
                const std::ptrdiff_t j = t.j + c;
                F u = load(t.sums + r * tile_columns + c);
                if (biased && !later) u += load(data(op.bias) + j, n);
                if (present(op.pre_scale)) store(row<T>(op.pre_scale, m) + j, u, n);
                if (scaled) u = u * load(data(op.output_scale) + j, n);
                if (biased && later) u += load(data(op.bias) + j, n);
                if (present(op.residual)) u += load(row<T>(op.residual, m) + j, n);
                store(row<T>(op.y, m) + j, u, n);
            });
        }
    }
};

template <class T>
class Forward {
public:
    Forward(pn_context& context, const pn_linear& op) : context(context), op(op) {}

    void run() {
        const auto count = static_cast<std::size_t>(op.low_rank_count);
        auto* down = static_cast<LowRankProduct*>(context.workspace.bytes(sizeof(LowRankProduct) * count));
        auto* up = static_cast<const float**>(context.workspace.bytes(sizeof(float*) * count));
        for (int p = 0; p < op.low_rank_count; p++) {
            down[p] = down_product(op.low_rank[p]);
            up[p] = down[p].is_absent() ? nullptr : up_rows(op.low_rank[p].b);
        }
        const auto take = [&](int p) {
            const pn_low_rank& pair = op.low_rank[p];
            return LowRankSink<pairs>(pair, data(pair.s), down[p].rows.data + (pair.row_start - down[p].rows.begin) * pair.a.rows);
        };
        const OutputSink<T> sink(op, down, up);
        if (op.x.rows <= few) {
            for (int p = 0; p < op.low_rank_count; p++)
                if (!down[p].is_absent()) multiply(context, down[p].product, take(p));
            if (op.w.type != PN_INT8) return with_element(op.w, [&](auto e) { dots<decltype(e)>(sink, down); });
            const bool whole = (op.x.columns | op.w.stride) % 4 == 0 && reinterpret_cast<std::uintptr_t>(op.w.data) % sizeof(float) == 0;
            return whole ? dots_of_codes(product_of_codes(), sink, down) : multiply(context, product_of_codes(), sink);
        }
        if (op.w.type == PN_INT8) return multiply_all(context, op, down, take, product_of_codes(), sink);
        const Left left = present(op.input_scale) ? scaled_rows() : left_rows(context, data<T>(op.x), op.x.stride, op.x.rows, op.x.columns);
        multiply_all(context, op, down, take, {op.x.rows, op.w.rows, op.x.columns, left, right_columns(op.w), words}, sink);
    }

private:
    static constexpr Words words = words_of<T>;
    static constexpr bool pairs = words == Words::pairs;
    static constexpr int few = 4;      // rows of X that do not pay for panels of the weight
    static constexpr int at_once = 4;  // rows of W
    static constexpr int beside = 2;   // rows of X

    Product product_of_codes() {
        const float* factor = present(op.input_scale) ? data(op.input_scale) : nullptr;
        CodeRows x = code_rows(context, data<T>(op.x), op.x.stride, op.x.rows, op.x.columns, factor);
        x.scales.columns = data(op.w_maxima);
        return {op.x.rows, op.w.rows, op.x.columns, x.left, right_columns(op.w), Words::quads, false, x.scales};
    }

    // Y of a few rows: the weight is read once, as it lies, by as many threads as there are.
    template <class U>
    void dots(const OutputSink<T>& sink, const LowRankProduct* down) {
        const std::ptrdiff_t width = op.x.columns;
        float* x = context.workspace.floats(few * width);
        copy_rows(data<T>(op.x), op.x.stride, op.x.rows, width, x);
        if (present(op.input_scale))
            for (int m = 0; m < op.x.rows; m++)
                for_vectors(width, [&](std::ptrdiff_t c, int n) {
                    store(x + m * width + c, load(x + m * width + c, n) * load(data(op.input_scale) + c, n), n);
                });
        for_outputs(sink, down, [&](std::ptrdiff_t j, int count, float* sums) {
            for (int m = 0; m < op.x.rows; m += beside) {
                if (op.x.rows - m >= beside) dot<U, beside>(x + m * width, j, count, sums + m * tile_columns);
                else dot<U, 1>(x + m * width, j, count, sums + m * tile_columns);
            }
        });
    }

    // The same of codes, which lie in whole words.
    void dots_of_codes(const Product& codes, const OutputSink<T>& sink, const LowRankProduct* down) {
        for_outputs(sink, down, [&](std::ptrdiff_t j, int count, float* sums) {
            for (int m = 0; m < op.x.rows; m++) {
                const float* x = codes.left.data + m * codes.left.row;
                const float* w[at_once];
                F total[at_once];
                for (int r = 0; r < at_once; r++) {
                    w[r] = reinterpret_cast<const float*>(row<std::int8_t>(op.w, j + smaller(r, count - 1)));
                    total[r] = zero();
                }
                for_vectors(codes.steps / 4, [&](std::ptrdiff_t c, int n) {
                    const F value = load(x + c, n);
                    PN_UNROLL
                    for (int r = 0; r < at_once; r++) {
                        prefetch(w[r] + at_once * (op.w.stride / 4) + c, true);
                        total[r] = dot_quads(value, load(w[r] + c, n), total[r]);
                    }
                });
                for (int r = 0; r < count; r++) {
                    const auto whole = static_cast<float>(sum_whole(total[r]) - quad_offset * codes.scales.left_sums[m]);
                    sums[m * tile_columns + r] = whole * codes.scales.rows[m] * codes.scales.columns[j + r];
                }
            }
        });
    }

    // Runs body(j, count, sums) for a few outputs at a time, adds the low-rank pairs to its sums and gives them to the sink.
    template <class Body>
    void for_outputs(const OutputSink<T>& sink, const LowRankProduct* down, Body&& body) {
        const std::ptrdiff_t outputs = op.w.rows;
        const int workers = context.workers(static_cast<double>(op.x.columns) * static_cast<double>(outputs) / 4);
        context.pool.run(workers, [&](int worker) {
            const Range range = part_of(outputs, worker, workers, 16);
            alignas(64) float sums[few * tile_columns];
            for (std::ptrdiff_t j = range.begin; j < range.end; j += at_once) {
                const int count = static_cast<int>(smaller<std::ptrdiff_t>(at_once, range.end - j));
                body(j, count, sums);
                for (int m = 0; m < op.x.rows; m++) {
                    for (int p = 0; p < op.low_rank_count; p++) add_pair(op.low_rank[p], down[p].rows, m, j, count, sums + m * tile_columns);
                }
                sink.take({sums, 0, j, op.x.rows, count});
            }
        });
    }

    // M rows of X by at_once rows of W. The rows of W that come next are asked for meanwhile: they are too short for the hardware to follow.
    template <class U, int M>
    void dot(const float* x, std::ptrdiff_t j, int count, float* out) const {
        const std::ptrdiff_t width = op.x.columns, next = at_once * static_cast<std::ptrdiff_t>(op.w.stride);
        const U* w[at_once];
        F total[M][at_once];
        for (int r = 0; r < at_once; r++) {
            w[r] = row<U>(op.w, j + smaller(r, count - 1));
            for (int m = 0; m < M; m++) total[m][r] = zero();
        }
        for_vectors(width, [&](std::ptrdiff_t c, int n) {
            F v[M];
            PN_UNROLL
            for (int m = 0; m < M; m++) v[m] = load(x + m * width + c, n);
            PN_UNROLL
            for (int r = 0; r < at_once; r++) {
                prefetch(w[r] + next + c, true);
                const F weight = load(w[r] + c, n);
                PN_UNROLL
                for (int m = 0; m < M; m++) total[m][r] = fma(weight, v[m], total[m][r]);
            }
        });
        for (int m = 0; m < M; m++)
            for (int r = 0; r < count; r++) out[m * tile_columns + r] = sum(total[m][r]);
    }

    static void add_pair(const pn_low_rank& pair, const LowRankRows& rows, std::ptrdiff_t m, std::ptrdiff_t j, int count, float* out) {
        if (!touches(rows, m, 1)) return;
        const float* s = rows.data + (m - rows.begin) * pair.a.rows;
        for (int r = 0; r < count; r++) {
            const float* b = row(pair.b, j + r);
            for (int c = 0; c < pair.a.rows; c++) out[r] += s[c] * b[c];
        }
    }

    // S of one pair, from X or from its dropped copy.
    LowRankProduct down_product(const pn_low_rank& pair) {
        const LowRankRows rows = low_rank_rows(context, pair);
        if (rows.data == nullptr) return {{}, rows};
        const T* x = row<T>(op.x, pair.row_start);
        std::ptrdiff_t stride = op.x.stride;
        if (pair.dropout.probability > 0) {
            pn_tensor part = op.x;
            part.data = row<T>(op.x, pair.row_start);
            part.rows = pair.row_count;
            drop_rows(context, part, pair.dropout, false, pair.dropped_x);
            x = data<T>(pair.dropped_x);
            stride = pair.dropped_x.stride;
        }
        const Left left = left_rows(context, x, stride, pair.row_count, op.x.columns);
        const pn_tensor a = pairs ? split(context, pair.a, true) : pair.a;
        return {{pair.row_count, a.rows, op.x.columns, left, right_columns(a), words}, rows};
    }

    const float* up_rows(const pn_tensor& b) {
        const std::ptrdiff_t units = ceil_div<std::ptrdiff_t>(b.rows, panel_unit), stride = up_stride(b);
        float* out = context.workspace.floats(b.columns * stride);
        for_rows(context, units, 2.0 * b.columns * panel_unit, [&](std::ptrdiff_t unit) {
            const std::ptrdiff_t first = unit * panel_unit;
            transpose(row(b, first), b.stride, smaller<std::ptrdiff_t>(panel_unit, b.rows - first), b.columns, 1.0f, out + first, stride);
        });
        return out;
    }

    Left scaled_rows() {
        const std::ptrdiff_t width = op.x.columns, stride = ceil_div<std::ptrdiff_t>(width, 2) * 2;
        auto* scaled = static_cast<T*>(context.workspace.bytes(sizeof(T) * static_cast<std::size_t>(op.x.rows * stride)));
        for_rows(context, op.x.rows, static_cast<double>(width), [&](std::ptrdiff_t m) {
            scaled[m * stride + stride - 1] = T{};
            for_vectors(width, [&](std::ptrdiff_t c, int n) {
                store(scaled + m * stride + c, load(row<T>(op.x, m) + c, n) * load(data(op.input_scale) + c, n), n);
            });
        });
        return {reinterpret_cast<const float*>(scaled), pairs ? stride / 2 : stride};
    }

    pn_context& context;
    const pn_linear& op;
};

}  // namespace

void linear_forward(pn_context& context, const pn_linear& op) {
    if (op.x.rows == 0 || op.w.rows == 0) return;
    with_element(op.x, [&](auto e) { Forward<decltype(e)>(context, op).run(); });
}

}  // namespace pn::PN_ISA
