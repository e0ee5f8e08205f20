#include <cmath>

#include "ops/common.h"
#include "ops/ops.h"

namespace pn::PN_ISA {

namespace {

constexpr int layer_norm = 0;

// The groups of a norm as rows of their own: group g of row m is number m * groups + g.
struct Groups {
    std::ptrdiff_t per_row, width;

    explicit Groups(const pn_norm& op) : per_row(op.groups), width(op.x.columns / op.groups) {}
    template <class T>
    T* of(const pn_tensor& t, std::ptrdiff_t index) const {
        return row<T>(t, index / per_row) + index % per_row * width;
    }
    float& saved(const pn_tensor& t, std::ptrdiff_t index) const { return row(t, index / per_row)[index % per_row]; }
};

template <class Value>
PN_INLINE float sum_over(std::ptrdiff_t width, Value&& value) {
    F total = zero();
    for_vectors(width, [&](std::ptrdiff_t c, int n) { total += value(c, n); });
    return sum(total);
}

PN_INLINE F gain(const pn_norm& op, F offset, std::ptrdiff_t c, int n) { return load(data(op.gamma) + c, n) + offset; }

template <class T>
void normalise(const pn_norm& op, const Groups& groups, std::ptrdiff_t index) {
    const T* x = groups.of<T>(op.x, index);
    const auto width = static_cast<float>(groups.width);
    float mean = 0;
    if (op.kind == layer_norm) {
        mean = sum_over(groups.width, [&](std::ptrdiff_t c, int n) { return load(x + c, n); }) / width;
        if (present(op.mean)) groups.saved(op.mean, index) = mean;
    }
    const F centre = set(mean);
    F total = zero(), squares = zero();
    for_vectors(groups.width, [&](std::ptrdiff_t c, int n) {
        const F d = keep(load(x + c, n) - centre, n);
        total += d;
        squares = fma(d, d, squares);
    });
    // What the rounding of the mean left over; it matters where a row is nearly constant.
    const float rest = op.kind == layer_norm ? sum(total) / width : 0.0f;
    const float variance = larger(sum(squares) / width - rest * rest, 0.0f);
    const float rstd = 1.0f / std::sqrt(variance + static_cast<float>(op.epsilon));
    if (present(op.rstd)) groups.saved(op.rstd, index) = rstd;
    T* y = groups.of<T>(op.y, index);
    const F offset = set(static_cast<float>(op.gamma_offset)), factor = set(rstd);
    for_vectors(groups.width, [&](std::ptrdiff_t c, int n) {
        F value = (load(x + c, n) - centre - set(rest)) * factor * gain(op, offset, c, n);
        if (present(op.beta)) value += load(data(op.beta) + c, n);
        store(y + c, value, n);
    });
}

PN_INLINE float saved_mean(const pn_norm& op, const Groups& groups, std::ptrdiff_t index) {
    return op.kind == layer_norm ? groups.saved(op.mean, index) : 0.0f;
}

// With h the normalised x and w = dY * gain: dX = rstd * (w - mean(w) - h * mean(w h)); no mean(w) for RMSNorm.
template <class T>
void input_gradient(const pn_norm& op, const pn_norm_gradients& g, const Groups& groups, std::ptrdiff_t index) {
    const T *x = groups.of<T>(op.x, index), *dy = groups.of<T>(g.dy, index);
    T* dx = groups.of<T>(g.dx, index);
    const auto width = static_cast<float>(groups.width);
    const F centre = set(saved_mean(op, groups, index)), rstd = set(groups.saved(op.rstd, index));
    const F offset = set(static_cast<float>(op.gamma_offset));
    F total = zero(), product = zero();
    for_vectors(groups.width, [&](std::ptrdiff_t c, int n) {
        const F w = load(dy + c, n) * gain(op, offset, c, n);  // zero behind the end, as dY reads zero there
        total += w;
        product = fma(w, (load(x + c, n) - centre) * rstd, product);
    });
    const F mean_w = set(op.kind == layer_norm ? sum(total) / width : 0.0f), mean_wh = set(sum(product) / width);
    for_vectors(groups.width, [&](std::ptrdiff_t c, int n) {
        const F w = load(dy + c, n) * gain(op, offset, c, n), h = (load(x + c, n) - centre) * rstd;
        const F value = rstd * (w - mean_w - h * mean_wh);
        store(dx + c, g.accumulate_dx ? load(dx + c, n) + value : value, n);
    });
}

template <class T>
void backward(pn_context& context, const pn_norm& op, const pn_norm_gradients& g) {
    const Groups groups(op);
    const std::ptrdiff_t count = op.x.rows * groups.per_row;
    // The parameters first: dX may be dY.
    if (present(g.dgamma))
        add_column_sums(context, count, groups.width, data(g.dgamma),
                        [&](std::ptrdiff_t index, std::ptrdiff_t c, int n) {
                            const F h = (load(groups.of<T>(op.x, index) + c, n) - set(saved_mean(op, groups, index))) *
                                        set(groups.saved(op.rstd, index));
                            return load(groups.of<T>(g.dy, index) + c, n) * h;
                        });
    if (present(g.dbeta))
        add_column_sums(
            context, count, groups.width, data(g.dbeta),
            [&](std::ptrdiff_t index, std::ptrdiff_t c, int n) { return load(groups.of<T>(g.dy, index) + c, n); });
    if (present(g.dx))
        for_rows(context, count, 8.0 * static_cast<double>(groups.width),
                 [&](std::ptrdiff_t index) { input_gradient<T>(op, g, groups, index); });
}

}  // namespace

void norm_forward(pn_context& context, const pn_norm& op) {
    const Groups groups(op);
    with_element(op.x, [&](auto e) {
        for_rows(context, op.x.rows * groups.per_row, 4.0 * static_cast<double>(groups.width),
                 [&](std::ptrdiff_t index) { normalise<decltype(e)>(op, groups, index); });
    });
}

void norm_backward(pn_context& context, const pn_norm& op, const pn_norm_gradients& g) {
    with_element(op.x, [&](auto e) { backward<decltype(e)>(context, op, g); });
}

}  // namespace pn::PN_ISA
