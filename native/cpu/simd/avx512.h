// AVX-512 (F, BW, DQ, VL), with or without BF16 and VNNI: 16 floats, 32 registers, masks for every edge.
#pragma once

#include <immintrin.h>

namespace pn::PN_ISA {

constexpr int W = 16;
constexpr int tile_rows = 8;
constexpr int tile_vectors = 3;
#if defined(PN_ISA_avx512bf16)
inline constexpr const char* isa_name = "AVX-512 with BF16";
constexpr bool multiplies_pairs = true;  // of bf16, faster than floats
#else
inline constexpr const char* isa_name = "AVX-512";
constexpr bool multiplies_pairs = false;
#endif

struct F { __m512 v; };
struct M { __mmask16 v; };

PN_INLINE M first(int n) { return {static_cast<__mmask16>((1u << n) - 1u)}; }
PN_INLINE F zero() { return {_mm512_setzero_ps()}; }
PN_INLINE F set(float x) { return {_mm512_set1_ps(x)}; }
PN_INLINE F load(const float* p) { return {_mm512_loadu_ps(p)}; }
PN_INLINE void store(float* p, F a) { _mm512_storeu_ps(p, a.v); }
// Halves are frequent (rank 8, half a head of 16) and touch no more than they need: a load waits for a masked store
// before it even where only what was masked overlaps.
PN_INLINE F load_part(const float* p, int n) {
    if (n == 8) return {_mm512_zextps256_ps512(_mm256_loadu_ps(p))};
    return {_mm512_maskz_loadu_ps(first(n).v, p)};
}
PN_INLINE void store_part(float* p, F a, int n) {
    if (n == 8) _mm256_storeu_ps(p, _mm512_castps512_ps256(a.v));
    else _mm512_mask_storeu_ps(p, first(n).v, a.v);
}

// bf16 lies in the upper half of a float. Storing rounds to nearest, ties to even; a NaN stays one.
PN_INLINE F widened(__m256i halves) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16))};
}
PN_INLINE F load(const bf16* p) { return widened(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
PN_INLINE F load_part(const bf16* p, int n) { return widened(_mm256_maskz_loadu_epi16(first(n).v, p)); }
PN_INLINE F rounded(F a) {  // to what bf16 can hold
    const __m512i bits = _mm512_castps_si512(a.v),
                  odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i near = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
    const __m512i value = _mm512_mask_blend_epi32(_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q), near, quiet);
    return {_mm512_castsi512_ps(_mm512_and_si512(value, _mm512_set1_epi32(static_cast<int>(0xffff0000u))))};
}
#if defined(PN_ISA_avx512bf16)
// makes zero of what is below the normal range
PN_INLINE __m256i narrowed(F a) { return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(a.v)); }
#else
PN_INLINE __m256i narrowed(F a) {
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_castps_si512(rounded(a).v), 16));
}
#endif
PN_INLINE void store(bf16* p, F a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrowed(a)); }
PN_INLINE void store_part(bf16* p, F a, int n) { _mm256_mask_storeu_epi16(p, first(n).v, narrowed(a)); }

// A vector of pairs of bf16, the first of each pair in the lower half.
PN_INLINE F join(F low, F high) {  // of values that bf16 can hold
    return {_mm512_castsi512_ps(
        _mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(low.v), 16), _mm512_castps_si512(high.v)))};
}
#if defined(PN_ISA_avx512bf16)
PN_INLINE F dot_pairs(F a, F b, F c) {  // c + a.low b.low + a.high b.high
    return {_mm512_dpbf16_ps(c.v, reinterpret_cast<__m512bh>(a.v), reinterpret_cast<__m512bh>(b.v))};
}
#else
PN_INLINE F dot_pairs(F a, F b, F c) {
    const __m512i x = _mm512_castps_si512(a.v), y = _mm512_castps_si512(b.v),
                  upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
    const __m512 high = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_and_si512(x, upper)),
                                        _mm512_castsi512_ps(_mm512_and_si512(y, upper)), c.v);
    return {_mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_slli_epi32(x, 16)),
                            _mm512_castsi512_ps(_mm512_slli_epi32(y, 16)), high)};
}
#endif

// Words of four signed bytes, sums as whole numbers of 32 bits. The
// instruction takes one operand without signs: its bytes are raised by 128.
#if defined(PN_ISA_avx512bf16)
constexpr int quad_offset = 128;
PN_INLINE F dot_quads(F a, F b, F c) {  // c + the sum of a_i (b_i + quad_offset)
    const __m512i raised = _mm512_xor_si512(_mm512_castps_si512(b.v), _mm512_set1_epi8(-128));
    return {_mm512_castsi512_ps(_mm512_dpbusd_epi32(_mm512_castps_si512(c.v), raised, _mm512_castps_si512(a.v)))};
}
#else
constexpr int quad_offset = 0;
PN_INLINE __m512i even_bytes(F a) { return _mm512_srai_epi16(_mm512_slli_epi16(_mm512_castps_si512(a.v), 8), 8); }
PN_INLINE __m512i odd_bytes(F a) { return _mm512_srai_epi16(_mm512_castps_si512(a.v), 8); }
PN_INLINE F dot_quads(F a, F b, F c) {
    const __m512i sum = _mm512_add_epi32(_mm512_madd_epi16(even_bytes(a), even_bytes(b)),
                                         _mm512_madd_epi16(odd_bytes(a), odd_bytes(b)));
    return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(c.v), sum))};
}
#endif
PN_INLINE F set_whole(int x) { return {_mm512_castsi512_ps(_mm512_set1_epi32(x))}; }
PN_INLINE F add_whole(F a, F b) {
    return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a.v), _mm512_castps_si512(b.v)))};
}
PN_INLINE int sum_whole(F a) { return _mm512_reduce_add_epi32(_mm512_castps_si512(a.v)); }
PN_INLINE F from_whole(F a) { return {_mm512_cvtepi32_ps(_mm512_castps_si512(a.v))}; }
PN_INLINE void store(std::int8_t* p, F a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a.v)));
}
PN_INLINE void store_part(std::int8_t* p, F a, int n) {
    _mm_mask_storeu_epi8(p, first(n).v, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a.v)));
}

PN_INLINE F operator+(F a, F b) { return {_mm512_add_ps(a.v, b.v)}; }
PN_INLINE F operator-(F a, F b) { return {_mm512_sub_ps(a.v, b.v)}; }
PN_INLINE F operator*(F a, F b) { return {_mm512_mul_ps(a.v, b.v)}; }
PN_INLINE F operator/(F a, F b) { return {_mm512_div_ps(a.v, b.v)}; }
PN_INLINE F fma(F a, F b, F c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
PN_INLINE F fnma(F a, F b, F c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }  // c - a b
PN_INLINE F min(F a, F b) { return {_mm512_min_ps(a.v, b.v)}; }
PN_INLINE F max(F a, F b) { return {_mm512_max_ps(a.v, b.v)}; }
PN_INLINE F sqrt(F a) { return {_mm512_sqrt_ps(a.v)}; }
PN_INLINE F round(F a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
PN_INLINE F abs(F a) { return {_mm512_andnot_ps(_mm512_set1_ps(-0.0f), a.v)}; }
PN_INLINE F with_sign_of(F magnitude, F sign) {
    return {_mm512_or_ps(_mm512_and_ps(sign.v, _mm512_set1_ps(-0.0f)), magnitude.v)};
}
PN_INLINE F pow2(F n) {  // 2^n for whole n in [-126, 127]
    return {
        _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127)), 23))};
}
PN_INLINE F times_pow2(F a, F n) { return {_mm512_scalef_ps(a.v, n.v)}; }  // a 2^n for whole n, rounded once

PN_INLINE M operator<(F a, F b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
PN_INLINE M equal(F a, F b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
PN_INLINE M is_nan(F a) { return {_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q)}; }
PN_INLINE M operator|(M a, M b) { return {static_cast<__mmask16>(a.v | b.v)}; }
PN_INLINE F select(M m, F yes, F no) { return {_mm512_mask_blend_ps(m.v, no.v, yes.v)}; }
PN_INLINE bool any(M m) { return m.v != 0; }
PN_INLINE F keep(F a, int n) { return {_mm512_maskz_mov_ps(first(n).v, a.v)}; }  // zero behind the first n

PN_INLINE float sum(F a) { return _mm512_reduce_add_ps(a.v); }
PN_INLINE float largest(F a) { return _mm512_reduce_max_ps(a.v); }

struct D { __m512d low, high; };  // W doubles
PN_INLINE D dzero() { return {_mm512_setzero_pd(), _mm512_setzero_pd()}; }
PN_INLINE D add_square(D s, F a) {
    const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(a.v));
    const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v, 1));
    return {_mm512_fmadd_pd(low, low, s.low), _mm512_fmadd_pd(high, high, s.high)};
}
PN_INLINE double sum(D s) { return _mm512_reduce_add_pd(_mm512_add_pd(s.low, s.high)); }

// Rows become columns: neighbours change places, then pairs, then quarters, then halves.
PN_INLINE void transpose(F (&a)[W]) {
    __m512 b[W];
    PN_UNROLL
    for (int i = 0; i < W; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i].v, a[i + 1].v);
        b[i + 1] = _mm512_unpackhi_ps(a[i].v, a[i + 1].v);
    }
    __m512 c[W];
    PN_UNROLL
    for (int i = 0; i < W; i += 4) {
        PN_UNROLL
        for (int h = 0; h < 2; h++) {
            c[i + 2 * h] = _mm512_shuffle_ps(b[i + h], b[i + h + 2], 0x44);
            c[i + 2 * h + 1] = _mm512_shuffle_ps(b[i + h], b[i + h + 2], 0xee);
        }
    }
    PN_UNROLL
    for (int k = 0; k < 4; k++) {
        const __m512 even_top = _mm512_shuffle_f32x4(c[k], c[k + 4], 0x88),
                     odd_top = _mm512_shuffle_f32x4(c[k], c[k + 4], 0xdd);
        const __m512 even_low = _mm512_shuffle_f32x4(c[k + 8], c[k + 12], 0x88),
                     odd_low = _mm512_shuffle_f32x4(c[k + 8], c[k + 12], 0xdd);
        a[k].v = _mm512_shuffle_f32x4(even_top, even_low, 0x88);
        a[k + 4].v = _mm512_shuffle_f32x4(odd_top, odd_low, 0x88);
        a[k + 8].v = _mm512_shuffle_f32x4(even_top, even_low, 0xdd);
        a[k + 12].v = _mm512_shuffle_f32x4(odd_top, odd_low, 0xdd);
    }
}

}  // namespace pn::PN_ISA
