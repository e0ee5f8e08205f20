// Everything a .cu file sees when it is compiled as C++ for the emulated driver. Not for other code: it defines CUDA's
// global names.
#pragma once

#include "emu/kernel/atomics.h"
#include "emu/kernel/half.h"
#include "emu/kernel/math.h"
#include "emu/kernel/registry.h"
#include "emu/kernel/thread.h"

#define __device__
#define __host__
#define __forceinline__ inline

#define PN_DEVICE inline
#define PN_CONSTANT static const
#define PN_LAUNCH_BOUNDS(...)
#define PN_KERNEL_BOUNDS(name, threads, ...)                                                  \
    extern "C" void name(__VA_ARGS__);                                                        \
    static const ::pn::emu::Registration<&name> name##_registration(#name, __FILE__, threads); \
    extern "C" void name(__VA_ARGS__)
#define PN_KERNEL_RESIDENT(name, threads, blocks, ...) PN_KERNEL_BOUNDS(name, threads, __VA_ARGS__)
#define PN_KERNEL(name, ...) PN_KERNEL_BOUNDS(name, 1024, __VA_ARGS__)

#define PN_SMEM(T, name, count)            \
    static char name##_key;                \
    T(&name)[count] = *static_cast<T(*)[count]>(::pn::emu::static_shared(&name##_key, sizeof(T) * (count), #name))
#define PN_DYN_SMEM(T, name) T* const name = static_cast<T*>(::pn::emu::dynamic_shared())

inline void __syncthreads(pn::emu::Site site = pn::emu::Site::here()) { pn::emu::block_barrier(false, site); }
inline int __syncthreads_count(int p, pn::emu::Site site = pn::emu::Site::here()) {
    return pn::emu::block_barrier(p != 0, site);
}
inline int __syncthreads_or(int p, pn::emu::Site site = pn::emu::Site::here()) {
    return pn::emu::block_barrier(p != 0, site) > 0;
}
inline int __syncthreads_and(int p, pn::emu::Site site = pn::emu::Site::here()) {
    return pn::emu::block_barrier(p == 0, site) == 0;
}
inline void __trap(pn::emu::Site site = pn::emu::Site::here()) { pn::emu::kernel_failed("__trap was called", site); }

namespace pn {
using bf16 = emu::bf16;
using fp16 = emu::fp16;
}  // namespace pn
