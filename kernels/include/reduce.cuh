// Sums and maxima over a warp or a block. The order is fixed by the block size alone, so results repeat bit for bit.
#pragma once

#include "ptx.cuh"

namespace pn {

struct Sum {
    template <class T>
    PN_DEVICE T operator()(T a, T b) const {
        return a + b;
    }
};

struct Max {
    PN_DEVICE float operator()(float a, float b) const { return fmaxf(a, b); }
};

PN_DEVICE float warp_sum(float v) { return warp_reduce(v, Sum()); }
PN_DEVICE float warp_max(float v) { return warp_reduce(v, Max()); }

// Every thread of the block calls it and every thread gets the result. The block has full warps only.
template <class T, class Op>
PN_DEVICE T block_reduce(T v, T identity, Op op) {
    PN_SMEM(T, partial, warp_size);
    const int warps = block_threads() / warp_size;
    v = warp_reduce(v, op);
    if (warps == 1) return v;
    if (lane_index() == 0) partial[warp_index()] = v;
    sync_block();
    v = lane_index() < warps ? partial[lane_index()] : identity;
    sync_block();  // the next call may write partial
    return warp_reduce(v, op);
}

PN_DEVICE float block_sum(float v) { return block_reduce(v, 0.0f, Sum()); }
PN_DEVICE float block_max(float v) { return block_reduce(v, -infinity(), Max()); }

}  // namespace pn
