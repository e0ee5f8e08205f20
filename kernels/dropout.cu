// dropout_forward  Y[M, N] = or += drop(X); Y may be X. Its own backward.
//
// X and Y are of one type. A thread takes the four elements that share the words of one counter.
#include "philox.cuh"
#include "tensor.cuh"

namespace pn {

template <class T>
PN_DEVICE void dropout_forward(const Tensor& x, const DropoutMask& mask, int accumulate, const Tensor& y) {
    const int pieces = (x.columns + piece_columns - 1) / piece_columns;
    const long long row = blockIdx.x / pieces;
    const int begin = static_cast<int>(blockIdx.x % pieces) * piece_columns;
    const int end = begin + piece_columns < x.columns ? begin + piece_columns : x.columns;
    const long long origin = row * x.columns;
    for (long long four = (origin + begin) / 4 + threadIdx.x; 4 * four < origin + end; four += blockDim.x) {
        const PhiloxWords words = mask.on() ? philox(mask.key, four, mask.stream_now()) : PhiloxWords{};
        for (int i = 0; i < 4; i++) {
            const long long c = 4 * four + i - origin;
            if (c < begin || c >= end) continue;
            const float v = x.get<T>(row, static_cast<int>(c)) * (mask.on() ? keep_factor(mask, words[i]) : 1.0f);
            y.set<T>(row, static_cast<int>(c), accumulate ? y.get<T>(row, static_cast<int>(c)) + v : v);
        }
    }
}

}  // namespace pn

#define PN_ONE_TYPE(T, suffix)                                                                              \
    PN_KERNEL(dropout_forward_##suffix, pn::Tensor x, pn::DropoutMask mask, int accumulate, pn::Tensor y) { \
        pn::dropout_forward<T>(x, mask, accumulate, y);                                                     \
    }
PN_FOR_TYPES(PN_ONE_TYPE)
