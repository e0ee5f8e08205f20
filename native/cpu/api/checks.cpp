#include "api/checks.h"

#include "core/context.h"
#include "core/error.h"
#include "shared/block_values.h"

namespace pn {

namespace {

constexpr int any_size = -1;
constexpr int any_real = -1;  // fp32 or bf16
constexpr int most_codes = 1 << 17;

// Checks the operands of one operation.
class Checker {
public:
    explicit Checker(const char* operation) : operation(operation) {}

    void needed(const char* name, const pn_tensor& t, int rows, int columns, int type = PN_FLOAT32) const {
        if (t.data == nullptr && (t.rows == 0 || t.columns == 0) && (rows == 0 || columns == 0)) return;
        if (t.data == nullptr) fail(PN_INVALID_ARGUMENT, "%s: %s is absent", operation, name);
        shape(name, t, rows, columns, type);
    }

    void optional(const char* name, const pn_tensor& t, int rows, int columns, int type = PN_FLOAT32) const {
        if (t.data != nullptr) shape(name, t, rows, columns, type);
    }

    // Every element of an int32 row in [low, high).
    void indices(const char* name, const pn_tensor& t, int low, int high) const {
        const auto* values = static_cast<const int*>(t.data);
        for (int i = 0; i < t.columns; i++)
            if (values[i] < low || values[i] >= high)
                fail(PN_INVALID_DATA, "%s: %s[%d] is %d, outside [%d, %d)", operation, name, i, values[i], low, high);
    }

    // A matrix whose type the other activations of the record share.
    void activation(const char* name, const pn_tensor& t, int rows, int columns) const {
        needed(name, t, rows, columns, any_real);
    }

    void that(bool condition, const char* what) const {
        if (!condition) fail(PN_INVALID_ARGUMENT, "%s: %s", operation, what);
    }

private:
    void shape(const char* name, const pn_tensor& t, int rows, int columns, int type) const {
        const bool is_real = t.type == PN_FLOAT32 || t.type == PN_BFLOAT16;
        if (type == any_real ? !is_real : t.type != type)
            fail(PN_UNSUPPORTED, "%s: %s has element type %d, expected %d", operation, name, t.type, type);
        const bool fits = (rows == any_size || t.rows == rows) && (columns == any_size || t.columns == columns);
        if (!fits || t.rows < 0 || t.columns < 0 || (t.rows > 1 && t.stride < t.columns))
            fail(PN_INVALID_ARGUMENT, "%s: %s is [%d, %d] with stride %d, expected [%d, %d]", operation, name, t.rows,
                 t.columns, t.stride, rows, columns);
    }

    const char* operation;
};

bool present(const pn_tensor& t) { return t.data != nullptr; }

void check_pair(const Checker& c, const pn_linear& op, const pn_low_rank& pair, bool backward) {
    const int rank = pair.a.rows;
    c.needed("A", pair.a, rank, op.x.columns);
    c.needed("B", pair.b, op.w.rows, rank);
    c.that(pair.row_start >= 0 && pair.row_count >= 0 && pair.row_count <= op.x.rows - pair.row_start,
           "the rows of a low-rank pair are outside of X");
    if (backward) c.needed("S", pair.s, pair.row_count, rank);
    else c.optional("S", pair.s, pair.row_count, rank);
    c.that(pair.dropout.probability >= 0 && pair.dropout.probability < 1, "the dropout probability is outside [0, 1)");
    if (pair.dropout.probability > 0) c.needed("DroppedX", pair.dropped_x, pair.row_count, op.x.columns, op.x.type);
    if (!backward) return;
    c.optional("GradA", pair.grad_a, rank, op.x.columns);
    c.optional("GradB", pair.grad_b, op.w.rows, rank);
}

void check_linear(const Checker& c, const pn_linear& op, bool backward) {
    const int rows = op.x.rows, inputs = op.x.columns, outputs = op.w.rows;
    c.activation("X", op.x, rows, inputs);
    if (op.w.type == PN_INT8) {
        c.needed("W", op.w, outputs, inputs, PN_INT8);
        c.needed("WMaxima", op.w_maxima, 1, outputs);
        c.that(inputs <= most_codes && outputs <= most_codes,
               "sums of products of codes fit into 32 bits for up to 131072 of them");
    } else {
        c.needed("W", op.w, outputs, inputs, any_real);
    }
    c.optional("Bias", op.bias, 1, outputs);
    c.optional("InputScale", op.input_scale, 1, inputs);
    c.optional("OutputScale", op.output_scale, 1, outputs);
    c.optional("PreScale", op.pre_scale, rows, outputs, op.x.type);
    c.optional("Residual", op.residual, rows, outputs, op.x.type);
    c.that(op.low_rank_count >= 0 && (op.low_rank_count == 0 || op.low_rank != nullptr),
           "the low-rank pairs are absent");
    for (int p = 0; p < op.low_rank_count; p++) check_pair(c, op, op.low_rank[p], backward);
}

void check_embedding(const Checker& c, const pn_embedding& op, int width) {
    const int rows = op.tokens.columns;
    c.needed("Tokens", op.tokens, 1, rows, PN_INT32);
    c.needed("Table", op.table, any_size, width, any_real);
    c.optional("Virtual", op.virtual_table, any_size, width);
    c.indices("Tokens", op.tokens, present(op.virtual_table) ? -op.virtual_table.rows : 0, op.table.rows);
    c.optional("PositionTable", op.position_table, any_size, width, any_real);
    c.optional("TypeTable", op.type_table, any_size, width, any_real);
    if (present(op.position_table)) {
        c.needed("Positions", op.positions, 1, rows, PN_INT32);
        c.indices("Positions", op.positions, 0, op.position_table.rows);
    }
    if (present(op.type_table)) {
        c.needed("Types", op.types, 1, rows, PN_INT32);
        c.indices("Types", op.types, 0, op.type_table.rows);
    }
    if (!present(op.a)) return;
    c.needed("A", op.a, any_size, op.table.rows);
    c.needed("B", op.b, width, op.a.rows);
}

void check_norm(const Checker& c, const pn_norm& op) {
    const int rows = op.x.rows, columns = op.x.columns;
    c.activation("X", op.x, rows, columns);
    c.that(op.groups > 0 && columns % op.groups == 0, "the groups do not divide the columns");
    c.that(op.kind == 0 || op.kind == 1, "the kind of norm is unknown");
    c.needed("Gamma", op.gamma, 1, columns / op.groups);
    c.optional("Beta", op.beta, 1, columns / op.groups);
    c.optional("Mean", op.mean, rows, op.groups);
    c.optional("Rstd", op.rstd, rows, op.groups);
}

// The head h of a row begins at column h * stride.
void check_heads(const Checker& c, const char* name, const pn_tensor& t, int heads, int stride, int width) {
    c.activation(name, t, any_size, any_size);
    c.that(heads > 0 && width > 0 && stride >= width && static_cast<long long>(heads - 1) * stride + width <= t.columns,
           "the heads do not fit into the columns");
}

void check_segments(const Checker& c, const pn_attention& op) {
    c.needed("Segments", op.segments, any_size, 6, PN_INT32);
    const auto inside = [](int first, int count, int rows) {
        return first >= 0 && count >= 0 && count <= rows - first;
    };
    for (int s = 0; s < op.segments.rows; s++) {
        const int* row = static_cast<const int*>(op.segments.data) + static_cast<long long>(s) * op.segments.stride;
        c.that(inside(row[0], row[1], op.q.rows), "a segment's queries are outside of Q");
        c.that(inside(row[2], row[3], op.k.rows), "a segment's keys are outside of K");
        c.that(row[5] == 0 || (present(op.prefix_k) && inside(row[4], row[5], op.prefix_k.rows)),
               "a segment's prefix is outside of PrefixK");
        c.that(static_cast<long long>(row[3]) + row[5] < (1 << 20), "a segment has more than 2^20 keys");
    }
}

void check_attention(const Checker& c, const pn_attention& op) {
    check_heads(c, "Q", op.q, op.heads, op.head_stride, op.head_dim);
    check_heads(c, "K", op.k, op.kv_heads, op.kv_head_stride, op.head_dim);
    c.that(op.k.type == op.q.type, "Q and K have different element types");
    c.needed("V", op.v, op.k.rows, any_size, op.q.type);
    check_heads(c, "V", op.v, op.kv_heads, op.kv_head_stride, op.head_dim);
    c.that(op.heads % op.kv_heads == 0, "the key/value heads do not divide the heads");
    c.optional("PrefixK", op.prefix_k, any_size, op.kv_heads * op.head_dim, any_real);
    if (present(op.prefix_k)) c.needed("PrefixV", op.prefix_v, op.prefix_k.rows, op.kv_heads * op.head_dim, any_real);
    c.optional("RelativeBias", op.relative_bias, any_size, op.heads);
    c.that(!present(op.relative_bias) || op.relative_bias.rows > 0, "RelativeBias has no buckets");
    c.that(op.dropout.probability >= 0 && op.dropout.probability < 1, "the dropout probability is outside [0, 1)");
    check_segments(c, op);
}

}  // namespace

void check(const pn_linear& op) {
    const Checker c("linear forward");
    check_linear(c, op, false);
    c.needed("Y", op.y, op.x.rows, op.w.rows, op.x.type);
}

void check(const pn_linear& op, const pn_linear_gradients& g) {
    const Checker c("linear backward");
    check_linear(c, op, true);
    const int rows = op.x.rows, inputs = op.x.columns, outputs = op.w.rows;
    c.needed("DY", g.dy, rows, outputs, op.x.type);
    c.optional("DX", g.dx, rows, inputs, op.x.type);
    c.optional("DW", g.dw, outputs, inputs);
    c.optional("DBias", g.dbias, 1, outputs);
    c.optional("DInputScale", g.dinput_scale, 1, inputs);
    c.optional("DOutputScale", g.doutput_scale, 1, outputs);
    c.optional("Scratch", g.scratch, 1, any_size, op.x.type);
    c.that(!present(g.dw) || op.w.type != PN_INT8, "a weight of codes has no gradient");
    c.that(!present(g.dinput_scale) || present(op.input_scale), "DInputScale without InputScale");
    if (present(g.doutput_scale)) c.needed("PreScale", op.pre_scale, rows, outputs, op.x.type);
}

void check(const pn_dequantize& op) {
    const Checker c("dequantize");
    const std::int64_t rows = op.y.rows, columns = op.y.columns, elements = rows * columns, size = op.block_size;
    c.needed("Y", op.y, any_size, any_size, op.y.type == PN_BFLOAT16 ? PN_BFLOAT16 : PN_FLOAT32);
    if (op.format != 0) {
        const int held = blocks::elements(op.format);
        c.that(held > 0 && columns % held == 0, "a row of this format is whole blocks of a known kind");
        c.needed("Codes", op.codes, op.y.rows, static_cast<int>(columns / held * blocks::bytes(op.format)), PN_INT8);
        return;
    }
    c.needed("Codes", op.codes, 1, any_size, PN_INT32);
    c.that(!present(op.book) || op.book.columns == 256 || op.book.columns == 16, "a book has 16 or 256 values");
    c.optional("Book", op.book, 1, op.book.columns);
    c.that(size > 0 && op.block_rows >= 0, "blocks have elements");
    const std::int64_t bytes = present(op.book) && op.book.columns == 16 ? (elements + 1) / 2 : elements;
    c.that(std::int64_t{op.codes.columns} * 4 >= bytes, "there are too few codes");
    const std::int64_t rows_of_blocks = op.block_rows == 0 ? 1 : (rows + op.block_rows - 1) / op.block_rows;
    const std::int64_t blocks = ((op.block_rows == 0 ? elements : columns) + size - 1) / size * rows_of_blocks;
    if (present(op.groups)) {
        c.that(op.block_rows > 0, "groups of columns need blocks of rows");
        c.needed("Groups", op.groups, 1, op.y.columns, PN_INT32);
    }
    if (present(op.zeros)) {
        c.needed("Zeros", op.zeros, 1, any_size, PN_INT32);
        c.that(present(op.book) && std::int64_t{op.zeros.columns} * 4 >= blocks, "there are too few zeros");
    }
    if (present(op.maxima))
        return c.that(op.maxima.type == PN_FLOAT32 && op.maxima.columns >= blocks, "there are too few maxima");
    c.needed("MaximaCodes", op.maxima_codes, 1, any_size, PN_INT32);
    c.needed("MaximaBook", op.maxima_book, 1, 256);
    c.needed("MaximaScales", op.maxima_scales, 1, any_size);
    const bool enough = std::int64_t{op.maxima_codes.columns} * 4 >= blocks;
    c.that(enough && std::int64_t{op.maxima_scales.columns} * 256 >= blocks, "there are too few maxima");
}

void check(const pn_dora_scale& op) {
    const Checker c("DoRA scale");
    const int outputs = op.w.rows;
    c.needed("W", op.w, outputs, any_size, any_real);
    c.needed("A", op.a, any_size, op.w.columns);
    c.needed("B", op.b, outputs, op.a.rows);
    c.needed("Norm", op.norm, 1, outputs);
    c.optional("G", op.g, 1, outputs);
    if (present(op.g)) c.needed("Magnitude", op.magnitude, 1, outputs);
}

void check(const pn_dora_scale& op, const pn_dora_scale_gradients& g) {
    const Checker c("DoRA scale backward");
    c.needed("Norm", op.norm, 1, op.w.rows);
    c.needed("DG", g.dg, 1, op.w.rows);
    c.needed("DMagnitude", g.dmagnitude, 1, op.w.rows);
}

void check(const pn_embedding& op) {
    const Checker c("embedding forward");
    check_embedding(c, op, op.y.columns);
    c.activation("Y", op.y, op.tokens.columns, op.y.columns);
}

void check(const pn_embedding& op, const pn_embedding_gradients& g) {
    const Checker c("embedding backward");
    check_embedding(c, op, g.dy.columns);
    const int width = g.dy.columns;
    c.activation("DY", g.dy, op.tokens.columns, width);
    c.optional("DTable", g.dtable, op.table.rows, width);
    c.optional("DPositionTable", g.dposition_table, op.position_table.rows, width);
    c.optional("DTypeTable", g.dtype_table, op.type_table.rows, width);
    c.optional("DVirtual", g.dvirtual_table, op.virtual_table.rows, width);
    c.optional("DA", g.da, op.a.rows, op.table.rows);
    c.optional("DB", g.db, width, op.a.rows);
}

void check(const pn_norm& op) {
    const Checker c("norm forward");
    check_norm(c, op);
    c.needed("Y", op.y, op.x.rows, op.x.columns, op.x.type);
}

void check(const pn_norm& op, const pn_norm_gradients& g) {
    const Checker c("norm backward");
    check_norm(c, op);
    c.needed("Rstd", op.rstd, op.x.rows, op.groups);
    if (op.kind == 0) c.needed("Mean", op.mean, op.x.rows, op.groups);
    c.needed("DY", g.dy, op.x.rows, op.x.columns, op.x.type);
    c.optional("DX", g.dx, op.x.rows, op.x.columns, op.x.type);
    c.optional("DGamma", g.dgamma, 1, op.x.columns / op.groups);
    c.optional("DBeta", g.dbeta, 1, op.x.columns / op.groups);
}

void check(const pn_rope& op) {
    const Checker c("rope");
    c.needed("Cos", op.cos, any_size, any_size);
    c.needed("Sin", op.sin, op.cos.rows, op.cos.columns);
    c.needed("Positions", op.positions, 1, op.x.rows, PN_INT32);
    if (op.x.rows == 0) return;
    check_heads(c, "X", op.x, op.heads, op.head_stride, 2 * op.cos.columns);
    c.indices("Positions", op.positions, 0, op.cos.rows);
}

void check(const pn_attention& op) {
    const Checker c("attention forward");
    check_attention(c, op);
    c.needed("Y", op.y, op.q.rows, op.heads * op.head_dim, op.q.type);
    c.optional("LogSumExp", op.log_sum_exp, op.q.rows, op.heads);
}

void check(const pn_attention& op, const pn_attention_gradients& g) {
    const Checker c("attention backward");
    check_attention(c, op);
    const int rows = op.q.rows, width = op.kv_heads * op.head_dim;
    c.needed("Y", op.y, rows, op.heads * op.head_dim, op.q.type);
    c.needed("DY", g.dy, rows, op.heads * op.head_dim, op.q.type);
    c.needed("LogSumExp", op.log_sum_exp, rows, op.heads);
    c.optional("Delta", g.delta, rows, op.heads);
    if (present(g.dq)) c.needed("DQ", g.dq, rows, op.q.columns, op.q.type);
    if (present(g.dk)) c.needed("DK", g.dk, op.k.rows, op.k.columns, op.q.type);
    if (present(g.dv)) c.needed("DV", g.dv, op.v.rows, op.v.columns, op.q.type);
    c.optional("DPrefixK", g.dprefix_k, op.prefix_k.rows, width);
    c.optional("DPrefixV", g.dprefix_v, op.prefix_v.rows, width);
    c.optional("DRelativeBias", g.drelative_bias, op.relative_bias.rows, op.heads);
}

void check(const pn_gate& op) {
    const Checker c("gate forward");
    c.activation("X", op.x, any_size, any_size);
    c.optional("Up", op.up, op.x.rows, op.x.columns, op.x.type);
    c.that(op.activation >= 0 && op.activation <= 6, "the activation is unknown");
    c.needed("Y", op.y, op.x.rows, op.x.columns, op.x.type);
}

void check(const pn_gate& op, const pn_gate_gradients& g) {
    const Checker c("gate backward");
    c.activation("X", op.x, any_size, any_size);
    c.optional("Up", op.up, op.x.rows, op.x.columns, op.x.type);
    c.that(op.activation >= 0 && op.activation <= 6, "the activation is unknown");
    c.needed("DY", g.dy, op.x.rows, op.x.columns, op.x.type);
    c.optional("DX", g.dx, op.x.rows, op.x.columns, op.x.type);
    c.optional("DUp", g.dup, op.x.rows, op.x.columns, op.x.type);
}

void check(const pn_dropout& op) {
    check_same("dropout", op.x, op.y);
    Checker("dropout").that(op.mask.probability >= 0 && op.mask.probability < 1, "the probability is outside [0, 1)");
}

void check(const pn_gather& op) {
    const Checker c("gather forward");
    c.activation("X", op.x, any_size, any_size);
    c.needed("Rows", op.rows, 1, any_size, PN_INT32);
    c.needed("Y", op.y, op.rows.columns, op.x.columns, op.x.type);
    c.indices("Rows", op.rows, 0, op.x.rows);
}

void check(const pn_gather& op, const pn_gather_gradients& g) {
    const Checker c("gather backward");
    c.needed("Rows", op.rows, 1, any_size, PN_INT32);
    c.activation("DX", g.dx, any_size, g.dy.columns);
    c.needed("DY", g.dy, op.rows.columns, g.dy.columns, g.dx.type);
    c.indices("Rows", op.rows, 0, g.dx.rows);
}

void check(const pn_cross_entropy& op) {
    const Checker c("cross-entropy");
    const int rows = op.logits.rows;
    c.activation("Logits", op.logits, rows, any_size);
    c.needed("Labels", op.labels, 1, rows, PN_INT32);
    c.needed("Loss", op.loss, 1, rows);
    c.optional("Correct", op.correct, 1, rows, PN_INT32);
    c.indices("Labels", op.labels, 0, op.logits.columns);
}

void check(const pn_regression_loss& op) {
    const Checker c("regression loss");
    c.activation("Logits", op.logits, any_size, any_size);
    c.needed("Targets", op.targets, op.logits.rows, op.logits.columns);
    c.needed("Loss", op.loss, 1, op.logits.rows);
    c.that(op.kind == 0 || op.kind == 1, "the kind of loss is unknown");
}

void check(const pn_adamw& op) {
    const Checker c("AdamW");
    const int count = op.values.columns;
    c.needed("Values", op.values, 1, count);
    c.needed("Gradients", op.gradients, 1, count);
    c.needed("FirstMoment", op.first_moment, 1, count);
    c.needed("SecondMoment", op.second_moment, 1, count);
    c.that(op.step > 0, "steps are counted from 1");
}

void check_same(const char* operation, const pn_tensor& x, const pn_tensor& y) {
    const Checker c(operation);
    c.activation("X", x, any_size, any_size);
    c.needed("Y", y, x.rows, x.columns, x.type);
}

void check_matrix(const char* operation, const pn_tensor& x) { Checker(operation).needed("X", x, any_size, any_size); }

}  // namespace pn
