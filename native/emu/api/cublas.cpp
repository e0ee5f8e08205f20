// The few entry points of cuBLAS that the backend calls, under cuBLAS's own names: a product is a piece of work of its stream like a
// kernel. Sums are fp32 in the order of k.
#include "emu/kernel/half.h"
#include "emu/api/state.h"
#include "emu/run/memory.h"

#include <cstring>

using namespace pn::emu;

namespace {

constexpr int allocation_failed = 3, invalid_argument = 7, execution_failed = 13;

struct Handle {
    Stream* stream = nullptr;
};

int code_of(int result) {
    return result == success ? 0 : result == out_of_memory ? allocation_failed : result == invalid_value ? invalid_argument : execution_failed;
}

enum Type : int { type_fp32 = 0, type_fp16 = 2, type_bf16 = 14 };

// A matrix that lies column by column.
struct Matrix {
    Pointer data;
    Type type;
    long long rows, columns, leading;

    std::size_t element() const { return type == type_fp32 ? 4 : 2; }
    const char* at(long long i, long long j) const {
        return reinterpret_cast<const char*>(data) + static_cast<std::size_t>(j * leading + i) * element();
    }
    float get(long long i, long long j) const {
        if (type == type_fp32) return read<float>(at(i, j));
        return type == type_bf16 ? widen(read<bf16>(at(i, j))) : widen(read<fp16>(at(i, j)));
    }
    void set(long long i, long long j, float x) const {
        char* const p = const_cast<char*>(at(i, j));
        if (type == type_fp32) return write(p, x);
        return type == type_bf16 ? write(p, to_bf16(x)) : write(p, to_fp16(x));
    }

    // Refuses what is not within device memory.
    void check(const char* name) const {
        require(type == type_fp32 || type == type_fp16 || type == type_bf16, "a type that is not fp32, fp16 or bf16");
        require(leading >= rows && leading > 0, "a leading dimension that is smaller than a column");
        if (rows == 0 || columns == 0) return;
        const auto bytes = static_cast<std::size_t>((columns - 1) * leading + rows) * element();
        if (!DeviceMemory::get().holds(at(0, 0), bytes))
            throw Failure{invalid_value, std::string(name) + " is not within one allocation: " + DeviceMemory::get().describe(at(0, 0))};
    }

private:
    template <class T>
    static T read(const char* p) {
        T x;
        std::memcpy(&x, p, sizeof x);
        return x;
    }
    template <class T>
    static void write(char* p, T x) {
        std::memcpy(p, &x, sizeof x);
    }
};

struct Product {
    Matrix a, b, c;
    bool transpose_a, transpose_b;
    float alpha, beta;

    long long depth() const { return transpose_a ? a.rows : a.columns; }

    void run() const {
        a.check("A"), b.check("B"), c.check("C");
        const auto rows = static_cast<std::size_t>(c.rows), k_end = static_cast<std::size_t>(depth());
        std::vector<float> left(rows * k_end), column(k_end), sum(rows);
        for (std::size_t k = 0; k < k_end; k++)
            for (std::size_t i = 0; i < rows; i++) {
                const auto row = static_cast<long long>(i), at = static_cast<long long>(k);
                left[k * rows + i] = transpose_a ? a.get(at, row) : a.get(row, at);
            }
        for (long long j = 0; j < c.columns; j++) {
            std::fill(sum.begin(), sum.end(), 0.0f);
            for (std::size_t k = 0; k < k_end; k++) {
                const auto at = static_cast<long long>(k);
                const float factor = transpose_b ? b.get(j, at) : b.get(at, j);
                const float* const from = &left[k * rows];
                for (std::size_t i = 0; i < rows; i++) sum[i] += from[i] * factor;
            }
            for (std::size_t i = 0; i < rows; i++) {
                const auto row = static_cast<long long>(i);
                c.set(row, j, alpha * sum[i] + (beta == 0 ? 0 : beta * c.get(row, j)));
            }
        }
    }
};

void multiply(const Handle* handle, const Product& product) {
    require(handle != nullptr, "no handle");
    enqueue(handle->stream, {"cublasGemmEx", [product] { product.run(); }, {}, {}});
}

}  // namespace

PN_API int cublasCreate_v2(Handle** handle) {
    return code_of(driver_call("cublasCreate_v2", [&] {
        require(handle != nullptr, "no place for the handle");
        refuse_during_capture("the creation of a cuBLAS handle");
        *handle = new Handle;
    }));
}

PN_API int cublasDestroy_v2(Handle* handle) {
    return code_of(driver_call("cublasDestroy_v2", Needs::nothing, [&] { delete handle; }));
}

PN_API int cublasSetStream_v2(Handle* handle, Stream* stream) {
    return code_of(driver_call("cublasSetStream_v2", [&] { handle->stream = stream == nullptr ? nullptr : &state().streams.get(stream); }));
}

PN_API int cublasSetWorkspace_v2(Handle*, void* workspace, std::size_t bytes) {
    return code_of(driver_call("cublasSetWorkspace_v2", [&] {
        require(reinterpret_cast<std::uintptr_t>(workspace) % 256 == 0, "a workspace that is not aligned to 256 bytes");
        if (bytes > 0 && !DeviceMemory::get().holds(workspace, bytes)) throw Failure{invalid_value, "a workspace that is not device memory"};
    }));
}

PN_API int cublasSetMathMode(Handle*, int) {
    return code_of(driver_call("cublasSetMathMode", [] {}));
}

PN_API int cublasGemmEx(Handle* handle, int transpose_a, int transpose_b, int m, int n, int k, const float* alpha, Pointer a, Type type_a,
                        int lda, Pointer b, Type type_b, int ldb, const float* beta, Pointer c, Type type_c, int ldc, int compute, int) {
    return code_of(driver_call("cublasGemmEx", [&] {
        constexpr int compute_fp32 = 68;
        require(alpha != nullptr && beta != nullptr, "no factors");
        require(m >= 0 && n >= 0 && k >= 0, "a negative size");
        require(compute == compute_fp32, "sums that are not fp32");
        require(type_a == type_b && (type_c == type_a || type_c == type_fp32), "types that do not go together");
        const auto matrix = [](Pointer data, Type type, int rows, int columns, int leading) { return Matrix{data, type, rows, columns, leading}; };
        const Product product = {transpose_a ? matrix(a, type_a, k, m, lda) : matrix(a, type_a, m, k, lda),
                                 transpose_b ? matrix(b, type_b, n, k, ldb) : matrix(b, type_b, k, n, ldb),
                                 matrix(c, type_c, m, n, ldc), transpose_a != 0, transpose_b != 0, *alpha, *beta};
        product.a.check("A"), product.b.check("B"), product.c.check("C");
        multiply(handle, product);
    }));
}
