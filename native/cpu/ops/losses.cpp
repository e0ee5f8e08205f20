#include <cmath>
#include <limits>

#include "ops/common.h"
#include "ops/ops.h"
#include "simd/math.h"

namespace pn::PN_ISA {

namespace {

struct Cap {
    F cap, reciprocal;
    bool on;

    explicit Cap(double soft_cap)
        : cap(set(static_cast<float>(soft_cap))),
          reciprocal(set(soft_cap > 0 ? static_cast<float>(1 / soft_cap) : 0.0f)),
          on(soft_cap > 0) {}
    PN_INLINE F operator()(F x) const { return on ? cap * tanh(x * reciprocal) : x; }
    PN_INLINE F slope(F x) const {
        const F t = tanh(x * reciprocal);
        return fnma(t, t, set(1.0f));
    }
};

constexpr float minus_infinity = -std::numeric_limits<float>::infinity();

struct Peak {
    float value;
    std::ptrdiff_t index;
};

// The largest (capped) score and the first place where it stands.
template <class T>
Peak peak_of(const T* z, std::ptrdiff_t count, const Cap& cap) {
    F best = set(minus_infinity);
    std::ptrdiff_t c = 0;
    for (; c + W <= count; c += W) best = max(best, cap(load(z + c)));
    float value = largest(best);
    float rest[W];
    const auto left = static_cast<int>(count - c);
    store(rest, cap(load_part(z + c, left)));
    for (int i = 0; i < left; i++) value = larger(value, rest[i]);
    for (std::ptrdiff_t i = 0; i < count; i += W) {
        const int n = static_cast<int>(smaller<std::ptrdiff_t>(W, count - i));
        const F scores = cap(load(z + i, n));
        if (!any(equal(scores, set(value)))) continue;
        store(rest, scores);
        for (int k = 0; k < n; k++)
            if (rest[k] == value) return {value, i + k};
    }
    return {value, 0};
}

float first_lane(F x) {
    float lanes[W];
    store(lanes, x);
    return lanes[0];
}

template <class T>
float capped(const T* z, const Cap& cap) {
    return first_lane(cap(load_part(z, 1)));
}

template <class T>
void cross_entropy_row(const pn_cross_entropy& op, const Cap& cap, std::ptrdiff_t m) {
    T* z = row<T>(op.logits, m);
    const std::ptrdiff_t count = op.logits.columns;
    const int label = ints(op.labels)[m];
    const Peak peak = peak_of(z, count, cap);
    const F top = set(peak.value);
    const float score = capped(z + label, cap);
    // What the gradient needs again is kept where it loses nothing.
    const bool keeps = sizeof(T) == sizeof(float) && op.gradient && !cap.on;
    F total = zero();
    for_vectors(count, [&](std::ptrdiff_t c, int n) {
        const F e = keep(exp(cap(load(z + c, n)) - top), n);
        total += e;
        if (keeps) store(z + c, e, n);
    });
    const float denominator = sum(total);
    data(op.loss)[m] = peak.value - score + std::log(denominator);
    if (present(op.correct)) static_cast<int*>(op.correct.data)[m] = peak.index == label ? 1 : 0;
    if (!op.gradient) return;

    const auto scale = static_cast<float>(op.gradient_scale);
    const F factor = set(scale / denominator);
    if (keeps) {
        const F one_hot = load(z + label, 1) * factor - set(scale);
        for_vectors(count, [&](std::ptrdiff_t c, int n) { store(z + c, load(z + c, n) * factor, n); });
        return store(z + label, one_hot, 1);
    }
    const F of_label = load(z + label, 1);
    const F one_hot = set(scale) * (cap.on ? cap.slope(of_label) : set(1.0f));
    F label_gradient = exp(cap(of_label) - top) * factor;
    if (cap.on) label_gradient = label_gradient * cap.slope(of_label);
    for_vectors(count, [&](std::ptrdiff_t c, int n) {
        const F x = load(z + c, n);
        F d = exp(cap(x) - top) * factor;
        if (cap.on) d = d * cap.slope(x);
        store(z + c, d, n);
    });
    store(z + label, label_gradient - one_hot, 1);
}

// The loss and its slope of one element.
struct Element {
    float loss, slope;
};

Element squared_error(float z, float t) {
    const float d = z - t;
    return {d * d, 2 * d};
}

Element binary_cross_entropy(float z, float t) {
    const float e = std::exp(-std::fabs(z));
    const float s = z >= 0 ? 1 / (1 + e) : e / (1 + e);
    return {larger(z, 0.0f) - z * t + std::log1p(e), s - t};
}

}  // namespace

void cross_entropy(pn_context& context, const pn_cross_entropy& op) {
    const Cap cap(op.soft_cap);
    with_element(op.logits, [&](auto e) {
        for_rows(context, op.logits.rows, 24.0 * op.logits.columns,
                 [&](std::ptrdiff_t m) { cross_entropy_row<decltype(e)>(op, cap, m); });
    });
}

template <class T>
static void regression(pn_context& context, const pn_regression_loss& op) {
    constexpr int mean_squared_error = 0;
    const auto scale = static_cast<float>(op.gradient_scale);
    for_rows(context, op.logits.rows, 64.0 * op.logits.columns, [&](std::ptrdiff_t m) {
        T* z = row<T>(op.logits, m);
        float total = 0;
        const float* t = row(op.targets, m);
        for (int n = 0; n < op.logits.columns; n++) {
            const float score = first_lane(load(z + n, 1));
            const Element e =
                op.kind == mean_squared_error ? squared_error(score, t[n]) : binary_cross_entropy(score, t[n]);
            total += e.loss;
            if (op.gradient) store(z + n, set(scale * e.slope), 1);
        }
        data(op.loss)[m] = total;
    });
}

void regression_loss(pn_context& context, const pn_regression_loss& op) {
    with_element(op.logits, [&](auto e) { regression<decltype(e)>(context, op); });
}

}  // namespace pn::PN_ISA
