// What forward and backward of attention share: which keys a query sees, transposed keys, finished scores.
#pragma once

#include <cmath>
#include <limits>

#include "gemm/tile.h"
#include "ops/common.h"
#include "simd/math.h"

namespace pn::PN_ISA {

// One sequence. Its keys are counted with the prefix in front; key j stands at position j - prefix.
struct Sequence {
    std::ptrdiff_t first_query, queries, first_key, keys, first_prefix, prefix;
    std::ptrdiff_t total;   // prefix + keys
    std::ptrdiff_t before;  // keys of the sequences before
};

class AttentionPlan {
public:
    AttentionPlan(pn_context& context, const pn_attention& op);

    const Sequence& sequence(std::ptrdiff_t s) const { return sequences_[s]; }

    // The keys [begin, end) that query i of a sequence sees.
    Range seen(const Sequence& q, std::ptrdiff_t i) const {
        const std::ptrdiff_t place = q.prefix + i + q.keys - q.queries;
        const std::ptrdiff_t end = op.causal ? larger(q.prefix, smaller(q.total, place + 1)) : q.total;
        const std::ptrdiff_t begin = op.window > 0 ? larger<std::ptrdiff_t>(0, place - op.window + 1) : 0;
        return {smaller(begin, end), end};
    }

    // The keys that any of the queries [i, i + count) sees; both ends grow with the query.
    Range seen(const Sequence& q, std::ptrdiff_t i, std::ptrdiff_t count) const {
        const Range first = seen(q, i), last = seen(q, i + count - 1);
        return {first.begin, last.end};
    }

    std::ptrdiff_t kv_head(std::ptrdiff_t head) const { return head / (op.heads / op.kv_heads); }

    // Keys (or values) of one head of a sequence, prefix in front, in the orders that
    // products read: row after row, in words along the head of which the last is filled up
    // with zero; or turned into panels [head_dim][48]. Both take floats_of_a_head() at most.
    template <Words words>
    void copy_keys(const pn_tensor& main, const pn_tensor& prefix, const Sequence& q, std::ptrdiff_t kv,
                   float* rows) const;
    void turn_keys(const pn_tensor& main, const pn_tensor& prefix, const Sequence& q, std::ptrdiff_t kv,
                   float* panels) const;
    std::ptrdiff_t floats_of_a_head() const {
        return ceil_div<std::ptrdiff_t>(longest, panel_width) * panel_width * op.head_dim;
    }
    std::ptrdiff_t words_of_a_row(Words words) const { return ceil_div<std::ptrdiff_t>(op.head_dim, each(words)); }

    // The panel in which a key is.
    const float* panel(const float* panels, std::ptrdiff_t key) const {
        return panels + key / panel_width * op.head_dim * panel_width;
    }

    // Turns products Q K of query i with the keys from `key` on into capped scores; unseen ones become -infinity, as
    // does what the last vector holds behind `count`.
    void finish_scores(const Sequence& q, std::ptrdiff_t head, std::ptrdiff_t i, std::ptrdiff_t key,
                       std::ptrdiff_t count, float* scores) const;

    // The capped scores of a key and the queries from i on, from the products Q K.
    PN_INLINE F score(F products, const Sequence& q, std::ptrdiff_t head, std::ptrdiff_t i, std::ptrdiff_t key) const {
        F value = products * set(static_cast<float>(op.scale));
        if (bias_ != nullptr)
            value += load(turned_bias_ + head * distances() + reach_ + position(q, i) - (key - q.prefix));
        return op.soft_cap > 0 ? capped(value) : value;
    }

    // Dropout factors of query i and the keys from `key` on.
    void keep_factors(const Sequence& q, std::ptrdiff_t head, std::ptrdiff_t i, std::ptrdiff_t key,
                      std::ptrdiff_t count, float* factors) const;

    // The bucket of the relative bias for key position minus query position.
    int bucket(std::ptrdiff_t distance) const { return buckets_[distance + reach_]; }

    std::ptrdiff_t position(const Sequence& q, std::ptrdiff_t i) const { return i + q.keys - q.queries; }

    pn_context& context;
    const pn_attention& op;
    std::ptrdiff_t sequences;
    std::ptrdiff_t all_keys = 0, longest = 0;  // of a sequence, prefix and all

private:
    void plan_bias();
    // in a table of them, with some to spare behind
    std::ptrdiff_t distances() const { return 2 * reach_ + 1 + panel_width; }
    PN_INLINE F capped(F score) const {
        return set(static_cast<float>(op.soft_cap)) * tanh(score * set(static_cast<float>(1 / op.soft_cap)));
    }
    // Calls body(key, rows, stride, count) for runs of keys of a head that lie together and stay in one panel.
    template <class Body>
    void for_runs(const pn_tensor& main, const pn_tensor& prefix, const Sequence& q, std::ptrdiff_t kv,
                  Body&& body) const;

    Sequence* sequences_;
    std::ptrdiff_t reach_ = 0;      // the largest distance between a query and a key
    int* buckets_ = nullptr;        // by distance + reach
    float* bias_ = nullptr;         // [head][reach + distance of a key from the query]
    float* turned_bias_ = nullptr;  // [head][reach + distance of a query from the key]
};

constexpr float minus_infinity = -std::numeric_limits<float>::infinity();

inline float log_sum_exp(float top, float denominator) {
    return top == minus_infinity ? minus_infinity : top + std::log(denominator);
}

// All sequences with one query each.
void attend_single_queries(const AttentionPlan& plan);

}  // namespace pn::PN_ISA
