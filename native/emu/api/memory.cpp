// Device memory, page-locked host memory, copies and fills.
#include "emu/run/memory.h"

#include "emu/api/state.h"

#include <algorithm>
#include <cstring>

using namespace pn::emu;

namespace {

char* on_device(Pointer p, std::size_t bytes, const char* what) {
    char* const address = reinterpret_cast<char*>(p);
    if (bytes > 0 && !DeviceMemory::get().holds(address, bytes))
        throw Failure{invalid_value,
                      std::string(what) + " of " + std::to_string(bytes) +
                          " bytes is not within one allocation: " + DeviceMemory::get().describe(address)};
    return address;
}

Stream* find_stream(Stream* stream) { return stream == nullptr ? nullptr : &state().streams.get(stream); }

// Work on the default stream is done at once and so needs no copy of pageable memory.
void to_device(Pointer to, const void* from, std::size_t bytes, Stream* stream) {
    char* const target = on_device(to, bytes, "the target");
    require(bytes == 0 || from != nullptr, "no source");
    if (stream == nullptr || is_capturing(stream) || is_page_locked(from, bytes))
        return enqueue(
            stream, {"copy to device", [=] { std::memcpy(on_device(to, bytes, "the target"), from, bytes); }, {}, {}});
    const auto* const first = static_cast<const char*>(from);
    enqueue(stream, {"copy to device", [target, kept = std::vector<char>(first, first + bytes)] {
        on_device(reinterpret_cast<Pointer>(target), kept.size(), "the target");
        std::memcpy(target, kept.data(), kept.size());
    }, {}, {}});
}

void to_host(void* to, Pointer from, std::size_t bytes, Stream* stream) {
    on_device(from, bytes, "the source");
    require(bytes == 0 || to != nullptr, "no target");
    enqueue(stream, {"copy to host", [=] { std::memcpy(to, on_device(from, bytes, "the source"), bytes); }, {}, {}});
    if (stream != nullptr && !is_capturing(stream) && !is_page_locked(to, bytes)) run_stream(*stream);
}

void between(Pointer to, Pointer from, std::size_t bytes, Stream* stream) {
    on_device(from, bytes, "the source");
    on_device(to, bytes, "the target");
    enqueue(stream, {"copy", [=] {
        std::memmove(on_device(to, bytes, "the target"), on_device(from, bytes, "the source"), bytes);
    }, {}, {}});
}

template <class T>
void fill(Pointer to, T value, std::size_t count, Stream* stream) {
    require(to % sizeof(T) == 0, "a misaligned target");
    on_device(to, count * sizeof(T), "the target");
    enqueue(stream, {"fill", [=] {
        auto* const p = reinterpret_cast<T*>(on_device(to, count * sizeof(T), "the target"));
        for (std::size_t i = 0; i < count; i++) p[i] = value;
    }, {}, {}});
}

void host_allocate(void** p, std::size_t bytes) {
    require(p != nullptr && bytes > 0, "no place for the pointer, or no bytes");
    *p = new_pages(bytes);
    if (*p == nullptr) throw Failure{out_of_memory, "no page-locked memory"};
    state().host_memory[*p] = bytes;
}

}  // namespace

PN_API int cuMemAlloc_v2(Pointer* p, std::size_t bytes) {
    return driver_call("cuMemAlloc_v2", [&] {
        require(p != nullptr && bytes > 0, "no place for the pointer, or no bytes");
        refuse_during_capture("an allocation");
        void* const memory = DeviceMemory::get().allocate(bytes);
        if (memory == nullptr)
            throw Failure{out_of_memory, std::to_string(bytes) + " bytes more than " +
                                             std::to_string(DeviceMemory::get().used()) + " would pass the limit of " +
                                             std::to_string(DeviceMemory::get().limit())};
        *p = reinterpret_cast<Pointer>(memory);
    });
}

PN_API int cuMemFree_v2(Pointer p) {
    return driver_call("cuMemFree_v2", [&] {
        if (p == 0) return;
        refuse_during_capture("freeing memory");
        run_all_streams();
        std::string damage;
        if (!DeviceMemory::get().free(reinterpret_cast<void*>(p), damage))
            throw Failure{invalid_value, "no allocation begins there, or it was freed before"};
        if (!damage.empty()) throw Failure{illegal_address, damage};
    });
}

PN_API int cuMemGetInfo_v2(std::size_t* available, std::size_t* total) {
    return driver_call("cuMemGetInfo_v2", [&] {
        require(available != nullptr && total != nullptr, "no place for the sizes");
        *total = DeviceMemory::get().limit();
        *available = *total - std::min(*total, DeviceMemory::get().used());
    });
}

PN_API int cuMemAllocHost_v2(void** p, std::size_t bytes) {
    return driver_call("cuMemAllocHost_v2", [&] { host_allocate(p, bytes); });
}

PN_API int cuMemHostAlloc(void** p, std::size_t bytes, unsigned flags) {
    return driver_call("cuMemHostAlloc", [&] {
        require(flags <= 7, "unknown flags");
        host_allocate(p, bytes);
    });
}

PN_API int cuMemFreeHost(void* p) {
    return driver_call("cuMemFreeHost", [&] {
        const auto range = state().host_memory.find(p);
        require(range != state().host_memory.end(), "no page-locked memory begins there, or it was freed before");
        run_all_streams();
        free_pages(p, range->second);
        state().host_memory.erase(range);
    });
}

PN_API int cuMemcpyHtoD_v2(Pointer to, const void* from, std::size_t bytes) {
    return driver_call("cuMemcpyHtoD_v2", [&] { to_device(to, from, bytes, nullptr); });
}

PN_API int cuMemcpyDtoH_v2(void* to, Pointer from, std::size_t bytes) {
    return driver_call("cuMemcpyDtoH_v2", [&] { to_host(to, from, bytes, nullptr); });
}

PN_API int cuMemcpyDtoD_v2(Pointer to, Pointer from, std::size_t bytes) {
    return driver_call("cuMemcpyDtoD_v2", [&] { between(to, from, bytes, nullptr); });
}

PN_API int cuMemcpyHtoDAsync_v2(Pointer to, const void* from, std::size_t bytes, Stream* stream) {
    return driver_call("cuMemcpyHtoDAsync_v2", [&] { to_device(to, from, bytes, find_stream(stream)); });
}

PN_API int cuMemcpyDtoHAsync_v2(void* to, Pointer from, std::size_t bytes, Stream* stream) {
    return driver_call("cuMemcpyDtoHAsync_v2", [&] { to_host(to, from, bytes, find_stream(stream)); });
}

PN_API int cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, std::size_t bytes, Stream* stream) {
    return driver_call("cuMemcpyDtoDAsync_v2", [&] { between(to, from, bytes, find_stream(stream)); });
}

PN_API int cuMemsetD8_v2(Pointer to, unsigned char value, std::size_t count) {
    return driver_call("cuMemsetD8_v2", [&] { fill(to, value, count, nullptr); });
}

PN_API int cuMemsetD32_v2(Pointer to, unsigned value, std::size_t count) {
    return driver_call("cuMemsetD32_v2", [&] { fill(to, value, count, nullptr); });
}

PN_API int cuMemsetD8Async(Pointer to, unsigned char value, std::size_t count, Stream* stream) {
    return driver_call("cuMemsetD8Async", [&] { fill(to, value, count, find_stream(stream)); });
}

PN_API int cuMemsetD32Async(Pointer to, unsigned value, std::size_t count, Stream* stream) {
    return driver_call("cuMemsetD32Async", [&] { fill(to, value, count, find_stream(stream)); });
}
