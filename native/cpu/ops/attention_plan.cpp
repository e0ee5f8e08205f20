#include <cmath>
#include <limits>

#include "gemm/pack.h"
#include "ops/attention.h"
#include "ops/dropout.h"

namespace pn::PN_ISA {

namespace {

// Raffel et al. 2019 (arXiv:1910.10683), section 2.1. Single precision, as where the checkpoints come from: rounding decides at
// the edges of buckets.
int relative_bucket(std::ptrdiff_t distance, int buckets, int longest, bool bidirectional) {
    int first = 0;
    if (bidirectional) {
        buckets /= 2;
        if (distance > 0) first = buckets;
        distance = distance < 0 ? -distance : distance;
    } else {
        distance = larger<std::ptrdiff_t>(-distance, 0);
    }
    const int exact = buckets / 2;
    if (distance < exact) return first + static_cast<int>(distance);
    const float share = std::log(static_cast<float>(distance) / static_cast<float>(exact)) /
                        static_cast<float>(std::log(static_cast<double>(longest) / exact));
    return first + smaller(exact + static_cast<int>(share * static_cast<float>(buckets - exact)), buckets - 1);
}

}  // namespace

AttentionPlan::AttentionPlan(pn_context& context, const pn_attention& op)
    : context(context), op(op), sequences(op.segments.rows),
      sequences_(static_cast<Sequence*>(context.workspace.bytes(sizeof(Sequence) * static_cast<std::size_t>(sequences)))) {
    for (std::ptrdiff_t s = 0; s < sequences; s++) {
        const int* row = ints(op.segments) + s * op.segments.stride;
        const std::ptrdiff_t total = row[5] + row[3];
        sequences_[s] = {row[0], row[1], row[2], row[3], row[4], row[5], total, all_panels, all_keys};
        all_panels += ceil_div<std::ptrdiff_t>(total, panel_width);
        all_keys += total;
        reach_ = larger(reach_, total + row[1]);
    }
    if (present(op.relative_bias)) plan_bias();
}

void AttentionPlan::plan_bias() {
    const std::ptrdiff_t width = 2 * reach_ + 1;
    buckets_ = context.workspace.ints(width);
    bias_ = context.workspace.floats(op.heads * width);
    for (std::ptrdiff_t d = 0; d < width; d++) {
        buckets_[d] = relative_bucket(d - reach_, op.relative_bias.rows, op.relative_max_distance, op.relative_bidirectional != 0);
        for (std::ptrdiff_t h = 0; h < op.heads; h++) bias_[h * width + d] = row(op.relative_bias, buckets_[d])[h];
    }
}

const float* AttentionPlan::pack(const pn_tensor& main, const pn_tensor& prefix) const {
    float* packed = context.workspace.floats(all_panels * op.kv_heads * op.head_dim * panel_width);
    for_rows(context, sequences * op.kv_heads, static_cast<double>(all_keys) / static_cast<double>(larger<std::ptrdiff_t>(1, sequences)) * op.head_dim, [&](std::ptrdiff_t task) {
        const Sequence& q = sequences_[task / op.kv_heads];
        const std::ptrdiff_t kv = task % op.kv_heads;
        for (std::ptrdiff_t j = 0; j < q.total; j += panel_width) {
            float* to = panel(packed, q, kv, j);
            const std::ptrdiff_t end = smaller(q.total, j + panel_width), split = larger(j, smaller(q.prefix, end));
            if (split > j)
                pack_panel(row(prefix, q.first_prefix + j) + kv * op.head_dim, prefix.stride, static_cast<int>(split - j), op.head_dim, nullptr, to);
            if (end > split)
                pack_panel(row(main, q.first_key + split - q.prefix) + kv * op.kv_head_stride, main.stride, static_cast<int>(end - split),
                           op.head_dim, nullptr, to + (split - j));
        }
    });
    return packed;
}

int AttentionPlan::rows_as_segments(const pn_tensor& main, const pn_tensor& prefix, const Sequence& q, std::ptrdiff_t kv, Range keys,
                                    std::ptrdiff_t d, const float* left, std::ptrdiff_t left_stride, Segment* out) const {
    int count = 0;
    const std::ptrdiff_t split = larger(keys.begin, smaller(q.prefix, keys.end));
    if (split > keys.begin)
        out[count++] = {{left, left_stride, panel_width}, row(prefix, q.first_prefix + keys.begin) + kv * op.head_dim + d,
                        prefix.stride, split - keys.begin};
    if (keys.end > split)
        out[count++] = {{left + (split - keys.begin), left_stride, panel_width},
                        row(main, q.first_key + split - q.prefix) + kv * op.kv_head_stride + d, main.stride, keys.end - split};
    return count;
}

void AttentionPlan::finish_scores(const Sequence& q, std::ptrdiff_t head, std::ptrdiff_t i, std::ptrdiff_t key, std::ptrdiff_t count,
                                  float* scores) const {
    const F scale = set(static_cast<float>(op.scale));
    const F cap = set(static_cast<float>(op.soft_cap)), by_cap = set(op.soft_cap > 0 ? static_cast<float>(1 / op.soft_cap) : 0.0f);
    const float* bias = bias_ == nullptr ? nullptr : bias_ + head * (2 * reach_ + 1) + reach_ + (key - q.prefix) - position(q, i);
    const Range range = seen(q, i);
    const std::ptrdiff_t begin = smaller(count, larger<std::ptrdiff_t>(0, range.begin - key));
    const std::ptrdiff_t end = larger(begin, smaller(count, range.end - key));
    for_vectors(end - begin, [&](std::ptrdiff_t c, int n) {
        float* s = scores + begin + c;
        F value = load(s, n) * scale;
        if (bias != nullptr) value += load(bias + begin + c, n);
        if (op.soft_cap > 0) value = cap * tanh(value * by_cap);
        store(s, value, n);
    });
    for (std::ptrdiff_t c = 0; c < begin; c++) scores[c] = -std::numeric_limits<float>::infinity();
    for (std::ptrdiff_t c = end; c < count; c++) scores[c] = -std::numeric_limits<float>::infinity();
}

void AttentionPlan::keep_factors(const Sequence& q, std::ptrdiff_t head, std::ptrdiff_t i, std::ptrdiff_t key, std::ptrdiff_t count,
                                 float* factors) const {
    const auto place = static_cast<std::uint64_t>((q.first_query + i) * op.heads + head);
    dropout_factors(op.dropout, (place << 20) + static_cast<std::uint64_t>(key), count, factors);
}

}  // namespace pn::PN_ISA
