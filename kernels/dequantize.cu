// dequantize_forward  Y[N, K] = the elements that codes of 4 bits (two to a byte, first in the upper half) or 8 bits
//                     stand for, less what stands for zero, times the scale of their block; scales may be codes too
// dequantize_blocks   Y[N, K] = the elements of blocks as files have them
//
// Y is of any type; books, scales and their scales are fp32. The formula stands in PeftNative.Ops.DequantizeOp.
#include "tensor.cuh"

#define PN_BLOCK_FUNCTION static PN_DEVICE
#include "shared/block_values.h"

namespace pn {

// The layout of CudaBackend.KernelCodes.
struct Codes {
    Tensor codes, book;                               // bytes; [1, 16] or [1, 256], or absent for signed bytes
    Tensor groups, zeros;                             // [1, K] blocks of columns; bytes
    Tensor maxima;                                    // [1, blocks], or absent:
    Tensor maxima_codes, maxima_book, maxima_scales;  // bytes, [1, 256], [1, blocks / 256]
    float maxima_offset;
    int block_size, block_rows;

    PN_DEVICE static int byte(const Tensor& words, long long i) { return words.row<unsigned char>(0)[i]; }

    PN_DEVICE float maximum(long long block) const {
        if (maxima.present()) return maxima.row<float>(0)[block];
        const int code = byte(maxima_codes, block);
        return maxima_book.get<float>(0, code) * maxima_scales.row<float>(0)[block / 256] + maxima_offset;
    }

    PN_DEVICE float value(long long element) const {
        if (!book.present()) return static_cast<float>(codes.row<signed char>(0)[element]) * (1.0f / 127);
        if (book.columns > 16) return book.get<float>(0, byte(codes, element));
        const int pair = byte(codes, element / 2);
        return book.get<float>(0, element % 2 == 0 ? pair >> 4 : pair & 15);
    }

    PN_DEVICE long long block(int row, int column, int columns) const {
        if (block_rows == 0) return (static_cast<long long>(row) * columns + column) / block_size;
        const int group = groups.present() ? groups.integer(column) : column / block_size;
        return static_cast<long long>(row / block_rows) * ((columns + block_size - 1) / block_size) + group;
    }
};

template <class T>
PN_DEVICE void dequantize_forward(const Codes& from, const Tensor& y) {
    for_piece(y.columns, [&](int i, int c) {
        const long long block = from.block(i, c, y.columns);
        float value = from.value(static_cast<long long>(i) * y.columns + c);
        if (from.zeros.present()) value -= from.book.get<float>(0, Codes::byte(from.zeros, block));
        y.set<T>(i, c, value * from.maximum(block));
    });
}

template <class T>
struct BlockPiece {
    const Tensor& codes;
    const Tensor& y;

    template <class Format>
    PN_DEVICE void operator()(Format) const {
        const int held = blocks::elements(Format::value), bytes = blocks::bytes(Format::value);
        const Tensor &from = codes, &to = y;
        for_piece(y.columns, [&](int i, int c) {
            const unsigned char* block = from.row<unsigned char>(i) + static_cast<long long>(c / held) * bytes;
            to.set<T>(i, c, blocks::value<Format::value>(block, c % held));
        });
    }
};

}  // namespace pn

#define PN_ONE_TYPE(T, suffix)                                                                                   \
    PN_KERNEL(dequantize_forward_##suffix, pn::Codes from, pn::Tensor y) { pn::dequantize_forward<T>(from, y); } \
    PN_KERNEL(dequantize_blocks_##suffix, pn::Tensor codes, pn::Tensor y, int format) {                          \
        pn::blocks::with_format(format, pn::BlockPiece<T>{codes, y});                                            \
    }
PN_FOR_TYPES(PN_ONE_TYPE)
