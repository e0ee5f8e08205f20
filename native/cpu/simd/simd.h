// The vectors the kernels are written with: F is a vector of W floats, M a mask over it. Everything that is compiled
// per instruction set lives in the namespace pn::PN_ISA, so that no code of one set can be linked into another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(_MSC_VER)
#define PN_RESTRICT __restrict
#define PN_INLINE __forceinline
#define PN_UNROLL
#else
#define PN_RESTRICT __restrict__
#define PN_INLINE inline __attribute__((always_inline))
#if defined(__SANITIZE_ADDRESS__)
#define PN_UNROLL  // every access is checked there: unrolled, a tile takes half a minute to compile
#else
#define PN_UNROLL _Pragma("GCC unroll 16")
#endif
#endif

namespace pn::PN_ISA {

// An element of 16 bits: the upper half of a float.
struct bf16 {
    std::uint16_t bits;
};

}  // namespace pn::PN_ISA

#if defined(PN_ISA_avx512) || defined(PN_ISA_avx512bf16)
#include "simd/avx512.h"
#elif defined(PN_ISA_avx2)
#include "simd/avx2.h"
#else
#include "simd/portable.h"
#endif

namespace pn::PN_ISA {

// Asks for a cache line, into the second level or (soon needed) into the first.
PN_INLINE void prefetch(const void* p, bool soon) {
#if defined(__GNUC__)
    if (soon) __builtin_prefetch(p, 0, 3);
    else __builtin_prefetch(p, 0, 2);
#else
    (void)p;
    (void)soon;
#endif
}

PN_INLINE F operator+=(F& a, F b) { return a = a + b; }
PN_INLINE F operator-(F a) { return zero() - a; }

template <class T> PN_INLINE T smaller(T a, T b) { return b < a ? b : a; }
template <class T> PN_INLINE T larger(T a, T b) { return a < b ? b : a; }
template <class T> PN_INLINE T ceil_div(T a, T b) { return (a + b - 1) / b; }

// The sum of each of W vectors.
PN_INLINE F sums_of(F (&a)[W]) {
    transpose(a);
    PN_UNROLL
    for (int half = W / 2; half > 0; half /= 2) {
        PN_UNROLL
        for (int i = 0; i < half; i++) a[i] += a[i + half];
    }
    return a[0];
}

// Calls body(i, n) for the full vectors (n = W) and the rest (n < W) of count elements.
template <class Body>
PN_INLINE void for_vectors(std::ptrdiff_t count, Body&& body) {
    std::ptrdiff_t i = 0;
    for (; i + W <= count; i += W) body(i, W);
    if (i < count) body(i, static_cast<int>(count - i));
}

// Loads or stores n <= W elements; absent elements read as zero.
template <class T>
PN_INLINE F load(const T* p, int n) { return n == W ? load(p) : load_part(p, n); }
template <class T>
PN_INLINE void store(T* p, F v, int n) {
    if (n == W) store(p, v);
    else store_part(p, v, n);
}

}  // namespace pn::PN_ISA
