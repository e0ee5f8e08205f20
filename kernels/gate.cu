// gate_forward   Y[M, F] = f(X), or f(X) * Up; Y may be X or Up
// gate_backward  dX[M, F] = dY * Up * f'(X), dUp[M, F] = dY * f(X); dX or dUp may be dY
//
// All of one type; without Up there is no dUp.
#include "activation.cuh"
#include "tensor.cuh"

namespace pn {

template <class T>
PN_DEVICE void gate_forward(const Tensor& x, const Tensor& up, int activation, const Tensor& y) {
    for_piece(x.columns, [&](int i, int c) {
        const float v = activate(static_cast<Activation>(activation), x.get<T>(i, c));
        y.set<T>(i, c, up.present() ? v * up.get<T>(i, c) : v);
    });
}

template <class T>
PN_DEVICE void gate_backward(const Tensor& x, const Tensor& up, int activation, const Tensor& dy, const Tensor& dx,
                             const Tensor& dup) {
    const auto kind = static_cast<Activation>(activation);
    for_piece(x.columns, [&](int i, int c) {
        const float v = x.get<T>(i, c), slope = dy.get<T>(i, c), factor = up.present() ? up.get<T>(i, c) : 1.0f;
        if (up.present()) dup.set<T>(i, c, slope * activate(kind, v));
        dx.set<T>(i, c, slope * factor * activation_slope(kind, v));
    });
}

}  // namespace pn

#define PN_ONE_TYPE(T, suffix)                                                                                   \
    PN_KERNEL(gate_forward_##suffix, pn::Tensor x, pn::Tensor up, int activation, pn::Tensor y) {                \
        pn::gate_forward<T>(x, up, activation, y);                                                               \
    }                                                                                                            \
    PN_KERNEL(gate_backward_##suffix, pn::Tensor x, pn::Tensor up, int activation, pn::Tensor dy, pn::Tensor dx, \
              pn::Tensor dup) {                                                                                  \
        pn::gate_backward<T>(x, up, activation, dy, dx, dup);                                                    \
    }
PN_FOR_TYPES(PN_ONE_TYPE)
