// Attention of sequences with one query each, as text is generated: keys and values are read once, as they lie.
#include <cmath>
#include <type_traits>

#include "ops/attention.h"

namespace pn::PN_ISA {

namespace {

// The highest of finished scores.
float highest(const float* scores, std::ptrdiff_t count) {
    F best = set(minus_infinity);
    for (std::ptrdiff_t c = 0; c < count; c += W) best = max(best, load(scores + c));
    return largest(best);
}

// Finished scores become e^(score - top), all zero without one above
// -infinity, as does what the last vector holds behind them; their sum.
float soften(float* scores, std::ptrdiff_t count, float top) {
    const std::ptrdiff_t whole = ceil_div<std::ptrdiff_t>(count, W) * W;
    if (top == minus_infinity) {
        std::memset(scores, 0, sizeof(float) * static_cast<std::size_t>(whole));
        return 0;
    }
    F total = zero();
    for (std::ptrdiff_t c = 0; c < whole; c += W) {
        const F p = exp(load(scores + c) - set(top));
        total += p;
        store(scores + c, p);
    }
    return sum(total);
}

float inverse(float denominator) { return denominator > 0 || denominator != denominator ? 1 / denominator : 0.0f; }

// The query of a sequence and some of its key/value heads.
template <class T>
class SingleQuery {
public:
    SingleQuery(const AttentionPlan& plan, const Sequence& q, Range kv_heads, float* memory)
        : plan(plan),
          op(plan.op),
          q(q),
          keys(plan.seen(q, 0)),
          count(keys.end - keys.begin),
          length(whole(count)),
          kv_heads(kv_heads),
          q_in_words((op.head_dim | op.head_stride) % 2 == 0 && lies_in_words(data<T>(op.q), op.q.stride)),
          group(op.heads / op.kv_heads),
          first_head(kv_heads.begin * group),
          heads((kv_heads.end - kv_heads.begin) * group),
          queries(memory),
          sums(queries + heads * op.head_dim),
          scores(sums + heads * op.head_dim),
          factors(scores + heads * length) {}

    static std::ptrdiff_t floats(const pn_attention& op, std::ptrdiff_t heads, std::ptrdiff_t keys) {
        return heads * (2 * op.head_dim + whole(keys)) + keys;
    }

    void run() {
        copy_rows(row<T>(op.q, q.first_query) + first_head * op.head_stride, op.head_stride, heads, op.head_dim,
                  queries, op.head_dim);
        std::memset(sums, 0, sizeof(float) * static_cast<std::size_t>(heads * op.head_dim));
        for_blocks(op.k, op.prefix_k,
                   [&](std::ptrdiff_t h, const auto* rows, std::ptrdiff_t stride, std::ptrdiff_t j, int n) {
                       products(h, rows, stride, n, scores + h * length + j);
                   });
        for (std::ptrdiff_t h = 0; h < heads; h++) finish(h);
        for_blocks(op.v, op.prefix_v,
                   [&](std::ptrdiff_t h, const auto* rows, std::ptrdiff_t stride, std::ptrdiff_t j, int n) {
                       add_values(scores + h * length + j, rows, stride, n, sums + h * op.head_dim);
                   });
        for (std::ptrdiff_t h = 0; h < heads; h++) write(h);
    }

private:
    // Scores are finished in whole vectors.
    static std::ptrdiff_t whole(std::ptrdiff_t keys) { return ceil_div<std::ptrdiff_t>(keys, W) * W; }

    // Calls body(head, rows, stride, first, count) for up to W
    // keys that lie together, of all heads before the next keys.
    template <class Body>
    void for_blocks(const pn_tensor& main, const pn_tensor& prefix, Body&& body) const {
        for (std::ptrdiff_t j = keys.begin, end; j < keys.end; j = end) {
            const bool in_prefix = j < q.prefix;
            end = smaller(in_prefix ? smaller(q.prefix, keys.end) : keys.end, j + W);
            const pn_tensor& t = in_prefix ? prefix : main;
            const std::ptrdiff_t first = in_prefix ? q.first_prefix + j : q.first_key + j - q.prefix;
            const std::ptrdiff_t step = in_prefix ? op.head_dim : op.kv_head_stride;
            with_element(t, [&](auto e) {
                for (std::ptrdiff_t h = 0; h < heads; h++) {
                    const auto* rows = row<decltype(e)>(t, first) + (kv_heads.begin + h / group) * step;
                    body(h, rows, static_cast<std::ptrdiff_t>(t.stride), j - keys.begin, static_cast<int>(end - j));
                }
            });
        }
    }

    // Of one query head and W keys. Two bf16 that lie in one word are multiplied together.
    template <class U>
    void products(std::ptrdiff_t h, const U* rows, std::ptrdiff_t stride, int n, float* out) const {
        if constexpr (std::is_same_v<T, bf16> && std::is_same_v<U, bf16>)
            if (q_in_words && lies_in_words(rows, stride)) {
                const auto* query =
                    reinterpret_cast<const float*>(row<T>(op.q, q.first_query) + (first_head + h) * op.head_stride);
                return products<true>(query, reinterpret_cast<const float*>(rows), stride / 2, op.head_dim / 2, n, out);
            }
        products<false>(queries + h * op.head_dim, rows, stride, op.head_dim, n, out);
    }

    template <class U>
    static bool lies_in_words(const U* rows, std::ptrdiff_t stride) {
        return stride % 2 == 0 && reinterpret_cast<std::uintptr_t>(rows) % sizeof(float) == 0;
    }

    // The products of W keys are summed up together, by turning the square of their parts. With each line of a key the
    // one of the key W rows on is asked for: all at once they would have to wait for one another.
    template <bool Pairs, class U>
    static void products(const float* query, const U* rows, std::ptrdiff_t stride, std::ptrdiff_t width, int n,
                         float* out) {
        const U* from[W];
        F parts[W];
        for (int r = 0; r < W; r++) {
            from[r] = rows + smaller(r, n - 1) * stride;
            parts[r] = zero();
        }
        for_vectors(width, [&](std::ptrdiff_t c, int count) {
            const F x = load(query + c, count);
            PN_UNROLL
            for (int r = 0; r < W; r++) {
                prefetch(from[r] + W * stride + c, false);
                const F key = load(from[r] + c, count);
                parts[r] = Pairs ? dot_pairs(key, x, parts[r]) : fma(key, x, parts[r]);
            }
        });
        store(out, sums_of(parts), n);
    }

    void finish(std::ptrdiff_t h) {
        float* s = scores + h * length;
        const std::ptrdiff_t head = first_head + h;
        plan.finish_scores(q, head, 0, keys.begin, count, s);
        const float top = highest(s, count), denominator = soften(s, count, top);
        if (op.dropout.probability > 0) {
            plan.keep_factors(q, head, 0, keys.begin, count, factors);
            for_vectors(count,
                        [&](std::ptrdiff_t c, int n) { store(s + c, load(s + c, n) * load(factors + c, n), n); });
        }
        const float factor = inverse(denominator);
        for_vectors(count, [&](std::ptrdiff_t c, int n) { store(s + c, load(s + c, n) * set(factor), n); });
        if (present(op.log_sum_exp)) row(op.log_sum_exp, q.first_query)[head] = log_sum_exp(top, denominator);
    }

    template <class U>
    void add_values(const float* weights, const U* rows, std::ptrdiff_t stride, int n, float* out) const {
        constexpr int at_once = 4;
        std::ptrdiff_t c = 0;
        for (; c + at_once * W <= op.head_dim; c += at_once * W) {
            F total[at_once];
            for (int v = 0; v < at_once; v++) total[v] = load(out + c + v * W);
            for (int r = 0; r < n; r++) {
                const F weight = set(weights[r]);
                PN_UNROLL
                for (int v = 0; v < at_once; v++) {
                    prefetch(rows + (r + W) * stride + c + v * W, false);
                    total[v] = fma(load(rows + r * stride + c + v * W), weight, total[v]);
                }
            }
            for (int v = 0; v < at_once; v++) store(out + c + v * W, total[v]);
        }
        for_vectors(op.head_dim - c, [&](std::ptrdiff_t d, int width) {
            F total = load(out + c + d, width);
            for (int r = 0; r < n; r++) total = fma(load(rows + r * stride + c + d, width), set(weights[r]), total);
            store(out + c + d, total, width);
        });
    }

    void write(std::ptrdiff_t h) const {
        T* y = row<T>(op.y, q.first_query) + (first_head + h) * op.head_dim;
        for_vectors(op.head_dim,
                    [&](std::ptrdiff_t d, int n) { store(y + d, load(sums + h * op.head_dim + d, n), n); });
    }

    const AttentionPlan& plan;
    const pn_attention& op;
    const Sequence& q;
    const Range keys;
    const std::ptrdiff_t count, length;
    const Range kv_heads;
    const bool q_in_words;
    const std::ptrdiff_t group, first_head, heads;
    float *queries, *sums;  // [heads, head_dim]
    float *scores, *factors;  // [heads, keys in whole vectors], [keys]
};

}  // namespace

void attend_single_queries(const AttentionPlan& plan) {
    const pn_attention& op = plan.op;
    pn_context& context = plan.context;
    auto* single = static_cast<const Sequence**>(
        context.workspace.bytes(sizeof(Sequence*) * static_cast<std::size_t>(plan.sequences)));
    std::ptrdiff_t count = 0, longest = 0, keys = 0;
    for (std::ptrdiff_t s = 0; s < plan.sequences; s++) {
        const Sequence& q = plan.sequence(s);
        if (q.queries != 1) continue;
        single[count++] = &q;
        longest = larger(longest, q.total);
        keys += q.total;
    }
    if (count == 0) return;
    const std::ptrdiff_t tasks = count * op.kv_heads;
    const int workers = context.workers(context.from_memory * static_cast<double>(keys) * op.heads * op.head_dim);
    const std::ptrdiff_t heads =
        smaller<std::ptrdiff_t>(op.kv_heads, ceil_div<std::ptrdiff_t>(tasks, workers)) * (op.heads / op.kv_heads);
    with_element(op.q, [&](auto e) {
        using Single = SingleQuery<decltype(e)>;
        const std::ptrdiff_t size = Single::floats(op, heads, longest);
        float** memory = context.own_floats(workers, size);
        context.pool.run(workers, [&](int worker) {
            const Range range = part_of(tasks, worker, workers);
            for (std::ptrdiff_t t = range.begin, end; t < range.end; t = end) {
                const std::ptrdiff_t s = t / op.kv_heads, first = s * op.kv_heads;
                end = smaller(range.end, first + op.kv_heads);
                Single(plan, *single[s], {t - first, end - first}, memory[worker]).run();
            }
        });
    });
}

}  // namespace pn::PN_ISA
