// Handles, descriptions, layouts and preferences of cuBLASLt:
// made, told their attributes by number and size, given back.
#include "emu/api/state.h"

#include <bit>
#include <cstring>

using namespace pn::emu;

namespace {

constexpr int compute_fp32 = 68;

template <class Body>
int call(const char* name, Body&& body) {
    return blas_status(driver_call(name, Needs::nothing, std::forward<Body>(body)));
}

// Gives an object back even when the call is made to fail: nobody could do so later.
template <class T>
int destroy(const char* name, Handles<T>& objects, T* object) {
    const std::lock_guard lock(driver_mutex());
    const bool known = objects.has(object);
    if (known) objects.remove(object);
    return call(name, [&] { require(known, "no such object, or destroyed before"); });
}

// The value of an attribute, whose size must be exact.
template <class T>
T value(const void* p, std::size_t bytes) {
    require(p != nullptr && bytes == sizeof(T), "an attribute without a value, or of another size");
    T x;
    std::memcpy(&x, p, sizeof x);
    return x;
}

bool is_transposed(const void* p, std::size_t bytes) {
    const auto operation = value<std::int32_t>(p, bytes);
    require(operation == 0 || operation == 1, "an operation that is neither none nor transposition");
    return operation == 1;
}

bool is_biased(const void* p, std::size_t bytes) {
    constexpr std::uint32_t plain = 1, bias = 4;
    const auto epilogue = value<std::uint32_t>(p, bytes);
    require(epilogue == plain || epilogue == bias, "an epilogue other than none and a bias");
    return epilogue == bias;
}

}  // namespace

PN_API std::size_t cublasLtGetVersion() { return 110'000; }

PN_API int cublasLtCreate(LtHandle** handle) {
    return blas_status(driver_call("cublasLtCreate", [&] {
        require(handle != nullptr, "no place for the handle");
        refuse_during_capture("the creation of a cuBLASLt handle");
        *handle = state().lt_handles.add(LtHandle{});
    }));
}

PN_API int cublasLtDestroy(LtHandle* handle) { return destroy("cublasLtDestroy", state().lt_handles, handle); }

PN_API int cublasLtMatmulDescCreate(LtDescriptor** descriptor, int compute, int scale) {
    return call("cublasLtMatmulDescCreate", [&] {
        require(descriptor != nullptr && compute == compute_fp32 && scale == type_fp32,
                "no place for it, or sums or factors that are not fp32");
        *descriptor = state().lt_descriptors.add(LtDescriptor{});
    });
}

PN_API int cublasLtMatmulDescDestroy(LtDescriptor* descriptor) {
    return destroy("cublasLtMatmulDescDestroy", state().lt_descriptors, descriptor);
}

PN_API int cublasLtMatmulDescSetAttribute(LtDescriptor* descriptor, int attribute, const void* p, std::size_t bytes) {
    return call("cublasLtMatmulDescSetAttribute", [&] {
        constexpr int transpose_a = 3, transpose_b = 4, epilogue = 7, bias_pointer = 8;
        LtDescriptor& known = state().lt_descriptors.get(descriptor);
        switch (attribute) {
            case transpose_a: known.transpose_a = is_transposed(p, bytes); break;
            case transpose_b: known.transpose_b = is_transposed(p, bytes); break;
            case epilogue: known.has_bias = is_biased(p, bytes); break;
            case bias_pointer: known.bias = value<Pointer>(p, bytes); break;
            default: require(false, "an attribute that a product does not have here");
        }
    });
}

PN_API int cublasLtMatrixLayoutCreate(LtLayout** layout, Type type, std::uint64_t rows, std::uint64_t columns,
                                      std::int64_t leading) {
    return call("cublasLtMatrixLayoutCreate", [&] {
        require(layout != nullptr, "no place for the layout");
        require(type == type_fp32 || type == type_fp16 || type == type_bf16, "a type that is not fp32, fp16 or bf16");
        require(rows > 0 && columns > 0 && leading >= static_cast<std::int64_t>(rows),
                "a matrix without elements, or with too short columns");
        *layout = state().lt_layouts.add(
            LtLayout{type, static_cast<long long>(rows), static_cast<long long>(columns), leading});
    });
}

PN_API int cublasLtMatrixLayoutDestroy(LtLayout* layout) {
    return destroy("cublasLtMatrixLayoutDestroy", state().lt_layouts, layout);
}

PN_API int cublasLtMatmulPreferenceCreate(LtPreference** preference) {
    return call("cublasLtMatmulPreferenceCreate", [&] {
        require(preference != nullptr, "no place for the preference");
        *preference = state().lt_preferences.add(LtPreference{});
    });
}

PN_API int cublasLtMatmulPreferenceDestroy(LtPreference* preference) {
    return destroy("cublasLtMatmulPreferenceDestroy", state().lt_preferences, preference);
}

PN_API int cublasLtMatmulPreferenceSetAttribute(LtPreference* preference, int attribute, const void* p,
                                                std::size_t bytes) {
    return call("cublasLtMatmulPreferenceSetAttribute", [&] {
        constexpr int workspace = 1, reductions = 3, first_alignment = 5, last_alignment = 8;
        LtPreference& known = state().lt_preferences.get(preference);
        if (attribute == workspace) {
            known.workspace = value<std::uint64_t>(p, bytes);
        } else if (attribute == reductions) {
            known.reductions = value<std::uint32_t>(p, bytes);
            require(known.reductions <= 7, "a reduction scheme that does not exist");
        } else {
            require(attribute >= first_alignment && attribute <= last_alignment,
                    "an attribute that a preference does not have here");
            const auto alignment = value<std::uint32_t>(p, bytes);
            require(std::has_single_bit(alignment), "an alignment that is no power of two");
            known.alignments[attribute - first_alignment] = alignment;
        }
    });
}
