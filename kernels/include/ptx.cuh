// Every instruction that C++ has no word for, with the device's implementation and the emulator's behind one name.
#pragma once

#include "types.cuh"

#if defined(PN_EMULATED)
#include "emu/kernel/ptx.h"
#else
#include "ptx_device.cuh"
#endif

// Both implementations provide, in namespace pn:
//
//   sync_block()                          __syncthreads: every thread of the block, at the same call
//   sync_warp(mask)                       __syncwarp; also orders memory among these lanes
//   shfl(mask, v, lane)                   v of another lane; likewise shfl_xor, shfl_up, shfl_down (own v where there
//                                         is none)
//   ballot(mask, p), any(mask, p), all(mask, p)
//   warp_reduce(v, op)                    op over all 32 lanes in the order of the xor butterfly 16, 8, 4, 2, 1; all
//                                         get it
//   cp_async_16(to_shared, from, bytes)   16 bytes to shared memory, those beyond `bytes` zero; both addresses aligned
//                                         to 16
//   cp_async_commit(), cp_async_wait<N>() all but the latest N groups of this thread have arrived after it
//   ldmatrix_x4(r, row), ldmatrix_x4_trans(r, row), ldmatrix_x2(r, row), ldmatrix_x2_trans(r, row)
//                                         8x8 matrices of 16-bit elements; lane 8 i + j names row j of matrix i
//                                         (16 bytes)
//   mma_m16n8k16<T>(c, a, b)              c[16, 8] += a[16, 16] b[16, 8], T bf16 or fp16, fp32 accumulators; fragments
//                                         as in PTX: with g = lane / 4, t = lane % 4:
//                                           a[0] = A[g, 2t..], a[1] = A[g + 8, 2t..],
//                                           a[2] = A[g, 2t + 8..], a[3] = A[g + 8, 2t + 8..]
//                                           b[0] = B[2t.., g], b[1] = B[2t + 8.., g]
//                                           c[0..1] = C[g, 2t..], c[2..3] = C[g + 8, 2t..]
