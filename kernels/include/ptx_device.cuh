// The device's half of ptx.cuh: all inline PTX there is. Compute capability 8.0 and later.
#pragma once

#include "types.cuh"

namespace pn {

PN_DEVICE void sync_block() { __syncthreads(); }
PN_DEVICE void sync_warp(unsigned mask = full_warp) { __syncwarp(mask); }

template <class T>
PN_DEVICE T shfl(unsigned mask, T v, int lane) {
    return __shfl_sync(mask, v, lane);
}

template <class T>
PN_DEVICE T shfl_xor(unsigned mask, T v, int lanes) {
    return __shfl_xor_sync(mask, v, lanes);
}

template <class T>
PN_DEVICE T shfl_up(unsigned mask, T v, int lanes) {
    return __shfl_up_sync(mask, v, lanes);
}

template <class T>
PN_DEVICE T shfl_down(unsigned mask, T v, int lanes) {
    return __shfl_down_sync(mask, v, lanes);
}

PN_DEVICE unsigned ballot(unsigned mask, bool p) { return __ballot_sync(mask, p); }
PN_DEVICE bool any(unsigned mask, bool p) { return __any_sync(mask, p); }
PN_DEVICE bool all(unsigned mask, bool p) { return __all_sync(mask, p); }

template <class T, class Op>
PN_DEVICE T warp_reduce(T v, Op op) {
#pragma unroll
    for (int lanes = warp_size / 2; lanes > 0; lanes /= 2) v = op(v, shfl_xor(full_warp, v, lanes));
    return v;
}

PN_DEVICE unsigned shared_address(const void* p) { return static_cast<unsigned>(__cvta_generic_to_shared(p)); }

PN_DEVICE void cp_async_16(void* to_shared, const void* from, int bytes = 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to_shared)), "l"(from), "r"(bytes)
                 : "memory");
}

PN_DEVICE void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int N>
PN_DEVICE void cp_async_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

PN_DEVICE void ldmatrix_x4(unsigned (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}

PN_DEVICE void ldmatrix_x4_trans(unsigned (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}

PN_DEVICE void ldmatrix_x2(unsigned (&r)[2], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(shared_address(row))
                 : "memory");
}

PN_DEVICE void ldmatrix_x2_trans(unsigned (&r)[2], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(shared_address(row))
                 : "memory");
}

template <class T>
PN_DEVICE void mma_m16n8k16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]);

template <>
PN_DEVICE void mma_m16n8k16<bf16>(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, "
        "%2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

template <>
PN_DEVICE void mma_m16n8k16<fp16>(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
        "%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

}  // namespace pn
