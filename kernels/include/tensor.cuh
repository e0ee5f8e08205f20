// What kernels are given: operands as the host describes them, and the loops over them.
#pragma once

#include "ptx.cuh"

namespace pn {

// The layout of PeftNative.Tensors.Tensor. An absent operand has no data.
struct Tensor {
    void* data;
    int type;
    int rows, columns;
    int stride;  // elements from one row to the next

    PN_DEVICE bool present() const { return data != nullptr; }

    template <class T>
    PN_DEVICE T* row(long long i) const {
        return static_cast<T*>(data) + i * stride;
    }

    // Element (i, j) as fp32.
    template <class T>
    PN_DEVICE float get(long long i, int j) const {
        return load(row<T>(i) + j);
    }

    template <class T>
    PN_DEVICE void set(long long i, int j, float x) const {
        store(row<T>(i) + j, x);
    }

    PN_DEVICE int integer(long long i) const { return static_cast<const int*>(data)[i]; }
};

// A block of an elementwise kernel takes so many columns of one row; the grid has a block for every such piece
// (PeftNative.Cuda's CudaBackend.Pieces).
constexpr int piece_columns = 1024;

// Calls f(row, column) for the elements of this block's piece.
template <class F>
PN_DEVICE void for_piece(int columns, F f) {
    const int pieces = (columns + piece_columns - 1) / piece_columns;
    const int row = blockIdx.x / pieces, begin = (blockIdx.x % pieces) * piece_columns;
    const int end = begin + piece_columns < columns ? begin + piece_columns : columns;
    for (int c = begin + threadIdx.x; c < end; c += blockDim.x) f(row, c);
}

}  // namespace pn

// Kernels for every storage type: X(T, suffix), and for every pair of types of an activation and a matrix.
#define PN_FOR_TYPES(X) X(float, fp32) X(pn::bf16, bf16) X(pn::fp16, fp16)
#define PN_FOR_MATRIX_TYPES(X)                                                            \
    X(float, float, fp32_fp32) X(pn::bf16, pn::bf16, bf16_bf16) X(pn::bf16, float, bf16_fp32) \
    X(pn::fp16, pn::fp16, fp16_fp16) X(pn::fp16, float, fp16_fp32)
