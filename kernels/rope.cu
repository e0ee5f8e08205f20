// rope_turn  X[M, ...] in place: in every head, for i < R/2, (x_i, x_{i + R/2}) turns by direction times the angle of
//            its row's
//            position; direction 1 is the forward, -1 the backward
//
// X is of any type; the tables of cosines and sines [positions, R/2] are fp32, positions int32.
#include "tensor.cuh"

namespace pn {

template <class T>
PN_DEVICE void rope_turn(const Tensor& x, int heads, int head_stride, const Tensor& positions, const Tensor& cosines,
                         const Tensor& sines, float direction) {
    const int half = cosines.columns;
    for_piece(heads * half, [&](int m, int c) {
        const int i = c % half, position = positions.integer(m);
        T* head = x.row<T>(m) + c / half * head_stride;
        const float cosine = cosines.get<float>(position, i), sine = direction * sines.get<float>(position, i);
        const float a = load(head + i), b = load(head + half + i);
        store(head + i, a * cosine - b * sine);
        store(head + half + i, b * cosine + a * sine);
    });
}

}  // namespace pn

#define PN_ONE_TYPE(T, suffix)                                                                                        \
    PN_KERNEL(rope_turn_##suffix, pn::Tensor x, int heads, int head_stride, pn::Tensor positions, pn::Tensor cosines, \
              pn::Tensor sines, float direction) {                                                                    \
        pn::rope_turn<T>(x, heads, head_stride, positions, cosines, sines, direction);                                \
    }
PN_FOR_TYPES(PN_ONE_TYPE)
