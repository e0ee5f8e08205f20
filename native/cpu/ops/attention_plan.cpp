#include <cmath>
#include <limits>
#include <type_traits>

#include "gemm/pack.h"
#include "ops/attention.h"
#include "ops/dropout.h"

namespace pn::PN_ISA {

namespace {

alignas(64) constexpr float lane_numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// Raffel et al. 2019 (arXiv:1910.10683), section 2.1. Single precision, as where the
// checkpoints come from: rounding decides at the edges of buckets. Compared before it
// becomes a whole number: with few buckets or a short distance it may be infinite or none.
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
    const float steps = share * static_cast<float>(buckets - exact);
    if (steps >= static_cast<float>(buckets - 1 - exact)) return first + buckets - 1;
    return first + (steps > static_cast<float>(-exact) ? exact + static_cast<int>(steps) : 0);
}

}  // namespace

AttentionPlan::AttentionPlan(pn_context& context, const pn_attention& op)
    : context(context),
      op(op),
      sequences(op.segments.rows),
      sequences_(
          static_cast<Sequence*>(context.workspace.bytes(sizeof(Sequence) * static_cast<std::size_t>(sequences)))) {
    for (std::ptrdiff_t s = 0; s < sequences; s++) {
        const int* row = ints(op.segments) + s * op.segments.stride;
        const std::ptrdiff_t total = row[5] + row[3];
        sequences_[s] = {row[0], row[1], row[2], row[3], row[4], row[5], total, all_keys};
        longest = larger(longest, total);
        all_keys += total;
        reach_ = larger(reach_, total + row[1]);
    }
    if (present(op.relative_bias)) plan_bias();
}

void AttentionPlan::plan_bias() {
    const std::ptrdiff_t width = distances(), last = 2 * reach_;
    buckets_ = context.workspace.ints(width);
    bias_ = context.workspace.floats(op.heads * width);
    turned_bias_ = context.workspace.floats(op.heads * width);
    std::memset(turned_bias_, 0, sizeof(float) * static_cast<std::size_t>(op.heads * width));
    for (std::ptrdiff_t d = 0; d <= last; d++) {
        buckets_[d] = relative_bucket(d - reach_, op.relative_bias.rows, op.relative_max_distance,
                                      op.relative_bidirectional != 0);
        for (std::ptrdiff_t h = 0; h < op.heads; h++)
            bias_[h * width + d] = turned_bias_[h * width + last - d] = row(op.relative_bias, buckets_[d])[h];
    }
}

template <class Body>
void AttentionPlan::for_runs(const pn_tensor& main, const pn_tensor& prefix, const Sequence& q, std::ptrdiff_t kv,
                             Body&& body) const {
    for (std::ptrdiff_t j = 0, end; j < q.total; j = end) {
        const bool in_prefix = j < q.prefix;
        end = smaller(in_prefix ? q.prefix : q.total, (j / panel_width + 1) * panel_width);
        const pn_tensor& t = in_prefix ? prefix : main;
        const std::ptrdiff_t first = in_prefix ? q.first_prefix + j : q.first_key + j - q.prefix;
        const std::ptrdiff_t column = kv * (in_prefix ? op.head_dim : op.kv_head_stride);
        with_element(t, [&](auto e) { body(j, row<decltype(e)>(t, first) + column, t.stride, end - j); });
    }
}

template <Words words>
void AttentionPlan::copy_keys(const pn_tensor& main, const pn_tensor& prefix, const Sequence& q, std::ptrdiff_t kv,
                              float* rows) const {
    using Element = std::conditional_t<words == Words::pairs, bf16, float>;
    const std::ptrdiff_t stride = words_of_a_row(words) * each(words);
    auto* out = reinterpret_cast<Element*>(rows);
    for_runs(main, prefix, q, kv,
             [&](std::ptrdiff_t j, const auto* from, std::ptrdiff_t from_stride, std::ptrdiff_t count) {
                 copy_rows(from, from_stride, count, op.head_dim, out + j * stride, stride);
                 for (std::ptrdiff_t r = j; stride > op.head_dim && r < j + count; r++)
                     out[r * stride + op.head_dim] = Element{};
             });
}

template void AttentionPlan::copy_keys<Words::floats>(const pn_tensor&, const pn_tensor&, const Sequence&,
                                                      std::ptrdiff_t, float*) const;
template void AttentionPlan::copy_keys<Words::pairs>(const pn_tensor&, const pn_tensor&, const Sequence&,
                                                     std::ptrdiff_t, float*) const;

void AttentionPlan::turn_keys(const pn_tensor& main, const pn_tensor& prefix, const Sequence& q, std::ptrdiff_t kv,
                              float* panels) const {
    for_runs(main, prefix, q, kv, [&](std::ptrdiff_t j, const auto* from, std::ptrdiff_t stride, std::ptrdiff_t count) {
        float* panel = panels + j / panel_width * op.head_dim * panel_width;
        pack_panel(from, stride, static_cast<int>(count), op.head_dim, panel + j % panel_width);
    });
}

void AttentionPlan::finish_scores(const Sequence& q, std::ptrdiff_t head, std::ptrdiff_t i, std::ptrdiff_t key,
                                  std::ptrdiff_t count, float* scores) const {
    const F scale = set(static_cast<float>(op.scale));
    const float* bias =
        bias_ == nullptr ? nullptr : bias_ + head * distances() + reach_ + (key - q.prefix) - position(q, i);
    const Range range = seen(q, i);
    const std::ptrdiff_t begin = smaller(count, larger<std::ptrdiff_t>(0, range.begin - key));
    const std::ptrdiff_t end = larger(begin, smaller(count, range.end - key));
    const F lanes = load(lane_numbers), unseen = set(-std::numeric_limits<float>::infinity());
    for (std::ptrdiff_t c = 0; c < count; c += W) {
        F value = load(scores + c) * scale;
        if (bias != nullptr) value += load(bias + c, static_cast<int>(smaller<std::ptrdiff_t>(W, count - c)));
        if (op.soft_cap > 0) value = capped(value);
        if (c < begin) value = select(lanes < set(static_cast<float>(begin - c)), unseen, value);
        if (c + W > end) value = select(lanes < set(static_cast<float>(end - c)), value, unseen);
        store(scores + c, value);
    }
}

void AttentionPlan::keep_factors(const Sequence& q, std::ptrdiff_t head, std::ptrdiff_t i, std::ptrdiff_t key,
                                 std::ptrdiff_t count, float* factors) const {
    const auto place = static_cast<std::uint64_t>((q.first_query + i) * op.heads + head);
    dropout_factors(op.dropout, (place << 20) + static_cast<std::uint64_t>(key), count, factors);
}

}  // namespace pn::PN_ISA
