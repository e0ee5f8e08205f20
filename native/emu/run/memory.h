// Device memory: NaN when it is new, as close to a guard page
// at its end as its alignment allows, gone when it is freed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>

namespace pn::emu {

// Whole pages of NaN, for page-locked host memory; null when the system has none left.
void* new_pages(std::size_t bytes);
void free_pages(void* p, std::size_t bytes);

class DeviceMemory {
public:
    static DeviceMemory& get();

    void* allocate(std::size_t bytes);  // null when the limit would be passed
    bool free(void* p, std::string& damage);
    void free_all();

    bool holds(const void* p, std::size_t bytes) const;
    std::string describe(const void* p) const;  // of an address that faulted

    void set_limit(std::size_t bytes) { limit_ = bytes; }
    std::size_t limit() const { return limit_; }
    std::size_t used() const { return used_; }
    std::size_t count() const { return live_.size(); }

private:
    struct Range {
        std::uintptr_t begin;  // of the reserved pages, guards included
        std::size_t reserved;
        std::size_t bytes;
        std::uint64_t number;  // of the allocation, counted from 1
    };
    using Ranges = std::map<std::uintptr_t, Range>;  // by the address that the program knows

    static const Ranges::value_type* at_or_before(const Ranges& ranges, std::uintptr_t p);
    void retire(Ranges::iterator range);

    mutable std::mutex mutex_;
    Ranges live_, freed_;
    std::deque<std::uintptr_t> order_of_freed_;
    std::size_t limit_ = std::size_t{8} << 30, used_ = 0;
    std::uint64_t allocations_ = 0;
};

}  // namespace pn::emu
