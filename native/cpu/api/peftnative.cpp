// Versions, contexts, memory, and the operations that work on elements of any type.
#include "peftnative.h"

#include <cstring>

#include "core/context.h"
#include "core/error.h"
#include "core/kernels.h"

namespace {

constexpr int32_t layout[] = {
    sizeof(pn_tensor),
    sizeof(pn_dropout_mask),
    sizeof(pn_low_rank),
    sizeof(pn_linear),
    sizeof(pn_linear_gradients),
    sizeof(pn_dequantize),
    sizeof(pn_dora_scale),
    sizeof(pn_dora_scale_gradients),
    sizeof(pn_embedding),
    sizeof(pn_embedding_gradients),
    sizeof(pn_norm),
    sizeof(pn_norm_gradients),
    sizeof(pn_rope),
    sizeof(pn_attention),
    sizeof(pn_attention_gradients),
    sizeof(pn_gate),
    sizeof(pn_gate_gradients),
    sizeof(pn_dropout),
    sizeof(pn_gather),
    sizeof(pn_gather_gradients),
    sizeof(pn_cross_entropy),
    sizeof(pn_regression_loss),
    sizeof(pn_adamw),
};
constexpr int32_t layout_count = sizeof layout / sizeof *layout;

std::size_t size_of(int32_t type) {
    switch (type) {
        case PN_FLOAT64: return 8;
        case PN_FLOAT32:
        case PN_INT32: return 4;
        case PN_BFLOAT16:
        case PN_FLOAT16: return 2;
        default: pn::fail(PN_UNSUPPORTED, "element type %d is unknown", type);
    }
}

uint16_t to_bfloat16(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    if (x != x) return 0x7fc0;
    return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

// To nearest, ties to even, with subnormal and infinite results.
uint16_t to_float16(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
    if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
    if (magnitude < 0x38800000u) {  // below 2^-14: whole multiples of 2^-24
        float small;
        std::memcpy(&small, &magnitude, sizeof small);
        const float shifted = small + 0.5f;  // the sum rounds to a multiple of 2^-24
        uint32_t rounded;
        std::memcpy(&rounded, &shifted, sizeof rounded);
        return static_cast<uint16_t>(sign | (rounded - 0x3f000000u));
    }
    const uint32_t rounded = magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u);
    return static_cast<uint16_t>(sign | (rounded >> 13));
}

template <class T>
void fill_rows(const pn_tensor& t, T value) {
    for (int64_t i = 0; i < t.rows; i++) {
        T* row = static_cast<T*>(t.data) + i * t.stride;
        for (int64_t j = 0; j < t.columns; j++) row[j] = value;
    }
}

void need(bool condition, const char* what) {
    if (!condition) pn::fail(PN_INVALID_ARGUMENT, "%s", what);
}

}  // namespace

uint32_t pn_abi_version(void) { return PN_ABI_VERSION; }

pn_status pn_check_layout(const int32_t* sizes, int32_t count) {
    return pn::guard([&] {
        if (count != layout_count)
            pn::fail(PN_INVALID_ARGUMENT, "the caller knows %d records, the library %d", count, layout_count);
        for (int32_t i = 0; i < count; i++)
            if (sizes[i] != layout[i])
                pn::fail(PN_INVALID_ARGUMENT, "record %d has %d bytes for the caller, %d for the library", i, sizes[i],
                         layout[i]);
    });
}

const char* pn_last_error(void) { return pn::last_error(); }

pn_status pn_create(int32_t threads, const char* instruction_set, pn_context** context) {
    return pn::guard([&] {
        need(context != nullptr && threads >= 0 && threads <= 4096, "create: 0 to 4096 threads");
        *context = new pn_context(threads, instruction_set);
    });
}

void pn_destroy(pn_context* context) { delete context; }

const char* pn_cpu_description(const pn_context* context) {
    return context == nullptr ? "" : context->description.c_str();
}

pn_status pn_allocate(int64_t bytes, void** memory) {
    return pn::guard([&] {
        need(memory != nullptr && bytes >= 0, "allocate: a negative size");
        *memory = pn::allocate_aligned(static_cast<std::size_t>(bytes));
    });
}

void pn_free(void* memory) { pn::free_aligned(memory); }

pn_status pn_fill(pn_context* context, const pn_tensor* x, double value) {
    return pn::guard([&] {
        need(context != nullptr && x != nullptr, "fill: a null argument");
        switch (x->type) {
            case PN_FLOAT32: return fill_rows(*x, static_cast<float>(value));
            case PN_FLOAT64: return fill_rows(*x, value);
            case PN_BFLOAT16: return fill_rows(*x, to_bfloat16(static_cast<float>(value)));
            case PN_FLOAT16: return fill_rows(*x, to_float16(static_cast<float>(value)));
            case PN_INT32: return fill_rows(*x, static_cast<int32_t>(value));
            default: pn::fail(PN_UNSUPPORTED, "fill: element type %d is unknown", x->type);
        }
    });
}

pn_status pn_copy(pn_context* context, const pn_tensor* x, const pn_tensor* y) {
    return pn::guard([&] {
        need(context != nullptr && x != nullptr && y != nullptr, "copy: a null argument");
        need(x->rows == y->rows && x->columns == y->columns && x->type == y->type, "copy: the shapes or types differ");
        const std::size_t size = size_of(x->type), bytes = size * static_cast<std::size_t>(x->columns);
        for (int64_t i = 0; i < x->rows && bytes > 0; i++)
            std::memmove(static_cast<char*>(y->data) + static_cast<std::size_t>(i * y->stride) * size,
                         static_cast<const char*>(x->data) + static_cast<std::size_t>(i * x->stride) * size, bytes);
    });
}
