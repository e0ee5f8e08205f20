// Kernels for the tests of the emulator: right ones, and some that are wrong in one way each.
#include "reduce.cuh"

namespace pn {

PN_KERNEL(add_one, float* x, int n) {
    const long long i = grid_thread();
    if (i < n) x[i] += 1;
}

PN_KERNEL_BOUNDS(bounded, 64, float* x) { x[threadIdx.x] = 0; }

PN_KERNEL(row_sums, const float* x, float* sums, int columns) {
    float sum = 0;
    for (int c = threadIdx.x; c < columns; c += blockDim.x) sum += x[static_cast<long long>(blockIdx.x) * columns + c];
    sum = block_sum(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// Reverses a block's elements by way of shared memory.
PN_KERNEL(reverse_block, float* x, int with_barrier) {
    PN_SMEM(float, tile, 256);
    tile[threadIdx.x] = x[threadIdx.x];
    if (with_barrier) sync_block();
    x[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

PN_KERNEL(dynamic_reverse, float* x) {
    PN_DYN_SMEM(float, tile);
    tile[threadIdx.x] = x[threadIdx.x];
    sync_block();
    x[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

PN_KERNEL(divergent_barrier, float* x) {
    if (threadIdx.x < 32)
        sync_block();
    else
        sync_block();
    x[threadIdx.x] = 1;
}

PN_KERNEL(half_shuffles, float* x) {
    if (threadIdx.x < 16)
        x[threadIdx.x] = shfl_xor(full_warp, 1.0f, 1);
    else
        sync_block();
}

PN_KERNEL(wrong_mask, float* x) {
    if (threadIdx.x < 16) x[threadIdx.x] = shfl_xor(full_warp, 1.0f, 1);
}

PN_KERNEL(two_halves, int* votes) {
    const unsigned mask = threadIdx.x < 16 ? 0x0000ffffu : 0xffff0000u;
    votes[threadIdx.x] = static_cast<int>(ballot(mask, threadIdx.x % 3 == 0));
}

PN_KERNEL(shuffles, const float* x, float* y) {
    const float v = x[threadIdx.x];
    float* const out = y + 5 * threadIdx.x;
    out[0] = shfl(full_warp, v, 7);
    out[1] = shfl_xor(full_warp, v, 5);
    out[2] = shfl_up(full_warp, v, 3);
    out[3] = shfl_down(full_warp, v, 4);
    out[4] = warp_sum(v);
}

// y = 16 elements through shared memory by cp.async, the last ones zero.
PN_KERNEL(copies, const float* x, float* y, int wait, int bytes) {
    PN_SMEM(float, tile, 4 * 32);
    cp_async_16(tile + 4 * threadIdx.x, x + 4 * threadIdx.x, bytes);
    cp_async_commit();
    if (wait) cp_async_wait<0>();
    sync_block();
    for (int i = 0; i < 4; i++) y[4 * threadIdx.x + i] = tile[4 * threadIdx.x + i];
}

// C[16, 8] = A[16, 16] B[16, 8] for one warp; A by ldmatrix, B (stored [k][n]) by the transposed one.
template <class T>
PN_DEVICE void multiply(const T* a, const T* b, float* c) {
    PN_SMEM(T, left, 16 * 16);
    PN_SMEM(T, right, 16 * 8);
    for (int i = threadIdx.x; i < 16 * 16; i += warp_size) left[i] = a[i];
    for (int i = threadIdx.x; i < 16 * 8; i += warp_size) right[i] = b[i];
    sync_warp();
    const int lane = lane_index(), g = lane / 4, t = lane % 4;
    unsigned fa[4], fb[2];
    ldmatrix_x4(fa, left + (lane % 16) * 16 + lane / 16 * 8);
    ldmatrix_x2_trans(fb, right + (lane % 16) * 8);
    float sums[4] = {};
    mma_m16n8k16<T>(sums, fa, fb);
    for (int i = 0; i < 4; i++) c[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sums[i];
}
PN_KERNEL(multiply_bf16, const bf16* a, const bf16* b, float* c) { multiply(a, b, c); }
PN_KERNEL(multiply_fp16, const fp16* a, const fp16* b, float* c) { multiply(a, b, c); }

PN_KERNEL(write_at, float* x, long long i) {
    if (threadIdx.x == 3) x[i] = 1;
}

PN_KERNEL(overrun_shared, float* x) {
    PN_SMEM(float, tile, 32);
    tile[threadIdx.x + 1] = x[threadIdx.x];
    sync_block();
    x[threadIdx.x] = tile[threadIdx.x];
}

PN_KERNEL(divide, int* x) { x[threadIdx.x] = 7 / x[threadIdx.x]; }

}  // namespace pn
