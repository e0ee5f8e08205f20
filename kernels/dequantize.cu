// dequantize_forward  Y[N, K] = the elements that 4-bit codes (two to a byte, the first in the upper half) or signed bytes
//                     stand for, times the maximum of their block; maxima may be codes themselves
//
// Y is of any type; books, maxima and their scales are fp32. The formula stands in PeftNative.Ops.DequantizeOp.
#include "tensor.cuh"

namespace pn {

// The layout of CudaBackend.KernelCodes.
struct Codes {
    Tensor codes, book;                              // bytes; [1, 16], or absent for signed bytes
    Tensor maxima;                                   // [1, blocks], or absent:
    Tensor maxima_codes, maxima_book, maxima_scales;  // bytes, [1, 256], [1, blocks / 256]
    float maxima_offset;
    int block_size;

    PN_DEVICE float maximum(long long block) const {
        if (maxima.present()) return maxima.row<float>(0)[block];
        const int code = maxima_codes.row<unsigned char>(0)[block];
        return maxima_book.get<float>(0, code) * maxima_scales.row<float>(0)[block / 256] + maxima_offset;
    }

    PN_DEVICE float value(long long element) const {
        if (!book.present()) return static_cast<float>(codes.row<signed char>(0)[element]) * (1.0f / 127);
        const int pair = codes.row<unsigned char>(0)[element / 2];
        return book.get<float>(0, element % 2 == 0 ? pair >> 4 : pair & 15);
    }
};

template <class T>
PN_DEVICE void dequantize_forward(const Codes& from, const Tensor& y) {
    for_piece(y.columns, [&](int i, int c) {
        const long long element = static_cast<long long>(i) * y.columns + c;
        y.set<T>(i, c, from.value(element) * from.maximum(element / from.block_size));
    });
}

}  // namespace pn

#define PN_ONE_TYPE(T, suffix) \
    PN_KERNEL(dequantize_forward_##suffix, pn::Codes from, pn::Tensor y) { pn::dequantize_forward<T>(from, y); }
PN_FOR_TYPES(PN_ONE_TYPE)
