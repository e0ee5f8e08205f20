#include "gemm/product.h"
#include "ops/common.h"
#include "ops/ops.h"

namespace pn::PN_ISA {

namespace {

PN_INLINE void add_to(float* to, const float* from, F factor, std::ptrdiff_t count) {
    for_vectors(count, [&](std::ptrdiff_t c, int n) { store(to + c, fma(factor, load(from + c, n), load(to + c, n)), n); });
}

void embed_token(const pn_embedding& op, int token, float* y, const float* low_rank) {
    const F scale = set(static_cast<float>(op.token_scale));
    const float* table = row(op.table, token);
    for_vectors(op.y.columns, [&](std::ptrdiff_t c, int n) {
        F value = load(table + c, n);
        if (low_rank != nullptr) value += load(low_rank + c, n);
        store(y + c, value * scale, n);
    });
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
    float* bt = context.workspace.floats(rank * width);
    for (std::ptrdiff_t d = 0; d < width; d++)
        for (std::ptrdiff_t r = 0; r < rank; r++) bt[r * width + d] = row(op.b, d)[r];
    float* out = context.workspace.floats(rows * width);
    multiply(context, {rows, width, rank, {s, rank, panel_width}, {bt, panel_width, width}}, StoreRows(out, width, false));
    return out;
}

// dA[:, t] += G_i and dB += dY^T S with G = scale * dY B, over the rows of real tokens.
void low_rank_gradients(pn_context& context, const pn_embedding& op, const pn_embedding_gradients& g) {
    const std::ptrdiff_t rows = op.tokens.columns, rank = op.a.rows, width = op.y.columns;
    const double scale = op.low_rank_scale * op.token_scale;
    if (present(g.da)) {
        float* gradient = context.workspace.floats(rows * rank);
        StoreRows to(gradient, rank, false);
        to.scale = static_cast<float>(scale);
        multiply(context, {rows, rank, width, {data(g.dy), g.dy.stride, panel_width}, {data(op.b), panel_width, op.b.stride}}, to);
        for (std::ptrdiff_t i = 0; i < rows; i++) {
            const int token = ints(op.tokens)[i];
            for (std::ptrdiff_t r = 0; token >= 0 && r < rank; r++) row(g.da, r)[token] += gradient[i * rank + r];
        }
    }
    if (!present(g.db)) return;
    const float* s = gather_a(context, op, scale);
    float* st = context.workspace.floats(rank * rows);
    for (std::ptrdiff_t i = 0; i < rows; i++)
        for (std::ptrdiff_t r = 0; r < rank; r++) st[r * rows + i] = s[i * rank + r];
    multiply(context, {rank, width, rows, {st, rows, panel_width}, {data(g.dy), panel_width, g.dy.stride}},
             AddColumns(data(g.db), g.db.stride, 1.0f));
}

// The rows of the tables that input row i took part in get its gradient, for columns [begin, end).
void scatter(const pn_embedding& op, const pn_embedding_gradients& g, std::ptrdiff_t i, Range range) {
    const float* dy = row(g.dy, i) + range.begin;
    const std::ptrdiff_t count = range.end - range.begin;
    const auto add = [&](const pn_tensor& table, int index, double scale) {
        if (present(table)) add_to(row(table, index) + range.begin, dy, set(static_cast<float>(scale)), count);
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
    for_rows(context, op.tokens.columns, 3.0 * static_cast<double>(width), [&](std::ptrdiff_t i) {
        float* y = row(op.y, i);
        const int token = ints(op.tokens)[i];
        if (token < 0) std::memcpy(y, row(op.virtual_table, -1 - token), sizeof(float) * static_cast<std::size_t>(width));
        else embed_token(op, token, y, low_rank == nullptr ? nullptr : low_rank + i * width);
        if (present(op.position_table)) add_to(y, row(op.position_table, ints(op.positions)[i]), set(1.0f), width);
        if (present(op.type_table)) add_to(y, row(op.type_table, ints(op.types)[i]), set(1.0f), width);
    });
}

// Rows are added in order; each worker does so for a range of columns.
void embedding_backward(pn_context& context, const pn_embedding& op, const pn_embedding_gradients& g) {
    const std::ptrdiff_t rows = op.tokens.columns, width = g.dy.columns;
    const int workers = context.workers(static_cast<double>(rows) * static_cast<double>(width));
    context.pool.run(workers, [&](int worker) {
        const Range range = part_of(width, worker, workers, 16);
        for (std::ptrdiff_t i = 0; i < rows; i++) scatter(op, g, i, range);
    });
    if (present(op.a)) low_rank_gradients(context, op, g);
}

}  // namespace pn::PN_ISA
