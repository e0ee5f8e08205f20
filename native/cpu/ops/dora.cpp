// Row norms of W + scale B A for DoRA, in pieces of a row: the adapted weight never exists as a whole.
#include <cmath>

#include "ops/common.h"
#include "ops/ops.h"

namespace pn::PN_ISA {

namespace {

// One row's sum of squares of W + scale * (B A), the low-rank part in pieces of the row.
template <class T>
float row_norm(const pn_dora_scale& op, std::ptrdiff_t i) {
    constexpr std::ptrdiff_t piece = 256;
    const float* b = row(op.b, i);
    const F scale = set(static_cast<float>(op.scale));
    float change[piece];
    D squares = dzero();
    for (std::ptrdiff_t c = 0; c < op.w.columns; c += piece) {
        const std::ptrdiff_t count = smaller(piece, op.w.columns - c);
        std::memset(change, 0, sizeof change);
        for (int r = 0; r < op.a.rows; r++) {
            const F factor = set(b[r]);
            const float* a = row(op.a, r) + c;
            for_vectors(count, [&](std::ptrdiff_t k, int n) {
                store(change + k, fma(factor, load(a + k, n), load(change + k)), W);
            });
        }
        const T* w = row<T>(op.w, i) + c;
        for_vectors(count, [&](std::ptrdiff_t k, int n) {
            squares = add_square(squares, fma(scale, load(change + k, n), load(w + k, n)));
        });
    }
    return static_cast<float>(std::sqrt(sum(squares)));
}

}  // namespace

void dora_scale_forward(pn_context& context, const pn_dora_scale& op) {
    const double steps = static_cast<double>(op.w.columns) * (1 + op.a.rows);
    with_element(op.w, [&](auto e) {
        for_rows(context, op.w.rows, steps, [&](std::ptrdiff_t i) {
            const float norm = row_norm<decltype(e)>(op, i);
            data(op.norm)[i] = norm;
            if (present(op.g)) data(op.g)[i] = data(op.magnitude)[i] / norm;
        });
    });
}

void dora_scale_backward(pn_context&, const pn_dora_scale& op, const pn_dora_scale_gradients& g) {
    for_vectors(op.w.rows, [&](std::ptrdiff_t c, int n) {
        float* to = data(g.dmagnitude) + c;
        store(to, load(to, n) + load(data(g.dg) + c, n) / load(data(op.norm) + c, n), n);
    });
}

}  // namespace pn::PN_ISA
