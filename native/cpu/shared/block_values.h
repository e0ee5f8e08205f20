// Values of blocks that hold codes and scales side by side, as ggml's files have them: plain C++ for the CPU and for
// kernels. Formats are numbered as in the files (PeftNative.Ops.BlockFormat). Every value is rounded once, as ggml's
// own are: the products of its parts are exact in fp32 but for the last step.
#pragma once

#include <stdint.h>
#include <string.h>

#ifndef PN_BLOCK_FUNCTION
#define PN_BLOCK_FUNCTION static inline
#endif

namespace pn {
namespace blocks {

enum Format {
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q2_K = 10,
    Q3_K = 11,
    Q4_K = 12,
    Q5_K = 13,
    Q6_K = 14,
    IQ4_NL = 20,
    IQ4_XS = 23,
    MXFP4 = 39
};

// Elements and bytes of a block; 0 for a format that is not known.
PN_BLOCK_FUNCTION int bytes(int format) {
    switch (format) {
        case Q4_0:
        case IQ4_NL:
            return 18;
        case Q4_1:
            return 20;
        case Q5_0:
            return 22;
        case Q5_1:
            return 24;
        case Q8_0:
            return 34;
        case Q2_K:
            return 84;
        case Q3_K:
            return 110;
        case Q4_K:
            return 144;
        case Q5_K:
            return 176;
        case Q6_K:
            return 210;
        case IQ4_XS:
            return 136;
        case MXFP4:
            return 17;
        default:
            return 0;
    }
}
PN_BLOCK_FUNCTION int elements(int format) { return bytes(format) == 0 ? 0 : bytes(format) < 40 ? 32 : 256; }

PN_BLOCK_FUNCTION float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

PN_BLOCK_FUNCTION float half(const uint8_t* p) {
    const uint32_t h = p[0] | (static_cast<uint32_t>(p[1]) << 8), sign = (h & 0x8000u) << 16, e = (h >> 10) & 31u;
    const uint32_t m = h & 1023u;
    if (e == 0) return (sign != 0 ? -1.0f : 1.0f) * (static_cast<float>(m) * 5.9604644775390625e-8f);  // 2^-24
    return from_bits(sign | ((e == 31 ? 255u : e + 112u) << 23) | (m << 13));
}

// Codes 0 to 15 lie in the lower halves of 16 bytes, 16 to 31 in the upper ones.
PN_BLOCK_FUNCTION int in_halves(const uint8_t* q, int i) { return i < 16 ? q[i] & 15 : q[i - 16] >> 4; }
PN_BLOCK_FUNCTION int fifth(const uint8_t* bits, int i) { return ((bits[i / 8] >> (i % 8)) & 1) << 4; }

PN_BLOCK_FUNCTION int nonlinear(int q) {
    return static_cast<int>(((q < 8 ? 0x766A5D4F3F2D1801ull : 0xF1D9C5B5A6998D81ull) >> (q % 8 * 8)) & 255u) - 128;
}

// Scale and minimum of 32 values, 6 bits each.
PN_BLOCK_FUNCTION int scale6(const uint8_t* b, int j) {
    return j < 4 ? b[j] & 63 : (b[j + 4] & 15) | (b[j - 4] >> 6 << 4);
}
PN_BLOCK_FUNCTION int minimum6(const uint8_t* b, int j) {
    return j < 4 ? b[j + 4] & 63 : (b[j + 4] >> 4) | (b[j] >> 6 << 4);
}

// Value i of a block.
template <int format>
PN_BLOCK_FUNCTION float value(const uint8_t* p, int i) {
    const int part = i / 128, k = i % 128 / 32, l = i % 32, j = i / 32;
    switch (format) {
        case Q4_0:
            return half(p) * static_cast<float>(in_halves(p + 2, i) - 8);
        case Q4_1:
            return half(p) * static_cast<float>(in_halves(p + 4, i)) + half(p + 2);
        case Q5_0:
            return half(p) * static_cast<float>((in_halves(p + 6, i) | fifth(p + 2, i)) - 16);
        case Q5_1:
            return half(p) * static_cast<float>(in_halves(p + 8, i) | fifth(p + 4, i)) + half(p + 2);
        case Q8_0:
            return half(p) * static_cast<float>(static_cast<int8_t>(p[2 + i]));
        case IQ4_NL:
            return half(p) * static_cast<float>(nonlinear(in_halves(p + 2, i)));
        case MXFP4: {
            const int q = in_halves(p + 1, i);
            const float twice = static_cast<float>((0xC8643210u >> (q % 8 * 4)) & 15u) * (q < 8 ? 0.5f : -0.5f);
            return p[0] == 255 ? from_bits(0x7fc00000u)
                               : twice * from_bits(p[0] == 0 ? 0x00400000u : static_cast<uint32_t>(p[0]) << 23);
        }
        case Q2_K: {
            const int q = (p[16 + 32 * part + l] >> (2 * k)) & 3, s = p[i / 16];
            return half(p + 80) * static_cast<float>(s & 15) * static_cast<float>(q) -
                   half(p + 82) * static_cast<float>(s >> 4);
        }
        case Q3_K: {
            const uint8_t* s = p + 96;
            const int q = ((p[32 + 32 * part + l] >> (2 * k)) & 3) - ((p[l] >> (4 * part + k)) & 1 ? 0 : 4), n = i / 16;
            const int low = n < 8 ? s[n] & 15 : s[n - 8] >> 4, high = (s[8 + n % 4] >> (n / 4 * 2)) & 3;
            return half(p + 108) * static_cast<float>((low | high << 4) - 32) * static_cast<float>(q);
        }
        case Q4_K:
        case Q5_K: {
            const uint8_t* codes = p + (format == Q5_K ? 48 : 16);
            int q = (codes[32 * (j / 2) + l] >> (j % 2 * 4)) & 15;
            if (format == Q5_K) q |= ((p[16 + l] >> j) & 1) << 4;
            return half(p) * static_cast<float>(scale6(p + 4, j)) * static_cast<float>(q) -
                   half(p + 2) * static_cast<float>(minimum6(p + 4, j));
        }
        case Q6_K: {
            const int low = (p[64 * part + 32 * (k % 2) + l] >> (k / 2 * 4)) & 15,
                      high = (p[128 + 32 * part + l] >> (2 * k)) & 3;
            return half(p + 208) * static_cast<float>(static_cast<int8_t>(p[192 + i / 16])) *
                   static_cast<float>((low | high << 4) - 32);
        }
        default: {  // IQ4_XS
            const int high = ((p[2] | p[3] << 8) >> (2 * j)) & 3, s = ((p[4 + j / 2] >> (j % 2 * 4)) & 15) | high << 4;
            return half(p) * static_cast<float>(s - 32) * static_cast<float>(nonlinear(in_halves(p + 8 + 16 * j, l)));
        }
    }
}

// Calls body with the format as a constant: body(Constant<Q4_0>()).
template <int format>
struct Constant {
    static constexpr int value = format;
};
template <class Body>
PN_BLOCK_FUNCTION void with_format(int format, Body&& body) {
    switch (format) {
        case Q4_0:
            return body(Constant<Q4_0>());
        case Q4_1:
            return body(Constant<Q4_1>());
        case Q5_0:
            return body(Constant<Q5_0>());
        case Q5_1:
            return body(Constant<Q5_1>());
        case Q8_0:
            return body(Constant<Q8_0>());
        case Q2_K:
            return body(Constant<Q2_K>());
        case Q3_K:
            return body(Constant<Q3_K>());
        case Q4_K:
            return body(Constant<Q4_K>());
        case Q5_K:
            return body(Constant<Q5_K>());
        case Q6_K:
            return body(Constant<Q6_K>());
        case IQ4_NL:
            return body(Constant<IQ4_NL>());
        case IQ4_XS:
            return body(Constant<IQ4_XS>());
        default:
            return body(Constant<MXFP4>());
    }
}

}  // namespace blocks
}  // namespace pn
