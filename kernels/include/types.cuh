// Storage types and their way to fp32 and back. Kernels compute in fp32 whatever they store: to_float is exact,
// from_float rounds once, to nearest even (overflow to infinity, NaN to NaN).
#pragma once

#include "platform.cuh"

namespace pn {

PN_DEVICE float to_float(float x) { return x; }

template <class T>
PN_DEVICE T from_float(float x);

template <>
PN_DEVICE float from_float<float>(float x) {
    return x;
}

#if defined(PN_EMULATED)

PN_DEVICE float to_float(bf16 x) { return emu::widen(x); }
PN_DEVICE float to_float(fp16 x) { return emu::widen(x); }

template <>
PN_DEVICE bf16 from_float<bf16>(float x) {
    return emu::to_bf16(x);
}

template <>
PN_DEVICE fp16 from_float<fp16>(float x) {
    return emu::to_fp16(x);
}

#else

PN_DEVICE float to_float(bf16 x) { return __bfloat162float(x); }
PN_DEVICE float to_float(fp16 x) { return __half2float(x); }

template <>
PN_DEVICE bf16 from_float<bf16>(float x) {
    return __float2bfloat16_rn(x);
}

template <>
PN_DEVICE fp16 from_float<fp16>(float x) {
    return __float2half_rn(x);
}

#endif

// N neighbouring elements, moved as one access: sizeof(T) * N is 2, 4, 8 or 16 bytes and the address a multiple of it.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
    T v[N];

    PN_DEVICE T& operator[](int i) { return v[i]; }
    PN_DEVICE const T& operator[](int i) const { return v[i]; }
};

// As many elements as 16 bytes hold.
template <class T>
constexpr int pack_width = 16 / sizeof(T);

template <int N, class T>
PN_DEVICE Pack<T, N> load_pack(const T* from) {
    return *reinterpret_cast<const Pack<T, N>*>(from);
}

template <int N, class T>
PN_DEVICE void store_pack(T* to, const Pack<T, N>& pack) {
    *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

// Whether p may be read and written in packs of 16 bytes.
PN_DEVICE bool is_packed(const void* p) { return reinterpret_cast<unsigned long long>(p) % 16 == 0; }

template <class T>
PN_DEVICE float load(const T* from) {
    return to_float(*from);
}

template <class T>
PN_DEVICE void store(T* to, float x) {
    *to = from_float<T>(x);
}

// Two neighbours as the 32-bit register that a tensor-core fragment holds, the first in the low half.
template <class T>
PN_DEVICE unsigned pack_pair(T low, T high) {
    static_assert(sizeof(T) == 2, "pairs are of 16-bit types");
    const Pack<T, 2> pair = {{low, high}};
    return *reinterpret_cast<const unsigned*>(&pair);
}

}  // namespace pn
