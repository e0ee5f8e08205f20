#include "ops/linear.h"
#include "ops/ops.h"

namespace pn::PN_ISA {

namespace {

// Up to W elements of a row of a table of either type.
PN_INLINE F load_row(const pn_tensor& table, int index, std::ptrdiff_t c, int n) {
    return table.type == PN_BFLOAT16 ? load(row<bf16>(table, index) + c, n) : load(row(table, index) + c, n);
}

// S [rows, rank]: column t of A for each row's token t, zeros for virtual tokens.
float* gather_a(pn_context& context, const pn_embedding& op, double scale) {
    const std::ptrdiff_t rows = op.tokens.columns, rank = op.a.rows;
    float* s = context.workspace.floats(rows * rank);
    for (std::ptrdiff_t i = 0; i < rows; i++) {
        const int token = ints(op.tokens)[i];
        for (std::ptrdiff_t r = 0; r < rank; r++)
            s[i * rank + r] = token < 0 ? 0.0f : static_cast<float>(scale) * row(op.a, r)[token];
    }
    return s;
}

// scale * S B^T [rows, D].
float* low_rank_rows(pn_context& context, const pn_embedding& op) {
    const std::ptrdiff_t rows = op.tokens.columns, rank = op.a.rows, width = op.y.columns;
    const float* s = gather_a(context, op, op.low_rank_scale);
    float* out = context.workspace.floats(rows * width);
    multiply(context, {rows, width, rank, {s, rank}, right_columns(op.b)}, StoreRows<float>(out, width, false));
    return out;
}

template <class T>
void embed(const pn_embedding& op, std::ptrdiff_t i, const float* low_rank) {
    const F scale = set(static_cast<float>(op.token_scale));
    const int token = ints(op.tokens)[i];
    for_vectors(op.y.columns, [&](std::ptrdiff_t c, int n) {
        F value;
        if (token < 0) {
            value = load(row(op.virtual_table, -1 - token) + c, n);
        } else {
            value = load_row(op.table, token, c, n);
            if (low_rank != nullptr) value += load(low_rank + c, n);
            value = value * scale;
        }
        if (present(op.position_table)) value += load_row(op.position_table, ints(op.positions)[i], c, n);
        if (present(op.type_table)) value += load_row(op.type_table, ints(op.types)[i], c, n);
        store(row<T>(op.y, i) + c, value, n);
    });
}

// dA[:, t] += G_i and dB += dY^T S with G = scale * dY B, over the rows of real tokens.
template <class T>
void low_rank_gradients(pn_context& context, const pn_embedding& op, const pn_embedding_gradients& g) {
    const std::ptrdiff_t rows = op.tokens.columns, rank = op.a.rows, width = op.y.columns;
    const double scale = op.low_rank_scale * op.token_scale;
    if (present(g.da)) {
        float* gradient = context.workspace.floats(rows * rank);
        StoreRows<float> to(gradient, rank, false);
        to.scale = static_cast<float>(scale);
        const Left dy = left_rows(context, data<T>(g.dy), g.dy.stride, rows, width);
        multiply(context, {rows, rank, width, dy, right_rows(op.b), words_of<T>}, to);
        for (std::ptrdiff_t i = 0; i < rows; i++) {
            const int token = ints(op.tokens)[i];
            for (std::ptrdiff_t r = 0; token >= 0 && r < rank; r++) row(g.da, r)[token] += gradient[i * rank + r];
        }
    }
    if (!present(g.db)) return;
    const float* st = turned<float>(context, gather_a(context, op, scale), rank, rows, rank, 1.0f);
    multiply(context, {rank, width, rows, {st, rows}, right_rows(g.dy)}, AddColumns(data(g.db), g.db.stride, 1.0f));
}

// The rows of the tables that input row i took part in get its gradient, for columns [begin, end).
template <class T>
void scatter(const pn_embedding& op, const pn_embedding_gradients& g, std::ptrdiff_t i, Range range) {
    const T* dy = row<T>(g.dy, i) + range.begin;
    const auto add = [&](const pn_tensor& table, int index, double scale) {
        if (!present(table)) return;
        float* to = row(table, index) + range.begin;
        const F factor = set(static_cast<float>(scale));
        for_vectors(range.end - range.begin,
                    [&](std::ptrdiff_t c, int n) { store(to + c, fma(factor, load(dy + c, n), load(to + c, n)), n); });
    };
    const int token = ints(op.tokens)[i];
    if (token >= 0) add(g.dtable, token, op.token_scale);
    else add(g.dvirtual_table, -1 - token, 1);
    if (present(op.position_table)) add(g.dposition_table, ints(op.positions)[i], 1);
    if (present(op.type_table)) add(g.dtype_table, ints(op.types)[i], 1);
}

}  // namespace

void embedding_forward(pn_context& context, const pn_embedding& op) {
    const float* low_rank = present(op.a) ? low_rank_rows(context, op) : nullptr;
    const std::ptrdiff_t width = op.y.columns;
    with_element(op.y, [&](auto e) {
        for_rows(context, op.tokens.columns, 3.0 * static_cast<double>(width), [&](std::ptrdiff_t i) {
            embed<decltype(e)>(op, i, low_rank == nullptr ? nullptr : low_rank + i * width);
        });
    });
}

// Rows are added in order; each worker does so for a range of columns.
void embedding_backward(pn_context& context, const pn_embedding& op, const pn_embedding_gradients& g) {
    const std::ptrdiff_t rows = op.tokens.columns, width = g.dy.columns;
    const int workers = context.workers(static_cast<double>(rows) * static_cast<double>(width));
    with_element(g.dy, [&](auto e) {
        using T = decltype(e);
        context.pool.run(workers, [&](int worker) {
            const Range range = part_of(width, worker, workers, 16);
            for (std::ptrdiff_t i = 0; i < rows; i++) scatter<T>(op, g, i, range);
        });
        if (present(op.a)) low_rank_gradients<T>(context, op, g);
    });
}

}  // namespace pn::PN_ISA
