// Forward of attention: strips of queries against blocks of keys with a running softmax (Milakov and Gimelshein 2018,
// arXiv:1805.02867; Dao et al. 2022, arXiv:2205.14135), so that scores never leave the first-level cache.
#include "ops/attention.h"

#include <cmath>
#include <new>

#include "ops/ops.h"

namespace pn::PN_ISA {

namespace {

constexpr std::ptrdiff_t key_block = 4 * panel_width;
constexpr std::ptrdiff_t enough_tasks = 4;  // for each worker, so that all are done at about the same time

// A worker's memory for one strip, and for the keys and values of the head it belongs to.
struct Strip {
    float* sums;                            // [strip, head_dim] sum of e^(score - top) V
    float* queries;                         // [strip, head_dim]
    float *keys, *values;                   // panels, rows
    std::ptrdiff_t sequence = -1, kv = -1;  // whose these are
    float top[strip], denominator[strip];
    alignas(64) float scores[tile_rows * key_block];
    alignas(64) float factors[key_block];
};

template <class T>
class Forward {
public:
    Forward(const AttentionPlan& plan, Strip& strip, const QueryTask& task)
        : plan(plan), op(plan.op), q(plan.sequence(task.sequence)), head(task.head), s(strip) {
        const std::ptrdiff_t kv = plan.kv_head(head);
        if (s.sequence == task.sequence && s.kv == kv) return;
        plan.turn_keys(op.k, op.prefix_k, q, kv, s.keys);
        plan.copy_keys(op.v, op.prefix_v, q, kv, s.values);
        s.sequence = task.sequence;
        s.kv = kv;
    }

    void run(std::ptrdiff_t first_query, std::ptrdiff_t queries) {
        first = first_query;
        count = queries;
        const std::ptrdiff_t width = op.head_dim;
        std::memset(s.sums, 0, sizeof(float) * static_cast<std::size_t>(count * width));
        copy_rows(row<T>(op.q, q.first_query + first) + head * op.head_stride, op.q.stride, count, width, s.queries);
        for (std::ptrdiff_t i = 0; i < count; i++) {
            s.top[i] = minus_infinity;
            s.denominator[i] = 0;
        }
        const Range all = plan.seen(q, first, count);
        for (std::ptrdiff_t j = all.begin / panel_width * panel_width; j < all.end; j += key_block)
            for (std::ptrdiff_t i = 0; i < count; i += tile_rows) block(i, smaller<std::ptrdiff_t>(tile_rows, count - i), j);
        for (std::ptrdiff_t i = 0; i < count; i++) write(i);
    }

private:
    // Rows i.. of the strip against the keys from j on.
    void block(std::ptrdiff_t i, std::ptrdiff_t rows, std::ptrdiff_t j) {
        const Range range = plan.seen(q, first + i, rows);
        const std::ptrdiff_t end = smaller(range.end, j + key_block);
        if (end <= j || range.begin >= j + key_block) return;
        for (std::ptrdiff_t key = j; key < end; key += tile_columns) score_tile(i, rows, key, smaller<std::ptrdiff_t>(tile_columns, end - key), j);
        for (std::ptrdiff_t r = 0; r < rows; r++) soften(i + r, s.scores + r * key_block, j, end - j);
        for (std::ptrdiff_t d = 0; d < op.head_dim; d += tile_columns) add_values(i, rows, {j, end}, d);
    }

    void score_tile(std::ptrdiff_t i, std::ptrdiff_t rows, std::ptrdiff_t key, std::ptrdiff_t columns, std::ptrdiff_t j) {
        const Segment segment{{s.queries + i * op.head_dim, op.head_dim}, plan.panel(s.keys, key) + key % panel_width, panel_width, op.head_dim};
        run_tile(&segment, 1, static_cast<int>(rows), static_cast<int>(columns), {s.scores + (key - j), key_block});
    }

    // Scores become e^(score - top); what the row has summed so far follows a new top.
    void soften(std::ptrdiff_t i, float* scores, std::ptrdiff_t j, std::ptrdiff_t columns) {
        plan.finish_scores(q, head, first + i, j, columns, scores);
        const float top = larger(s.top[i], highest(scores, columns));
        if (top != s.top[i] && s.top[i] != minus_infinity) rescale(i, std::exp(s.top[i] - top));
        s.top[i] = top;
        s.denominator[i] += pn::PN_ISA::soften(scores, columns, top);
        if (op.dropout.probability > 0) drop(i, scores, j, columns);
    }

    void rescale(std::ptrdiff_t i, float factor) {
        s.denominator[i] *= factor;
        float* sums = s.sums + i * op.head_dim;
        for_vectors(op.head_dim, [&](std::ptrdiff_t d, int n) { store(sums + d, load(sums + d, n) * set(factor), n); });
    }

    void drop(std::ptrdiff_t i, float* scores, std::ptrdiff_t j, std::ptrdiff_t columns) {
        plan.keep_factors(q, head, first + i, j, columns, s.factors);
        for_vectors(columns, [&](std::ptrdiff_t c, int n) { store(scores + c, load(scores + c, n) * load(s.factors + c, n), n); });
    }

    void add_values(std::ptrdiff_t i, std::ptrdiff_t rows, Range range, std::ptrdiff_t d) {
        const std::ptrdiff_t columns = smaller<std::ptrdiff_t>(tile_columns, op.head_dim - d);
        const Segment segment{{s.scores, key_block}, plan.row_of(s.values, range.begin) + d, op.head_dim, range.end - range.begin};
        add_tile(segment, rows, columns, s.sums + i * op.head_dim + d, op.head_dim);
    }

    void write(std::ptrdiff_t i) {
        const std::ptrdiff_t m = q.first_query + first + i;
        const float denominator = s.denominator[i];
        const F factor = set(inverse(denominator));
        const float* sums = s.sums + i * op.head_dim;
        T* y = row<T>(op.y, m) + head * op.head_dim;
        for_vectors(op.head_dim, [&](std::ptrdiff_t d, int n) { store(y + d, load(sums + d, n) * factor, n); });
        if (present(op.log_sum_exp))
            row(op.log_sum_exp, m)[head] = log_sum_exp(s.top[i], denominator);
    }

    const AttentionPlan& plan;
    const pn_attention& op;
    const Sequence& q;
    const std::ptrdiff_t head;
    Strip& s;
    std::ptrdiff_t first = 0, count = 0;  // queries of the strip
};

}  // namespace

void attention_forward(pn_context& context, const pn_attention& op) {
    const AttentionPlan plan(context, op);
    attend_single_queries(plan);
    const auto queries = [&](std::ptrdiff_t n) { return plan.sequence(n).queries == 1 ? 0 : plan.sequence(n).queries; };
    std::ptrdiff_t strips = 0, heads = 0, scores = 0;
    for (std::ptrdiff_t n = 0; n < plan.sequences; n++) {
        strips += ceil_div<std::ptrdiff_t>(queries(n), strip) * op.heads;
        heads += queries(n) == 0 ? 0 : op.heads;
        scores += queries(n) * plan.sequence(n).total;
    }
    if (strips == 0) return;
    const int workers = context.workers(static_cast<double>(scores) * op.heads * op.head_dim, 1 << 17);
    const bool whole = heads >= enough_tasks * workers;  // else strips, for which each worker prepares the keys
    auto* tasks = static_cast<QueryTask*>(context.workspace.bytes(sizeof(QueryTask) * static_cast<std::size_t>(whole ? heads : strips)));
    std::ptrdiff_t count = 0;
    for (std::ptrdiff_t n = 0; n < plan.sequences; n++)
        for (std::ptrdiff_t h = 0; h < op.heads; h++)
            for (std::ptrdiff_t i = 0, piece; i < queries(n); i += piece) {
                piece = whole ? queries(n) : smaller<std::ptrdiff_t>(strip, queries(n) - i);
                tasks[count++] = {n, h, i, piece};
            }

    const std::ptrdiff_t size = static_cast<std::ptrdiff_t>(strip) * op.head_dim, keys = plan.floats_of_a_head();
    char** strips_of = context.own_bytes(workers, sizeof(Strip));
    float** floats = context.own_floats(workers, 2 * (size + keys));
    context.pool.run(workers, [&](int worker) {
        auto* s = new (strips_of[worker]) Strip;
        s->sums = floats[worker];
        s->queries = s->sums + size;
        s->keys = s->queries + size;
        s->values = s->keys + keys;
        with_element(op.q, [&](auto e) {
            for (std::ptrdiff_t t; (t = context.pool.claim()) < count;) {
                Forward<decltype(e)> forward(plan, *s, tasks[t]);
                const std::ptrdiff_t end = tasks[t].first + tasks[t].count;
                for (std::ptrdiff_t i = tasks[t].first; i < end; i += strip) forward.run(i, smaller<std::ptrdiff_t>(strip, end - i));
            }
        });
    });
}

}  // namespace pn::PN_ISA
