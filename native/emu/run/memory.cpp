#include "emu/run/memory.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

namespace pn::emu {

namespace {

constexpr std::size_t page = 4096, alignment = 256, remembered = 512;  // freed ranges kept out of use
constexpr unsigned char mark = 0xcb;

std::size_t rounded(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

// A file in memory that holds NaN all through.
constexpr std::size_t nan_bytes = 4 << 20;

int nan_file() {
    static const int file = [] {
        const int fd = memfd_create("pncuda_emu", MFD_CLOEXEC);
        if (fd < 0 || ftruncate(fd, nan_bytes) != 0) return -1;
        void* const memory = mmap(nullptr, nan_bytes, PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED) return -1;
        std::memset(memory, 0xff, nan_bytes);
        munmap(memory, nan_bytes);
        return fd;
    }();
    return file;
}

// Fills whole pages with NaN. Large areas become private copies
// of that file: a page costs nothing before it is written.
void fill_pages(char* first, std::size_t bytes) {
    constexpr std::size_t large = 256 * 1024;
    if (bytes >= large && nan_file() >= 0) {
        for (std::size_t at = 0; at < bytes; at += nan_bytes)
            if (mmap(first + at, std::min(nan_bytes, bytes - at), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, nan_file(), 0) == MAP_FAILED)
                throw std::bad_alloc();
        return;
    }
    mprotect(first, bytes, PROT_READ | PROT_WRITE);
    std::memset(first, 0xff, bytes);
}

}  // namespace

void* new_pages(std::size_t bytes) {
    void* const memory =
        mmap(nullptr, rounded(bytes, page), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    fill_pages(static_cast<char*>(memory), rounded(bytes, page));
    return memory;
}

void free_pages(void* p, std::size_t bytes) { munmap(p, rounded(bytes, page)); }

DeviceMemory& DeviceMemory::get() {
    static DeviceMemory memory;
    return memory;
}

void* DeviceMemory::allocate(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (bytes > limit_ || used_ > limit_ - bytes) return nullptr;
    const std::size_t usable = rounded(bytes, alignment), pages = rounded(usable, page), reserved = pages + 2 * page;
    void* const memory = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    char* const first = static_cast<char*>(memory) + page;
    fill_pages(first, pages);
    char* const p = first + (pages - usable);
    std::memset(p + bytes, mark, usable - bytes);
    live_[reinterpret_cast<std::uintptr_t>(p)] = {reinterpret_cast<std::uintptr_t>(memory), reserved, bytes,
                                                  ++allocations_};
    used_ += bytes;
    return p;
}

bool DeviceMemory::free(void* p, std::string& damage) {
    const std::lock_guard lock(mutex_);
    const auto range = live_.find(reinterpret_cast<std::uintptr_t>(p));
    if (range == live_.end()) return false;
    const auto* const begin = static_cast<const unsigned char*>(p);
    const std::size_t bytes = range->second.bytes;
    for (std::size_t i = bytes; i < rounded(bytes, alignment); i++)
        if (begin[i] != mark)
            damage = "a kernel wrote " + std::to_string(i - bytes) + " bytes past the end of allocation " +
                     std::to_string(range->second.number) + " (" + std::to_string(bytes) + " bytes)";
    retire(range);
    return true;
}

void DeviceMemory::free_all() {
    const std::lock_guard lock(mutex_);
    while (!live_.empty()) retire(live_.begin());
}

void DeviceMemory::retire(Ranges::iterator range) {
    const Range& r = range->second;
    used_ -= r.bytes;
    // Replaces the pages: their memory is given back, and whoever still uses the address faults.
    void* const begin = reinterpret_cast<void*>(r.begin);
    mmap(begin, r.reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    freed_.insert(*range);
    order_of_freed_.push_back(range->first);
    live_.erase(range);
    if (order_of_freed_.size() <= remembered) return;
    const auto oldest = freed_.find(order_of_freed_.front());
    order_of_freed_.pop_front();
    munmap(reinterpret_cast<void*>(oldest->second.begin), oldest->second.reserved);
    freed_.erase(oldest);
}

const DeviceMemory::Ranges::value_type* DeviceMemory::at_or_before(const Ranges& ranges, std::uintptr_t p) {
    auto range = ranges.upper_bound(p);
    return range == ranges.begin() ? nullptr : &*--range;
}

bool DeviceMemory::holds(const void* p, std::size_t bytes) const {
    const std::lock_guard lock(mutex_);
    const auto address = reinterpret_cast<std::uintptr_t>(p);
    const auto* const range = at_or_before(live_, address);
    return range != nullptr && address + bytes <= range->first + range->second.bytes && address + bytes >= address;
}

std::string DeviceMemory::describe(const void* p) const {
    const std::lock_guard lock(mutex_);
    const auto address = reinterpret_cast<std::uintptr_t>(p);
    if (address < page) return "an access through a null pointer";
    const auto words = [&](const Ranges::value_type& range) {
        const std::string offset = address >= range.first ? std::to_string(address - range.first)
                                                          : "-" + std::to_string(range.first - address);
        return "byte " + offset + " of allocation " + std::to_string(range.second.number) + " (" +
               std::to_string(range.second.bytes) + " bytes";
    };
    for (const Ranges* ranges : {&live_, &freed_})
        for (const auto& range : *ranges)
            if (address >= range.second.begin && address < range.second.begin + range.second.reserved)
                return "an access to " + words(range) + (ranges == &freed_ ? ", freed)" : ")");
    char text[64];
    std::snprintf(text, sizeof text, "an access to %p, which is no device memory", p);
    const auto* const nearest = at_or_before(live_, address);
    return nearest == nullptr ? text : std::string(text) + "; the next allocation below: " + words(*nearest) + ")";
}

}  // namespace pn::emu
