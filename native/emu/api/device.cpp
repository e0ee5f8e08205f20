// The one device, its primary context, and the names of errors.
#include "emu/api/state.h"
#include "emu/run/block.h"
#include "emu/run/fault.h"
#include "emu/run/memory.h"
#include "emu/run/report.h"

#include <cstring>


using namespace pn::emu;

namespace {

struct Attribute {
    int number, value;
};

// What kernels for compute capability 8.0 and later may count on; 8.6 has the least shared memory of them.
constexpr Attribute attributes[] = {
    {1, most_threads},  // threads per block
    {2, 1024}, {3, 1024}, {4, 64},  // block dimensions
    {5, 0x7fffffff}, {6, 65535}, {7, 65535},  // grid dimensions
    {8, static_cast<int>(shared_default)},  // shared memory per block
    {10, lanes_of_warp},
    {16, 4},    // multiprocessors
    {39, 2048},  // threads per multiprocessor
    {41, 1},    // unified addressing
    {75, 8}, {76, 0},  // compute capability
    {81, 100 * 1024},  // shared memory per multiprocessor
    {97, static_cast<int>(shared_most)},  // shared memory per block, opted in
    {115, 0},   // memory pools
};

struct Error {
    int code;
    const char *name, *text;
};

constexpr Error errors[] = {
    {success, "CUDA_SUCCESS", "no error"},
    {invalid_value, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {out_of_memory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {not_initialized, "CUDA_ERROR_NOT_INITIALIZED", "the driver is not initialized"},
    {invalid_device, "CUDA_ERROR_INVALID_DEVICE", "no such device"},
    {invalid_image, "CUDA_ERROR_INVALID_IMAGE", "the image is no module"},
    {invalid_context, "CUDA_ERROR_INVALID_CONTEXT", "no such context"},
    {invalid_handle, "CUDA_ERROR_INVALID_HANDLE", "no such object"},
    {not_found, "CUDA_ERROR_NOT_FOUND", "no such symbol"},
    {not_ready, "CUDA_ERROR_NOT_READY", "not ready"},
    {illegal_address, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access"},
    {launch_out_of_resources, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {launch_failed, "CUDA_ERROR_LAUNCH_FAILED", "a kernel failed"},
    {capture_unsupported, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "not permitted while a stream is captured"},
    {capture_invalidated, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "the capture failed before"},
    {capture_unmatched, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "the capture was not begun on this stream"},
    {graph_update_failure, "CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE", "the executable graph cannot be updated so"},
};

const Error* find_error(int code) {
    for (const Error& error : errors)
        if (error.code == code) return &error;
    return nullptr;
}

void check_device(int device) {
    if (device != 0) throw Failure{invalid_device, "there is one device, 0"};
}

}  // namespace

PN_API int cuInit(unsigned flags) {
    return driver_call("cuInit", Needs::nothing, [&] {
        require(flags == 0, "flags must be 0");
        if (state().initialized) return;
        read_environment();
        handle_faults();
        state().initialized = true;
    });
}

PN_API int cuDriverGetVersion(int* version) {
    return driver_call("cuDriverGetVersion", Needs::nothing, [&] {
        require(version != nullptr, "no place for the version");
        *version = 12000;
    });
}

PN_API int cuDeviceGetCount(int* count) {
    return driver_call("cuDeviceGetCount", Needs::driver, [&] {
        require(count != nullptr, "no place for the count");
        *count = 1;
    });
}

PN_API int cuDeviceGet(int* device, int ordinal) {
    return driver_call("cuDeviceGet", Needs::driver, [&] {
        require(device != nullptr, "no place for the device");
        check_device(ordinal);
        *device = 0;
    });
}

PN_API int cuDeviceGetName(char* name, int bytes, int device) {
    return driver_call("cuDeviceGetName", Needs::driver, [&] {
        require(name != nullptr && bytes > 0, "no place for the name");
        check_device(device);
        std::strncpy(name, "PeftNative emulated device", static_cast<std::size_t>(bytes) - 1);
        name[bytes - 1] = 0;
    });
}

PN_API int cuDeviceGetAttribute(int* value, int attribute, int device) {
    return driver_call("cuDeviceGetAttribute", Needs::driver, [&] {
        require(value != nullptr, "no place for the value");
        check_device(device);
        for (const Attribute& known : attributes)
            if (known.number == attribute) {
                *value = known.value;
                return;
            }
        throw Failure{invalid_value, "the emulator does not know attribute " + std::to_string(attribute)};
    });
}

PN_API int cuDeviceTotalMem_v2(std::size_t* bytes, int device) {
    return driver_call("cuDeviceTotalMem_v2", Needs::driver, [&] {
        require(bytes != nullptr, "no place for the size");
        check_device(device);
        *bytes = DeviceMemory::get().limit();
    });
}

PN_API int cuDevicePrimaryCtxRetain(Context** context, int device) {
    return driver_call("cuDevicePrimaryCtxRetain", Needs::driver, [&] {
        require(context != nullptr, "no place for the context");
        check_device(device);
        state().context.references++;
        *context = &state().context;
    });
}

PN_API int cuDevicePrimaryCtxRelease_v2(int device) {
    return driver_call("cuDevicePrimaryCtxRelease_v2", Needs::driver, [&] {
        check_device(device);
        State& s = state();
        if (s.context.references == 0) throw Failure{invalid_context, "the primary context is not retained"};
        if (--s.context.references > 0) return;
        // The last one takes everything with it that was not freed, and with it an error that nothing else ends.
        s.streams.clear();
        s.events.clear();
        s.executables.clear();
        s.graphs.clear();
        s.functions.clear();
        s.modules.clear();
        DeviceMemory::get().free_all();
        for (const auto& [memory, bytes] : s.host_memory) free_pages(const_cast<void*>(memory), bytes);
        s.host_memory.clear();
        s.lost = success;
    });
}

PN_API int cuCtxSetCurrent(Context* context) {
    return driver_call("cuCtxSetCurrent", Needs::driver, [&] {
        if (context != nullptr && (context != &state().context || context->references == 0))
            throw Failure{invalid_context, "no such context, or released"};
        current_context = context;
    });
}

PN_API int cuCtxGetCurrent(Context** context) {
    return driver_call("cuCtxGetCurrent", Needs::driver, [&] {
        require(context != nullptr, "no place for the context");
        *context = current_context;
    });
}

PN_API int cuGetErrorName(int code, const char** name) {
    const Error* const error = find_error(code);
    if (name == nullptr) return invalid_value;
    *name = error == nullptr ? nullptr : error->name;
    return error == nullptr ? invalid_value : success;
}

PN_API int cuGetErrorString(int code, const char** text) {
    const Error* const error = find_error(code);
    if (text == nullptr) return invalid_value;
    *text = error == nullptr ? nullptr : error->text;
    return error == nullptr ? invalid_value : success;
}
