// AVX2 with FMA: 8 floats, 16 registers.
#pragma once

#include <immintrin.h>

namespace pn::PN_ISA {

constexpr int W = 8;
constexpr int tile_rows = 6;
constexpr int tile_vectors = 2;
constexpr bool multiplies_pairs = false;  // of bf16, faster than floats
inline constexpr const char* isa_name = "AVX2";

struct F { __m256 v; };
struct M { __m256 v; };

PN_INLINE __m256i first(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
PN_INLINE F zero() { return {_mm256_setzero_ps()}; }
PN_INLINE F set(float x) { return {_mm256_set1_ps(x)}; }
PN_INLINE F load(const float* p) { return {_mm256_loadu_ps(p)}; }
PN_INLINE F load_part(const float* p, int n) { return {_mm256_maskload_ps(p, first(n))}; }
PN_INLINE void store(float* p, F a) { _mm256_storeu_ps(p, a.v); }
PN_INLINE void store_part(float* p, F a, int n) { _mm256_maskstore_ps(p, first(n), a.v); }

// bf16 lies in the upper half of a float. Storing rounds to nearest, ties to even; a NaN stays one.
PN_INLINE F load(const bf16* p) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16))};
}
PN_INLINE F load_part(const bf16* p, int n) {
    bf16 all[W] = {};
    for (int i = 0; i < n; i++) all[i] = p[i];
    return load(all);
}
PN_INLINE F rounded(F a) {  // to what bf16 can hold
    const __m256i bits = _mm256_castps_si256(a.v),
                  odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i near = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256 value =
        _mm256_blendv_ps(_mm256_castsi256_ps(near), _mm256_castsi256_ps(quiet), _mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q));
    return {_mm256_and_ps(value, _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(0xffff0000u))))};
}
PN_INLINE void store(bf16* p, F a) {
    const __m256i upper = _mm256_srli_epi32(_mm256_castps_si256(rounded(a).v), 16);
    const __m128i halves = _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), halves);
}
PN_INLINE void store_part(bf16* p, F a, int n) {
    bf16 all[W];
    store(all, a);
    for (int i = 0; i < n; i++) p[i] = all[i];
}

// A vector of pairs of bf16, the first of each pair in the lower half.
PN_INLINE F join(F low, F high) {  // of values that bf16 can hold
    return {_mm256_or_ps(_mm256_castsi256_ps(_mm256_srli_epi32(_mm256_castps_si256(low.v), 16)), high.v)};
}
PN_INLINE F dot_pairs(F a, F b, F c) {  // c + a.low b.low + a.high b.high
    const __m256i x = _mm256_castps_si256(a.v), y = _mm256_castps_si256(b.v);
    const __m256 upper = _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(0xffff0000u)));
    const __m256 high = _mm256_fmadd_ps(_mm256_and_ps(a.v, upper), _mm256_and_ps(b.v, upper), c.v);
    return {_mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_slli_epi32(x, 16)),
                            _mm256_castsi256_ps(_mm256_slli_epi32(y, 16)), high)};
}

// Words of four signed bytes, sums as whole numbers of 32 bits.
constexpr int quad_offset = 0;
PN_INLINE __m256i even_bytes(F a) { return _mm256_srai_epi16(_mm256_slli_epi16(_mm256_castps_si256(a.v), 8), 8); }
PN_INLINE __m256i odd_bytes(F a) { return _mm256_srai_epi16(_mm256_castps_si256(a.v), 8); }
PN_INLINE F dot_quads(F a, F b, F c) {  // c + the sum of a_i (b_i + quad_offset)
    const __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(even_bytes(a), even_bytes(b)),
                                         _mm256_madd_epi16(odd_bytes(a), odd_bytes(b)));
    return {_mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(c.v), sum))};
}
PN_INLINE F set_whole(int x) { return {_mm256_castsi256_ps(_mm256_set1_epi32(x))}; }
PN_INLINE F add_whole(F a, F b) {
    return {_mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a.v), _mm256_castps_si256(b.v)))};
}
PN_INLINE int sum_whole(F a) {
    const __m256i x = _mm256_castps_si256(a.v);
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    half = _mm_add_epi32(half, _mm_unpackhi_epi64(half, half));
    return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_srli_epi64(half, 32)));
}
PN_INLINE F from_whole(F a) { return {_mm256_cvtepi32_ps(_mm256_castps_si256(a.v))}; }
PN_INLINE void store_part(std::int8_t* p, F a, int n) {
    alignas(32) std::int32_t all[W];
    _mm256_store_si256(reinterpret_cast<__m256i*>(all), _mm256_cvtps_epi32(a.v));
    for (int i = 0; i < n; i++) p[i] = static_cast<std::int8_t>(all[i]);
}
PN_INLINE void store(std::int8_t* p, F a) { store_part(p, a, W); }

PN_INLINE F operator+(F a, F b) { return {_mm256_add_ps(a.v, b.v)}; }
PN_INLINE F operator-(F a, F b) { return {_mm256_sub_ps(a.v, b.v)}; }
PN_INLINE F operator*(F a, F b) { return {_mm256_mul_ps(a.v, b.v)}; }
PN_INLINE F operator/(F a, F b) { return {_mm256_div_ps(a.v, b.v)}; }
PN_INLINE F fma(F a, F b, F c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
PN_INLINE F fnma(F a, F b, F c) { return {_mm256_fnmadd_ps(a.v, b.v, c.v)}; }  // c - a b
PN_INLINE F min(F a, F b) { return {_mm256_min_ps(a.v, b.v)}; }
PN_INLINE F max(F a, F b) { return {_mm256_max_ps(a.v, b.v)}; }
PN_INLINE F sqrt(F a) { return {_mm256_sqrt_ps(a.v)}; }
PN_INLINE F round(F a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
PN_INLINE F abs(F a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
PN_INLINE F with_sign_of(F magnitude, F sign) {
    return {_mm256_or_ps(_mm256_and_ps(sign.v, _mm256_set1_ps(-0.0f)), magnitude.v)};
}
PN_INLINE F pow2(F n) {  // 2^n for whole n in [-126, 127]
    return {
        _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127)), 23))};
}

// a 2^n for whole n in [-252, 254], in two steps: 2^n itself may leave the exponent's range.
PN_INLINE F times_pow2(F a, F n) {
    const F half = round(n * set(0.5f));
    return a * pow2(half) * pow2(n - half);
}

PN_INLINE M operator<(F a, F b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
PN_INLINE M equal(F a, F b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
PN_INLINE M is_nan(F a) { return {_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q)}; }
PN_INLINE M operator|(M a, M b) { return {_mm256_or_ps(a.v, b.v)}; }
PN_INLINE F select(M m, F yes, F no) { return {_mm256_blendv_ps(no.v, yes.v, m.v)}; }
PN_INLINE bool any(M m) { return _mm256_movemask_ps(m.v) != 0; }
PN_INLINE F keep(F a, int n) { return {_mm256_and_ps(a.v, _mm256_castsi256_ps(first(n)))}; }  // zero behind the first n

PN_INLINE float sum(F a) {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
PN_INLINE float largest(F a) {
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}

struct D { __m256d low, high; };  // W doubles
PN_INLINE D dzero() { return {_mm256_setzero_pd(), _mm256_setzero_pd()}; }
PN_INLINE D add_square(D s, F a) {
    const __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(a.v));
    const __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(a.v, 1));
    return {_mm256_fmadd_pd(low, low, s.low), _mm256_fmadd_pd(high, high, s.high)};
}
PN_INLINE double sum(D s) {
    const __m256d both = _mm256_add_pd(s.low, s.high);
    const __m128d x = _mm_add_pd(_mm256_castpd256_pd128(both), _mm256_extractf128_pd(both, 1));
    return _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)));
}

// Rows become columns: neighbours change places, then pairs, then halves.
PN_INLINE void transpose(F (&a)[W]) {
    __m256 b[W];
    PN_UNROLL
    for (int i = 0; i < W; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i].v, a[i + 1].v);
        b[i + 1] = _mm256_unpackhi_ps(a[i].v, a[i + 1].v);
    }
    __m256 c[W];
    PN_UNROLL
    for (int i = 0; i < W; i += 4) {
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

}  // namespace pn::PN_ISA
