// Forward of a linear layer. Rows of X are broadcast against panels of the weight, which
// are cut from it block by block, so that one dense copy of a weight serves both
// directions; the low-rank pairs are further steps of the same tiles: Y is written once.
#include "ops/dropout.h"
#include "ops/few_rows.h"
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

    bool has_place(std::ptrdiff_t i, std::ptrdiff_t j, bool adding, Place& place) const override {
        if constexpr (sizeof(T) == sizeof(float)) {
            const bool residual = present(op.residual);
            if (is_scaled() || (residual && !adding)) return false;
            place = {row(op.y, i) + j, op.y.stride, residual ? row(op.residual, i) + j : nullptr, op.residual.stride};
            return true;
        }
        return false;
    }

    void take(const Tile& t) const override {
        if (is_scaled()) return take_scaled(t);
        T* y = row<T>(op.y, t.i) + t.j;
        const T* residual = present(op.residual) ? row<T>(op.residual, t.i) + t.j : nullptr;
        const float* from = t.sums;
        const std::ptrdiff_t stride = op.y.stride, residual_stride = op.residual.stride;
        for (int r = 0; r < t.rows; r++, from += tile_columns, y += stride) {
            if (residual == nullptr) {
                for_vectors(t.columns, [&](std::ptrdiff_t c, int n) { store(y + c, load(from + c), n); });
                continue;
            }
            for_vectors(t.columns,
                        [&](std::ptrdiff_t c, int n) { store(y + c, load(from + c) + load(residual + c, n), n); });
            residual += residual_stride;
        }
    }

    bool is_scaled() const { return present(op.bias) || present(op.output_scale) || present(op.pre_scale); }

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
        if (op.x.rows <= few_rows && (op.w.type != PN_INT8 || lies_in_words(op.w, 4))) return few(down);
        auto* up = static_cast<const float**>(context.workspace.bytes(sizeof(float*) * count));
        for (int p = 0; p < op.low_rank_count; p++) {
            down[p] = down_product(op.low_rank[p]);
            up[p] = down[p].is_absent() ? nullptr : up_rows(op.low_rank[p].b);
        }
        const auto take = [&](int p) {
            const pn_low_rank& pair = op.low_rank[p];
            return LowRankSink<pairs>(pair, data(pair.s), first_row(pair, down[p].rows));
        };
        const OutputSink<T> sink(op, down, up);
        if (op.w.type == PN_INT8) return multiply_all(context, op, down, take, product_of_codes(), sink);
        const Left left = present(op.input_scale)
                              ? scaled_rows()
                              : left_rows(context, data<T>(op.x), op.x.stride, op.x.rows, op.x.columns);
        multiply_all(context, op, down, take, {op.x.rows, op.w.rows, op.x.columns, left, right_columns(op.w), words},
                     sink);
    }

private:
    static constexpr Words words = words_of<T>;
    static constexpr bool pairs = words == Words::pairs;

    // Whether every row consists of whole words of so many elements.
    static bool lies_in_words(const pn_tensor& w, int each) {
        return (w.columns | w.stride) % each == 0 && reinterpret_cast<std::uintptr_t>(w.data) % sizeof(float) == 0;
    }

    Product product_of_codes() {
        const float* factor = present(op.input_scale) ? data(op.input_scale) : nullptr;
        CodeRows x = code_rows(context, data<T>(op.x), op.x.stride, op.x.rows, op.x.columns, factor);
        x.scales.columns = data(op.w_maxima);
        return {op.x.rows, op.w.rows, op.x.columns, x.left, right_columns(op.w), Words::quads, false, x.scales};
    }

    // Y of a few rows.
    void few(LowRankProduct* down) {
        for (int p = 0; p < op.low_rank_count; p++) down[p] = {{}, few_down(op.low_rank[p])};
        const OutputSink<T> sink(op, down, nullptr);
        const auto finish = [&](const Tile& tile) {
            for (int p = 0; p < op.low_rank_count; p++)
                if (!down[p].is_absent()) add_pair(op.low_rank[p], down[p].rows, tile);
            sink.take(tile);
        };
        if (op.w.type == PN_INT8) return few_codes(product_of_codes(), finish);
        if (pairs && op.w.type == PN_BFLOAT16 && lies_in_words(op.w, 2))
            return for_strips<bf16, true>(context, reinterpret_cast<float*>(scaled<T>()), op.x.rows, op.w, finish);
        with_element(
            op.w, [&](auto e) { for_strips<decltype(e), false>(context, scaled<float>(), op.x.rows, op.w, finish); });
    }

    // Of codes that lie in whole words, some rows of the weight at a time.
    template <class Body>
    void few_codes(const Product& codes, const Body& body) {
        constexpr int at_once = 4;
        const std::ptrdiff_t outputs = op.w.rows;
        const int workers =
            context.workers(context.from_memory * static_cast<double>(op.x.columns) * static_cast<double>(outputs));
        context.pool.run(workers, [&](int worker) {
            const Range range = part_of(outputs, worker, workers, 16);
            alignas(64) float sums[few_rows * tile_columns];
            for (std::ptrdiff_t j = range.begin; j < range.end; j += at_once) {
                const int count = static_cast<int>(smaller<std::ptrdiff_t>(at_once, range.end - j));
                for (int m = 0; m < op.x.rows; m++) dots_of_codes<at_once>(codes, m, j, count, sums + m * tile_columns);
                body(Tile{sums, 0, j, op.x.rows, count});
            }
        });
    }

    template <int AtOnce>
    void dots_of_codes(const Product& codes, int m, std::ptrdiff_t j, int count, float* out) const {
        const float* x = codes.left.data + m * codes.left.row;
        const float* w[AtOnce];
        F total[AtOnce];
        for (int r = 0; r < AtOnce; r++) {
            w[r] = reinterpret_cast<const float*>(row<std::int8_t>(op.w, j + smaller(r, count - 1)));
            total[r] = zero();
        }
        for_vectors(codes.steps / 4, [&](std::ptrdiff_t c, int n) {
            const F value = load(x + c, n);
            PN_UNROLL
            for (int r = 0; r < AtOnce; r++) {
                prefetch(w[r] + AtOnce * (op.w.stride / 4) + c, true);
                total[r] = dot_quads(value, load(w[r] + c, n), total[r]);
            }
        });
        for (int r = 0; r < count; r++) {
            const auto whole = static_cast<float>(sum_whole(total[r]) - quad_offset * codes.scales.left_sums[m]);
            out[r] = whole * codes.scales.rows[m] * codes.scales.columns[j + r];
        }
    }

    LowRankRows few_down(const pn_low_rank& pair) {
        const LowRankRows rows = low_rank_rows(context, pair);
        if (rows.data == nullptr) return rows;
        const auto [x, stride] = dropped(pair);
        float* wide = context.workspace.floats(pair.row_count * op.x.columns);
        copy_rows(x, stride, pair.row_count, op.x.columns, wide, op.x.columns);
        const LowRankSink<false> sink(pair, data(pair.s), first_row(pair, rows));
        for_strips<float, false>(context, wide, pair.row_count, pair.a, [&](const Tile& tile) { sink.take(tile); });
        return rows;
    }

    static void add_pair(const pn_low_rank& pair, const LowRankRows& rows, const Tile& tile) {
        const Range range{tile.j, tile.j + tile.columns};
        FewRows<float, false, 1>(rows.data, tile.rows, pair.b).run(range, [&](const Tile& more) {
            float* to = tile.sums + more.j - tile.j;
            for (int i = 0; i < more.rows * tile_columns; i += tile_columns)
                for (int c = 0; c < more.columns; c++) to[i + c] += more.sums[i + c];
        });
    }

    static float* first_row(const pn_low_rank& pair, const LowRankRows& rows) {
        return rows.data + (pair.row_start - rows.begin) * pair.a.rows;
    }

    struct Rows {
        const T* x;
        std::ptrdiff_t stride;
    };

    // What a pair works on: its rows of X or their dropped copy.
    Rows dropped(const pn_low_rank& pair) {
        if (pair.dropout.probability == 0) return {row<T>(op.x, pair.row_start), op.x.stride};
        pn_tensor part = op.x;
        part.data = row<T>(op.x, pair.row_start);
        part.rows = pair.row_count;
        drop_rows(context, part, pair.dropout, false, pair.dropped_x);
        return {data<T>(pair.dropped_x), pair.dropped_x.stride};
    }

    // S of one pair, from X or from its dropped copy.
    LowRankProduct down_product(const pn_low_rank& pair) {
        const LowRankRows rows = low_rank_rows(context, pair);
        if (rows.data == nullptr) return {{}, rows};
        const auto [x, stride] = dropped(pair);
        const Left left = left_rows(context, x, stride, pair.row_count, op.x.columns);
        const pn_tensor a = pairs ? split(context, pair.a, true) : pair.a;
        return {{pair.row_count, a.rows, op.x.columns, left, right_columns(a), words}, rows};
    }

    const float* up_rows(const pn_tensor& b) {
        const std::ptrdiff_t units = ceil_div<std::ptrdiff_t>(b.rows, panel_unit), stride = up_stride(b);
        float* out = context.workspace.floats(b.columns * stride);
        for_rows(context, units, 2.0 * b.columns * panel_unit, [&](std::ptrdiff_t unit) {
            const std::ptrdiff_t first = unit * panel_unit;
            transpose(row(b, first), b.stride, smaller<std::ptrdiff_t>(panel_unit, b.rows - first), b.columns, 1.0f,
                      out + first, stride);
        });
        return out;
    }

    // The rows of X, scaled where they are to be, one after the other.
    template <class U>
    U* scaled() {
        const std::ptrdiff_t width = op.x.columns;
        auto* rows = static_cast<U*>(context.workspace.bytes(sizeof(U) * static_cast<std::size_t>(op.x.rows * width)));
        for (int m = 0; m < op.x.rows; m++)
            for_vectors(width, [&](std::ptrdiff_t c, int n) {
                F value = load(row<T>(op.x, m) + c, n);
                if (present(op.input_scale)) value = value * load(data(op.input_scale) + c, n);
                store(rows + m * width + c, value, n);
            });
        return rows;
    }

    Left scaled_rows() {
        const std::ptrdiff_t width = op.x.columns, stride = ceil_div<std::ptrdiff_t>(width, 2) * 2;
        auto* scaled =
            static_cast<T*>(context.workspace.bytes(sizeof(T) * static_cast<std::size_t>(op.x.rows * stride)));
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
