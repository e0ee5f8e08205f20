// What a kernel may use of the language. The same file is compiled by nvcc for the device and as plain C++ for the
// emulated driver (native/emu), so kernels launch nothing themselves, write no inline PTX (ptx.cuh has it all), and
// name shared memory only through the macros below. C++17, block sizes that are multiples of 32, no dependence on warp
// divergence beyond what masks say.
//
//   PN_KERNEL(name, float* y, long long count) { ... }              a kernel the driver finds as "name"
//   PN_KERNEL_BOUNDS(name, 256, float* y, long long count) { ... }  the same, never launched with more threads than 256
//   PN_KERNEL_RESIDENT(name, 128, 2, float* y) { ... }              likewise, in so few registers that 2 fit at once
//   PN_SMEM(float, tile, 16 * 17);                                  static shared memory: an array, undefined content
//   PN_DYN_SMEM(float, tile);                                       dynamic shared memory: a pointer, 16-byte aligned
//   PN_DEVICE float helper(float x) { ... }                         everything else that runs on the device
#pragma once

#if defined(__CUDACC__)

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#define PN_DEVICE __device__ __forceinline__
#define PN_CONSTANT __constant__ const
#define PN_KERNEL(name, ...) extern "C" __global__ void name(__VA_ARGS__)
#define PN_LAUNCH_BOUNDS(...) __launch_bounds__(__VA_ARGS__)
#define PN_KERNEL_BOUNDS(name, threads, ...) extern "C" __global__ void PN_LAUNCH_BOUNDS(threads) name(__VA_ARGS__)
#define PN_KERNEL_RESIDENT(name, threads, blocks, ...) \
    extern "C" __global__ void PN_LAUNCH_BOUNDS(threads, blocks) name(__VA_ARGS__)
#define PN_SMEM(T, name, count) __shared__ T name[count]
#define PN_DYN_SMEM(T, name)                                        \
    extern __shared__ __align__(16) unsigned char pn_dynamic_smem[]; \
    T* const name = reinterpret_cast<T*>(pn_dynamic_smem)

namespace pn {
using bf16 = __nv_bfloat16;
using fp16 = __half;
}  // namespace pn

#else

#define PN_EMULATED 1
#include "emu/kernel/kernel.h"

#endif

namespace pn {

constexpr int warp_size = 32;
constexpr unsigned full_warp = 0xffffffffu;

PN_DEVICE float infinity() { return __int_as_float(0x7f800000); }

PN_DEVICE int linear_thread() { return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z); }
PN_DEVICE int block_threads() { return blockDim.x * blockDim.y * blockDim.z; }
PN_DEVICE int lane_index() { return linear_thread() % warp_size; }
PN_DEVICE int warp_index() { return linear_thread() / warp_size; }

// The first element of this thread and the distance to its next one in a loop over a whole grid (x only).
PN_DEVICE long long grid_thread() { return static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; }
PN_DEVICE long long grid_threads() { return static_cast<long long>(gridDim.x) * blockDim.x; }

}  // namespace pn
