#include <cmath>

#include "ops/common.h"
#include "ops/ops.h"

namespace pn::PN_ISA {

void adamw(pn_context& context, const pn_adamw& op) {
    const auto number = [](double x) { return set(static_cast<float>(x)); };
    const double correction1 = 1 - std::pow(op.beta1, op.step), correction2 = 1 - std::pow(op.beta2, op.step);
    const F shrink = number(1 - op.learning_rate * op.weight_decay), scale = number(op.gradient_scale);
    const F beta1 = number(op.beta1), rest1 = number(1 - op.beta1), beta2 = number(op.beta2),
            rest2 = number(1 - op.beta2);
    const F step = number(op.learning_rate / correction1), root = number(1 / std::sqrt(correction2)),
            epsilon = number(op.epsilon);
    const std::ptrdiff_t count = op.values.columns;
    const int workers = context.workers(4.0 * static_cast<double>(count));
    context.pool.run(workers, [&](int worker) {
        const Range range = part_of(count, worker, workers, 16);
        for_vectors(range.end - range.begin, [&](std::ptrdiff_t offset, int n) {
            const std::ptrdiff_t i = range.begin + offset;
            const F g = load(data(op.gradients) + i, n) * scale;
            const F m = fma(beta1, load(data(op.first_moment) + i, n), rest1 * g);
            const F v = fma(beta2, load(data(op.second_moment) + i, n), rest2 * g * g);
            const F value = load(data(op.values) + i, n) * shrink;
            store(data(op.first_moment) + i, m, n);
            store(data(op.second_moment) + i, v, n);
            store(data(op.values) + i, value - step * m / fma(sqrt(v), root, epsilon), n);
        });
    });
}

}  // namespace pn::PN_ISA
