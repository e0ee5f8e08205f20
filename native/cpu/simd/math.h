// exp, tanh, erf and friends on vectors: within a few units in the last place over the whole range, NaN in, NaN out.
#pragma once

#include "simd/simd.h"

namespace pn::PN_ISA {

namespace detail {

constexpr float log2_e = 1.44269504088896341f;
constexpr float ln2_high = 0.693359375f;  // few enough bits that n * ln2_high is exact
constexpr float ln2_low = -2.12194440e-4f;

struct Reduced {
    F n, r;  // x = n ln 2 + r with |r| <= ln 2 / 2
};

PN_INLINE Reduced reduce(F x) {
    const F n = round(x * set(log2_e));
    return {n, fnma(n, set(ln2_low), fnma(n, set(ln2_high), x))};
}

// (e^r - 1) / r by its Taylor series; the first term left out is below 6e-9 of the result.
PN_INLINE F exp_minus_one_by_r(F r) {
    F p = set(1.0f / 5040);
    p = fma(p, r, set(1.0f / 720));
    p = fma(p, r, set(1.0f / 120));
    p = fma(p, r, set(1.0f / 24));
    p = fma(p, r, set(1.0f / 6));
    p = fma(p, r, set(0.5f));
    return fma(p, r, set(1.0f));
}

}  // namespace detail

PN_INLINE F exp(F x) {
    // Outside these bounds the result is 0 or infinity in fp32 anyway;
    // min and max would hide a NaN, the sum at the end does not.
    const F bounded = max(min(x, set(89.0f)), set(-104.0f));
    const auto [n, r] = detail::reduce(bounded);
    const F p = fma(detail::exp_minus_one_by_r(r), r, set(1.0f));
    return select(is_nan(x), x, times_pow2(p, n));
}

PN_INLINE F sigmoid(F x) { return set(1.0f) / (set(1.0f) + exp(-x)); }

// With e = e^{2|x|} - 1 the hyperbolic tangent is e / (e + 2), free of cancellation.
PN_INLINE F tanh(F x) {
    const F twice = min(abs(x) * set(2.0f), set(40.0f));
    const auto [n, r] = detail::reduce(twice);
    const F scale = pow2(n);
    const F e = fma(detail::exp_minus_one_by_r(r) * r, scale, scale - set(1.0f));
    const F y = with_sign_of(e / (e + set(2.0f)), x);
    return select(is_nan(x), x, y);
}

// |x| < 0.9: the Maclaurin series; beyond: 1 - e^{q(|x|)}, q an
// interpolation of log erfc in Chebyshev points of [0.9, 4].
PN_INLINE F erf(F x) {
    const F a = min(abs(x), set(4.0f));
    const F z = a * a;
    F s = set(-1.0f / (5040 * 15));
    F t = set(1.0f / (40320 * 17));
    s = fma(fma(fma(set(1.0f / (3628800.0f * 21)), z, set(-1.0f / (362880.0f * 19))), z, t), z, s);
    s = fma(s, z, set(1.0f / (720 * 13)));
    s = fma(s, z, set(-1.0f / (120 * 11)));
    s = fma(s, z, set(1.0f / (24 * 9)));
    s = fma(s, z, set(-1.0f / (6 * 7)));
    s = fma(s, z, set(1.0f / (2 * 5)));
    s = fma(s, z, set(-1.0f / 3));
    const F near = fma(s * z, a, a) * set(1.12837916709551257f);  // 2 / sqrt(pi)
    F q = set(1.6430636555e-6f);
    q = fma(q, a, set(-4.6163858631e-5f));
    q = fma(q, a, set(5.9758577035e-4f));
    q = fma(q, a, set(-4.7626258334e-3f));
    q = fma(q, a, set(2.6427637157e-2f));
    q = fma(q, a, set(-1.1008716650e-1f));
    q = fma(q, a, set(-6.3182391810e-1f));
    q = fma(q, a, set(-1.1302310552f));
    q = fma(q, a, set(3.1853966435e-4f));
    const F far = set(1.0f) - exp(q);
    const F y = with_sign_of(select(a < set(0.9f), near, far), x);
    return select(is_nan(x), x, y);
}

}  // namespace pn::PN_ISA
