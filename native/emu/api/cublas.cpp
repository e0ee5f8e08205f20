// The few entry points of cuBLAS that the backend calls, under cuBLAS's
// own names: a product is a piece of work of its stream like a kernel.
#include "emu/api/product.h"
#include "emu/api/state.h"
#include "emu/run/memory.h"

using namespace pn::emu;

namespace {

struct Handle {
    Stream* stream = nullptr;
};

void multiply(const Handle* handle, const Product& product) {
    require(handle != nullptr, "no handle");
    enqueue(handle->stream, {"cublasGemmEx", [product] { product.run(); }, {}, {}});
}

}  // namespace

PN_API int cublasCreate_v2(Handle** handle) {
    return blas_status(driver_call("cublasCreate_v2", [&] {
        require(handle != nullptr, "no place for the handle");
        refuse_during_capture("the creation of a cuBLAS handle");
        *handle = new Handle;
    }));
}

PN_API int cublasDestroy_v2(Handle* handle) {
    return blas_status(driver_call("cublasDestroy_v2", Needs::nothing, [&] { delete handle; }));
}

PN_API int cublasSetStream_v2(Handle* handle, Stream* stream) {
    return blas_status(driver_call(
        "cublasSetStream_v2", [&] { handle->stream = stream == nullptr ? nullptr : &state().streams.get(stream); }));
}

PN_API int cublasSetWorkspace_v2(Handle*, void* workspace, std::size_t bytes) {
    return blas_status(driver_call("cublasSetWorkspace_v2", [&] {
        require(reinterpret_cast<std::uintptr_t>(workspace) % 256 == 0, "a workspace that is not aligned to 256 bytes");
        if (bytes > 0 && !DeviceMemory::get().holds(workspace, bytes))
            throw Failure{invalid_value, "a workspace that is not device memory"};
    }));
}

PN_API int cublasSetMathMode(Handle*, int) {
    return blas_status(driver_call("cublasSetMathMode", [] {}));
}

PN_API int cublasGemmEx(Handle* handle, int transpose_a, int transpose_b, int m, int n, int k, const float* alpha,
                        Pointer a, Type type_a, int lda, Pointer b, Type type_b, int ldb, const float* beta, Pointer c,
                        Type type_c, int ldc, int compute, int) {
    return blas_status(driver_call("cublasGemmEx", [&] {
        constexpr int compute_fp32 = 68;
        require(alpha != nullptr && beta != nullptr, "no factors");
        require(m >= 0 && n >= 0 && k >= 0, "a negative size");
        require(compute == compute_fp32, "sums that are not fp32");
        require(type_a == type_b && (type_c == type_a || type_c == type_fp32), "types that do not go together");
        const auto matrix = [](Pointer data, Type type, int rows, int columns, int leading) {
            return Matrix{data, type, rows, columns, leading};
        };
        const Matrix result = matrix(c, type_c, m, n, ldc);
        const Product product = {transpose_a ? matrix(a, type_a, k, m, lda) : matrix(a, type_a, m, k, lda),
                                 transpose_b ? matrix(b, type_b, n, k, ldb) : matrix(b, type_b, k, n, ldb),
                                 result, result, {}, transpose_a != 0, transpose_b != 0, *alpha, *beta};
        product.check();
        multiply(handle, product);
    }));
}
