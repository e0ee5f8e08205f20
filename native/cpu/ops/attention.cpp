// Forward of attention: strips of queries beside blocks of keys with a running softmax (Milakov and Gimelshein 2018,
// arXiv:1805.02867; Dao et al. 2022, arXiv:2205.14135), so that scores never leave the first-level cache.
#include "ops/attention_strip.h"

#include <new>

#include "ops/ops.h"

namespace pn::PN_ISA {

namespace {

constexpr std::ptrdiff_t key_block = 2 * panel_width;
constexpr std::ptrdiff_t enough_tasks = 4;  // for each worker, so that all are done at about the same time

// A piece of work: queries of one head of one sequence.
struct QueryTask {
    std::ptrdiff_t sequence, head, first, count;
};

// A worker's memory for one strip, and for the keys and values of the head it belongs to.
struct Memory {
    float* sums;                            // [head_dim][strip] sum of e^(score - top) V
    float* queries;                         // turned
    float *keys, *values;                   // rows, panels
    std::ptrdiff_t sequence = -1, kv = -1;  // whose these are
    alignas(64) float top[strip], denominator[strip];
    alignas(64) float scores[key_block * strip];  // [key][query]
    alignas(64) float factors[key_block * strip], factor_rows[key_block * strip];
};

template <class T>
class Forward {
public:
    Forward(const AttentionPlan& plan, Memory& memory, const QueryTask& task)
        : plan(plan), op(plan.op), q(plan.sequence(task.sequence)), head(task.head), m(memory) {
        const std::ptrdiff_t kv = plan.kv_head(head);
        if (m.sequence == task.sequence && m.kv == kv) return;
        plan.copy_keys<words>(op.k, op.prefix_k, q, kv, m.keys);
        plan.turn_keys(op.v, op.prefix_v, q, kv, m.values);
        m.sequence = task.sequence;
        m.kv = kv;
    }

    void run(std::ptrdiff_t first, std::ptrdiff_t count) {
        const AttentionStrip queries(plan, q, head, first, count);
        queries.turn<words>(row<T>(op.q, q.first_query + first) + head * op.head_stride, op.q.stride, m.queries);
        std::memset(m.sums, 0, sizeof(float) * static_cast<std::size_t>(strip * op.head_dim));
        for (std::ptrdiff_t c = 0; c < queries.columns; c += W) {
            store(m.top + c, set(minus_infinity));
            store(m.denominator + c, zero());
        }
        for (std::ptrdiff_t j = queries.keys.begin / panel_width * panel_width; j < queries.keys.end; j += key_block)
            block(queries, {j, smaller(queries.keys.end, j + key_block)});
        write(queries);
    }

private:
    static constexpr Words words = attention_words<T>;

    void block(const AttentionStrip& queries, Range keys) {
        queries.products<words>(keys, m.keys, m.queries, m.scores);
        const bool dropping = op.dropout.probability > 0;
        if (dropping) queries.keep_factors(keys, m.factor_rows, m.factors);
        for (std::ptrdiff_t c = 0; c < queries.columns; c += W) {
            soften(queries, keys, c);
            for (std::ptrdiff_t k = c; dropping && k < (keys.end - keys.begin) * strip; k += strip)
                store(m.scores + k, load(m.scores + k) * load(m.factors + k));
        }
        queries.add_keys(keys, m.values, m.scores, m.sums);
    }

    // Scores of a vector of queries become e^(score - top); what these have summed so far follows a new top.
    void soften(const AttentionStrip& queries, Range keys, std::ptrdiff_t c) {
        const F before = load(m.top + c);
        F top = before;
        float* scores = m.scores + c;
        queries.for_scores(keys, c, m.scores, [&](std::ptrdiff_t key, F score) {
            top = max(top, score);
            store(scores + (key - keys.begin) * strip, score);
        });
        const F base = select(equal(top, set(minus_infinity)), zero(), top);
        F total = load(m.denominator + c);
        if (any(before < top)) {
            const F factor = exp(before - base);
            total = total * factor;
            for (std::ptrdiff_t d = c; d < op.head_dim * strip; d += strip)
                store(m.sums + d, load(m.sums + d) * factor);
        }
        const std::ptrdiff_t count = smaller(keys.end, queries.end_of(c)) - keys.begin;
        for (std::ptrdiff_t k = 0; k < count * strip; k += strip) {
            const F p = exp(load(scores + k) - base);
            total += p;
            store(scores + k, p);
        }
        store(m.top + c, top);
        store(m.denominator + c, total);
    }

    void write(const AttentionStrip& queries) {
        for (std::ptrdiff_t c = 0; c < queries.columns; c += W) {
            const F denominator = load(m.denominator + c);
            const F factor = select(zero() < denominator | is_nan(denominator), set(1) / denominator, zero());
            for (std::ptrdiff_t d = c; d < op.head_dim * strip; d += strip)
                store(m.sums + d, load(m.sums + d) * factor);
        }
        const std::ptrdiff_t first = q.first_query + queries.first;
        transpose(m.sums, strip, op.head_dim, queries.count, 1.0f, row<T>(op.y, first) + head * op.head_dim,
                  op.y.stride);
        if (!present(op.log_sum_exp)) return;
        for (std::ptrdiff_t i = 0; i < queries.count; i++)
            row(op.log_sum_exp, first + i)[head] = log_sum_exp(m.top[i], m.denominator[i]);
    }

    const AttentionPlan& plan;
    const pn_attention& op;
    const Sequence& q;
    const std::ptrdiff_t head;
    Memory& m;
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
    auto* tasks = static_cast<QueryTask*>(
        context.workspace.bytes(sizeof(QueryTask) * static_cast<std::size_t>(whole ? heads : strips)));
    std::ptrdiff_t count = 0;
    for (std::ptrdiff_t n = 0; n < plan.sequences; n++)
        for (std::ptrdiff_t h = 0; h < op.heads; h++)
            for (std::ptrdiff_t i = 0, piece; i < queries(n); i += piece) {
                piece = whole ? queries(n) : smaller<std::ptrdiff_t>(strip, queries(n) - i);
                tasks[count++] = {n, h, i, piece};
            }

    const std::ptrdiff_t size = static_cast<std::ptrdiff_t>(strip) * op.head_dim, keys = plan.floats_of_a_head();
    char** memories = context.own_bytes(workers, sizeof(Memory));
    float** floats = context.own_floats(workers, 2 * (size + keys));
    context.pool.run(workers, [&](int worker) {
        auto* m = new (memories[worker]) Memory;
        m->sums = floats[worker];
        m->queries = m->sums + size;
        m->keys = m->queries + size;
        m->values = m->keys + keys;
        with_element(op.q, [&](auto e) {
            for (std::ptrdiff_t t; (t = context.pool.claim()) < count;) {
                Forward<decltype(e)> forward(plan, *m, tasks[t]);
                const std::ptrdiff_t end = tasks[t].first + tasks[t].count;
                for (std::ptrdiff_t i = tasks[t].first; i < end; i += strip)
                    forward.run(i, smaller<std::ptrdiff_t>(strip, end - i));
            }
        });
    });
}

}  // namespace pn::PN_ISA
