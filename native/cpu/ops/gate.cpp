#include <type_traits>

// GCC 12 gets the portable erf on bf16 rows wrong when it makes
// vectors of the four lanes by itself; the operation cases show it.
#if defined(PN_ISA_portable) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-slp-vectorize")
#endif

#include "ops/common.h"
#include "ops/ops.h"
#include "simd/math.h"

namespace pn::PN_ISA {

namespace {

enum Activation { identity, relu, gelu, gelu_tanh, silu, hyperbolic_tangent, logistic };

struct Point {
    F value, slope;
};

constexpr float root_2_by_pi = 0.797884560802865356f;
constexpr float cubic = 0.044715f;

// f(x) and f'(x); the compiler drops the half that is not used.
template <int A>
PN_INLINE Point activate(F x) {
    const F one = set(1.0f), half = set(0.5f);
    if constexpr (A == relu) return {max(x, zero()), select(zero() < x, one, zero())};
    if constexpr (A == gelu) {
        const F phi = half * (one + erf(x * set(0.707106781186547524f)));
        const F density = exp(x * x * set(-0.5f)) * set(0.398942280401432678f);
        return {x * phi, fma(x, density, phi)};
    }
    if constexpr (A == gelu_tanh) {
        const F square = x * x;
        const F t = tanh(x * fma(square, set(root_2_by_pi * cubic), set(root_2_by_pi)));
        const F inner = fma(square, set(3.0f * root_2_by_pi * cubic), set(root_2_by_pi));
        const F phi = half * (one + t);
        return {x * phi, fma(half * x * (one - t * t), inner, phi)};
    }
    if constexpr (A == silu) {
        const F s = sigmoid(x);
        return {x * s, s * fma(x, one - s, one)};
    }
    if constexpr (A == hyperbolic_tangent) {
        const F t = tanh(x);
        return {t, fnma(t, t, one)};
    }
    if constexpr (A == logistic) {
        const F s = sigmoid(x);
        return {s, s * (one - s)};
    }
    return {x, one};
}

template <int A, class T>
void forward(pn_context& context, const pn_gate& op) {
    for_rows(context, op.x.rows, 16.0 * op.x.columns, [&](std::ptrdiff_t m) {
        for_vectors(op.x.columns, [&](std::ptrdiff_t c, int n) {
            F y = activate<A>(load(row<T>(op.x, m) + c, n)).value;
            if (present(op.up)) y = y * load(row<T>(op.up, m) + c, n);
            store(row<T>(op.y, m) + c, y, n);
        });
    });
}

template <int A, class T>
void backward(pn_context& context, const pn_gate& op, const pn_gate_gradients& g) {
    for_rows(context, op.x.rows, 24.0 * op.x.columns, [&](std::ptrdiff_t m) {
        for_vectors(op.x.columns, [&](std::ptrdiff_t c, int n) {
            const F dy = load(row<T>(g.dy, m) + c, n);
            const Point f = activate<A>(load(row<T>(op.x, m) + c, n));
            if (!present(op.up)) return store(row<T>(g.dx, m) + c, dy * f.slope, n);
            const F up = load(row<T>(op.up, m) + c, n);
            if (present(g.dx)) store(row<T>(g.dx, m) + c, dy * up * f.slope, n);
            if (present(g.dup)) store(row<T>(g.dup, m) + c, dy * f.value, n);
        });
    });
}

// Calls body with the activation as a constant.
template <class Body>
void with_activation(int activation, Body&& body) {
    switch (activation) {
        case relu: return body(std::integral_constant<int, relu>());
        case gelu: return body(std::integral_constant<int, gelu>());
        case gelu_tanh: return body(std::integral_constant<int, gelu_tanh>());
        case silu: return body(std::integral_constant<int, silu>());
        case hyperbolic_tangent: return body(std::integral_constant<int, hyperbolic_tangent>());
        case logistic: return body(std::integral_constant<int, logistic>());
        default: return body(std::integral_constant<int, identity>());
    }
}

}  // namespace

void gate_forward(pn_context& context, const pn_gate& op) {
    with_activation(op.activation, [&](auto a) {
        with_element(op.x, [&](auto e) { forward<decltype(a)::value, decltype(e)>(context, op); });
    });
}

void gate_backward(pn_context& context, const pn_gate& op, const pn_gate_gradients& g) {
    with_activation(op.activation, [&](auto a) {
        with_element(op.x, [&](auto e) { backward<decltype(a)::value, decltype(e)>(context, op, g); });
    });
}

}  // namespace pn::PN_ISA
