// Eight floats at a time, and the 8 x 8 transposition that turns columns into rows.
#pragma once

#include "simd/simd.h"

namespace pn::PN_ISA {

#if defined(PN_HAS_TRANSPOSE8)

struct Octet { __m256 v; };

PN_INLINE __m256i octet_mask(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
PN_INLINE Octet octet(float x) { return {_mm256_set1_ps(x)}; }
PN_INLINE Octet load_octet(const float* p) { return {_mm256_loadu_ps(p)}; }
PN_INLINE Octet load_octet(const float* p, int n) {
    return n == 8 ? load_octet(p) : Octet{_mm256_maskload_ps(p, octet_mask(n))};
}
PN_INLINE void store_octet(float* p, Octet a) { _mm256_storeu_ps(p, a.v); }
PN_INLINE void store_octet(float* p, Octet a, int n) {
    if (n == 8) store_octet(p, a);
    else _mm256_maskstore_ps(p, octet_mask(n), a.v);
}
PN_INLINE Octet load_octet(const bf16* p, int n) {
    bf16 all[8] = {};
    if (n != 8) {
        for (int i = 0; i < n; i++) all[i] = p[i];
        p = all;
    }
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16))};
}
PN_INLINE Octet load_octet(const bf16* p) { return load_octet(p, 8); }
PN_INLINE Octet operator+(Octet a, Octet b) { return {_mm256_add_ps(a.v, b.v)}; }
PN_INLINE Octet operator*(Octet a, Octet b) { return {_mm256_mul_ps(a.v, b.v)}; }

// Rows become columns: three rounds of exchanging neighbours, pairs and halves.
PN_INLINE void transpose_octets(Octet (&a)[8]) {
    __m256 b[8];
    PN_UNROLL
    for (int i = 0; i < 8; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i].v, a[i + 1].v);
        b[i + 1] = _mm256_unpackhi_ps(a[i].v, a[i + 1].v);
    }
    __m256 c[8];
    PN_UNROLL
    for (int i = 0; i < 8; i += 4) {
        PN_UNROLL
        for (int h = 0; h < 2; h++) {
            c[i + 2 * h] = _mm256_shuffle_ps(b[i + h], b[i + h + 2], 0x44);
            c[i + 2 * h + 1] = _mm256_shuffle_ps(b[i + h], b[i + h + 2], 0xee);
        }
    }
    PN_UNROLL
    for (int i = 0; i < 4; i++) {
        a[i].v = _mm256_permute2f128_ps(c[i], c[i + 4], 0x20);
        a[i + 4].v = _mm256_permute2f128_ps(c[i], c[i + 4], 0x31);
    }
}

#else

struct Octet { float v[8]; };

template <class Lane>
PN_INLINE Octet octet_lanes(Lane lane) {
    Octet a;
    for (int i = 0; i < 8; i++) a.v[i] = lane(i);
    return a;
}
PN_INLINE Octet octet(float x) { return octet_lanes([=](int) { return x; }); }
PN_INLINE Octet load_octet(const float* p) { return octet_lanes([=](int i) { return p[i]; }); }
PN_INLINE Octet load_octet(const float* p, int n) { return octet_lanes([=](int i) { return i < n ? p[i] : 0.0f; }); }
PN_INLINE Octet load_octet(const bf16* p, int n) {
    return octet_lanes([=](int i) { return i < n ? float_of(static_cast<std::uint32_t>(p[i].bits) << 16) : 0.0f; });
}
PN_INLINE Octet load_octet(const bf16* p) { return load_octet(p, 8); }
PN_INLINE void store_octet(float* p, Octet a) { std::memcpy(p, a.v, sizeof a.v); }
PN_INLINE void store_octet(float* p, Octet a, int n) {
    for (int i = 0; i < n; i++) p[i] = a.v[i];
}
PN_INLINE Octet operator+(Octet a, Octet b) { return octet_lanes([&](int i) { return a.v[i] + b.v[i]; }); }
PN_INLINE Octet operator*(Octet a, Octet b) { return octet_lanes([&](int i) { return a.v[i] * b.v[i]; }); }

PN_INLINE void transpose_octets(Octet (&a)[8]) {
    for (int i = 0; i < 8; i++) {
        for (int j = 0; j < i; j++) {
            const float x = a[i].v[j];
            a[i].v[j] = a[j].v[i];
            a[j].v[i] = x;
        }
    }
}

#endif

}  // namespace pn::PN_ISA
