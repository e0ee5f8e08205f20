#include "ops/common.h"
#include "ops/ops.h"

namespace pn::PN_ISA {

// Rotates by the angle, or back by it: the transpose has the opposite sine.
template <class T>
static void rotate(pn_context& context, const pn_rope& op, bool backward) {
    const std::ptrdiff_t half = op.cos.columns;
    const F sign = set(backward ? -1.0f : 1.0f);
    for_rows(context, op.x.rows, 4.0 * static_cast<double>(half) * op.heads, [&](std::ptrdiff_t m) {
        const int position = ints(op.positions)[m];
        const float *cos = row(op.cos, position), *sin = row(op.sin, position);
        for_vectors(half, [&](std::ptrdiff_t i, int n) {
            const F c = load(cos + i, n), s = load(sin + i, n) * sign;
            T* x = row<T>(op.x, m) + i;
            for (int h = 0; h < op.heads; h++, x += op.head_stride) {
                const F a = load(x, n), b = load(x + half, n);
                store(x, a * c - b * s, n);
                store(x + half, b * c + a * s, n);
            }
        });
    });
}

void rope(pn_context& context, const pn_rope& op, bool backward) {
    with_element(op.x, [&](auto e) { rotate<decltype(e)>(context, op, backward); });
}

}  // namespace pn::PN_ISA
