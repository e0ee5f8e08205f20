// Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), and
// the dropout masks made of them (PeftNative.Ops.DropoutMask).
#pragma once

#include "platform.cuh"

namespace pn {

// PeftNative.Ops.DropoutMask; the layout is that of PeftNative.Cuda's KernelMask.
struct DropoutMask {
    float probability;
    unsigned long long key, stream;
    const unsigned long long* moved;  // null, or what a graph adds to the stream each time it runs

    PN_DEVICE bool on() const { return probability > 0; }
    PN_DEVICE unsigned long long stream_now() const { return moved ? stream + *moved : stream; }
};

struct PhiloxWords {
    unsigned x, y, z, w;

    PN_DEVICE unsigned operator[](unsigned long long i) const {
        const unsigned low = i & 1 ? y : x, high = i & 1 ? w : z;
        return i & 2 ? high : low;
    }
};

PN_DEVICE PhiloxWords philox(unsigned long long key, unsigned long long low, unsigned long long high) {
    unsigned c[4] = {static_cast<unsigned>(low), static_cast<unsigned>(low >> 32), static_cast<unsigned>(high),
                     static_cast<unsigned>(high >> 32)};
    unsigned k0 = static_cast<unsigned>(key), k1 = static_cast<unsigned>(key >> 32);
    for (int round = 0; round < 10; round++) {
        const unsigned long long p0 = 0xD2511F53ull * c[0], p1 = 0xCD9E8D57ull * c[2];
        const unsigned n0 = static_cast<unsigned>(p1 >> 32) ^ c[1] ^ k0,
                       n2 = static_cast<unsigned>(p0 >> 32) ^ c[3] ^ k1;
        c[0] = n0, c[1] = static_cast<unsigned>(p1), c[2] = n2, c[3] = static_cast<unsigned>(p0);
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    return {c[0], c[1], c[2], c[3]};
}

// 1 / (1 - p) where the word keeps its element, else 0.
PN_DEVICE float keep_factor(const DropoutMask& mask, unsigned word) {
    // word / 2^32 >= p without double precision: the product and its ceiling are exact.
    return word >= static_cast<unsigned>(ceilf(mask.probability * 4294967296.0f)) ? 1 / (1 - mask.probability) : 0.0f;
}

PN_DEVICE float keep_factor(const DropoutMask& mask, unsigned long long element) {
    return keep_factor(mask, philox(mask.key, element / 4, mask.stream_now())[element % 4]);
}

}  // namespace pn
