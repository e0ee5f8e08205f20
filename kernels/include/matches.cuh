// Scatter without atomics: who owns a row of the target looks for the ids that name it.
#pragma once

#include "tensor.cuh"

namespace pn {

// Calls f(i) for the places i in order whose id (int32 [1, n]) is wanted. The lanes of a warp look together and all
// call f.
template <class F>
PN_DEVICE void for_matches(const Tensor& ids, int wanted, F f) {
    for (int begin = 0; begin < ids.columns; begin += warp_size) {
        const int at = begin + lane_index();
        unsigned found = ballot(full_warp, at < ids.columns && ids.integer(at) == wanted);
        for (int i = begin; found != 0; i++, found >>= 1)
            if (found & 1) f(i);
    }
}

}  // namespace pn
