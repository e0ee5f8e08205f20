// Plain C++: vectors of 4 floats as arrays, which compilers turn into the base instruction set of the target.
#pragma once

#include <cmath>

namespace pn::PN_ISA {

constexpr int W = 4;
constexpr int tile_rows = 4;
constexpr int tile_vectors = 2;
constexpr bool multiplies_pairs = false;  // of bf16, faster than floats
inline constexpr const char* isa_name = "portable";

struct F { float v[4]; };
struct M { bool v[4]; };

template <class Lane>
PN_INLINE F lanes(Lane lane) { return {{lane(0), lane(1), lane(2), lane(3)}}; }
template <class Lane>
PN_INLINE M mask_lanes(Lane lane) { return {{lane(0), lane(1), lane(2), lane(3)}}; }

PN_INLINE F zero() { return {}; }
PN_INLINE F set(float x) { return {{x, x, x, x}}; }
PN_INLINE F load(const float* p) { return {{p[0], p[1], p[2], p[3]}}; }
PN_INLINE F load_part(const float* p, int n) { return lanes([=](int i) { return i < n ? p[i] : 0.0f; }); }
PN_INLINE void store(float* p, F a) { std::memcpy(p, a.v, sizeof a.v); }
PN_INLINE void store_part(float* p, F a, int n) {
    for (int i = 0; i < n; i++) p[i] = a.v[i];
}

// bf16 lies in the upper half of a float. Storing rounds to nearest, ties to even; a NaN stays one.
PN_INLINE std::uint32_t bits_of(float x) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}
PN_INLINE float float_of(std::uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}
PN_INLINE F load_part(const bf16* p, int n) {
    return lanes([=](int i) { return i < n ? float_of(static_cast<std::uint32_t>(p[i].bits) << 16) : 0.0f; });
}
PN_INLINE F load(const bf16* p) { return load_part(p, W); }
PN_INLINE F rounded(F a) {  // to what bf16 can hold
    return lanes([&](int i) {
        const std::uint32_t bits = bits_of(a.v[i]);
        const std::uint32_t near = bits + 0x7fffu + (bits >> 16 & 1u);
        return float_of((a.v[i] != a.v[i] ? bits | 0x400000u : near) & 0xffff0000u);
    });
}
PN_INLINE void store_part(bf16* p, F a, int n) {
    const F r = rounded(a);
    for (int i = 0; i < n; i++) p[i].bits = static_cast<std::uint16_t>(bits_of(r.v[i]) >> 16);
}
PN_INLINE void store(bf16* p, F a) { store_part(p, a, W); }

// A vector of pairs of bf16, the first of each pair in the lower half.
PN_INLINE F join(F low, F high) {  // of values that bf16 can hold
    return lanes([&](int i) { return float_of(bits_of(low.v[i]) >> 16 | bits_of(high.v[i])); });
}
PN_INLINE F dot_pairs(F a, F b, F c) {  // c + a.low b.low + a.high b.high
    return lanes([&](int i) {
        const std::uint32_t x = bits_of(a.v[i]), y = bits_of(b.v[i]);
        const float high = c.v[i] + float_of(x & 0xffff0000u) * float_of(y & 0xffff0000u);
        return high + float_of(x << 16) * float_of(y << 16);
    });
}

// Words of four signed bytes, sums as whole numbers of 32 bits.
constexpr int quad_offset = 0;
PN_INLINE int byte_of(float word, int i) { return static_cast<std::int8_t>(bits_of(word) >> (8 * i) & 0xffu); }
PN_INLINE F dot_quads(F a, F b, F c) {  // c + the sum of a_i (b_i + quad_offset)
    return lanes([&](int l) {
        std::uint32_t sum = bits_of(c.v[l]);
        for (int i = 0; i < 4; i++) sum += static_cast<std::uint32_t>(byte_of(a.v[l], i) * byte_of(b.v[l], i));
        return float_of(sum);
    });
}
PN_INLINE F set_whole(int x) { return set(float_of(static_cast<std::uint32_t>(x))); }
PN_INLINE F add_whole(F a, F b) { return lanes([&](int i) { return float_of(bits_of(a.v[i]) + bits_of(b.v[i])); }); }
PN_INLINE int sum_whole(F a) {
    return static_cast<std::int32_t>(bits_of(a.v[0]) + bits_of(a.v[1]) + bits_of(a.v[2]) + bits_of(a.v[3]));
}
PN_INLINE F from_whole(F a) {
    return lanes([&](int i) { return static_cast<float>(static_cast<std::int32_t>(bits_of(a.v[i]))); });
}
PN_INLINE void store_part(std::int8_t* p, F a, int n) {
    for (int i = 0; i < n; i++) p[i] = static_cast<std::int8_t>(std::nearbyint(a.v[i]));
}
PN_INLINE void store(std::int8_t* p, F a) { store_part(p, a, W); }

PN_INLINE F operator+(F a, F b) { return lanes([&](int i) { return a.v[i] + b.v[i]; }); }
PN_INLINE F operator-(F a, F b) { return lanes([&](int i) { return a.v[i] - b.v[i]; }); }
PN_INLINE F operator*(F a, F b) { return lanes([&](int i) { return a.v[i] * b.v[i]; }); }
PN_INLINE F operator/(F a, F b) { return lanes([&](int i) { return a.v[i] / b.v[i]; }); }
PN_INLINE F fma(F a, F b, F c) { return lanes([&](int i) { return c.v[i] + a.v[i] * b.v[i]; }); }
PN_INLINE F fnma(F a, F b, F c) { return lanes([&](int i) { return c.v[i] - a.v[i] * b.v[i]; }); }  // c - a b
PN_INLINE F min(F a, F b) { return lanes([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; }); }
PN_INLINE F max(F a, F b) { return lanes([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; }); }
PN_INLINE F sqrt(F a) { return lanes([&](int i) { return std::sqrt(a.v[i]); }); }
PN_INLINE F round(F a) { return lanes([&](int i) { return std::nearbyint(a.v[i]); }); }
PN_INLINE F abs(F a) { return lanes([&](int i) { return std::fabs(a.v[i]); }); }
PN_INLINE F with_sign_of(F magnitude, F sign) {
    return lanes([&](int i) { return std::copysign(magnitude.v[i], sign.v[i]); });
}
PN_INLINE F pow2(F n) {  // 2^n for whole n in [-126, 127]
    return lanes([&](int i) {
        const std::uint32_t bits = static_cast<std::uint32_t>(static_cast<int>(n.v[i]) + 127) << 23;
        float x;
        std::memcpy(&x, &bits, sizeof x);
        return x;
    });
}

// a 2^n for whole n in [-252, 254], in two steps: 2^n itself may leave the exponent's range.
PN_INLINE F times_pow2(F a, F n) {
    const F half = round(n * set(0.5f));
    return a * pow2(half) * pow2(n - half);
}

PN_INLINE M operator<(F a, F b) { return mask_lanes([&](int i) { return a.v[i] < b.v[i]; }); }
PN_INLINE M equal(F a, F b) { return mask_lanes([&](int i) { return a.v[i] == b.v[i]; }); }
PN_INLINE M is_nan(F a) { return mask_lanes([&](int i) { return a.v[i] != a.v[i]; }); }
PN_INLINE M operator|(M a, M b) { return mask_lanes([&](int i) { return a.v[i] || b.v[i]; }); }
PN_INLINE F select(M m, F yes, F no) { return lanes([&](int i) { return m.v[i] ? yes.v[i] : no.v[i]; }); }
PN_INLINE bool any(M m) { return m.v[0] || m.v[1] || m.v[2] || m.v[3]; }
PN_INLINE F keep(F a, int n) { return lanes([&](int i) { return i < n ? a.v[i] : 0.0f; }); }  // zero behind the first n

PN_INLINE float sum(F a) { return (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]); }
PN_INLINE float largest(F a) {
    const float x = a.v[0] > a.v[1] ? a.v[0] : a.v[1], y = a.v[2] > a.v[3] ? a.v[2] : a.v[3];
    return x > y ? x : y;
}

struct D { double v[4]; };  // W doubles
PN_INLINE D dzero() { return {}; }
PN_INLINE D add_square(D s, F a) {
    for (int i = 0; i < W; i++) s.v[i] += static_cast<double>(a.v[i]) * static_cast<double>(a.v[i]);
    return s;
}
PN_INLINE double sum(D s) { return (s.v[0] + s.v[2]) + (s.v[1] + s.v[3]); }

PN_INLINE void transpose(F (&a)[W]) {  // rows become columns
    for (int i = 0; i < W; i++) {
        for (int j = 0; j < i; j++) {
            const float x = a[i].v[j];
            a[i].v[j] = a[j].v[i];
            a[j].v[i] = x;
        }
    }
}

}  // namespace pn::PN_ISA
